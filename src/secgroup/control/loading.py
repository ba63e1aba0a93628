"""A network that people have, as the state that an endpoint begins with.

A template becomes resources by its nouns; describe output is taken over as it stands, with every
member that EC2 describes, and completed by the nouns where it does not say enough. What operations
count on besides is added in `completing`.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from secgroup.control.aws_prefix_lists import AWS
from secgroup.control.completing import associate_addresses, completed
from secgroup.control.export import CALLS
from secgroup.control.peering_blocks import tags_of_side
from secgroup.control.seed import resources_of
from secgroup.control.seed_ids import with_ids
from secgroup.control.state import Resource, World
from secgroup.errors import InputError
from secgroup.model.network import Network
from secgroup.sources.describe import Answers

#: Members that are derived when a resource is shown, and not kept.
_DERIVED: Final = frozenset(
    {
        ("SecurityGroup", "IpPermissions"),
        ("SecurityGroup", "IpPermissionsEgress"),
        ("Subnet", "AvailableIpAddressCount"),
        ("ManagedPrefixList", "Cidrs"),
        ("ManagedPrefixList", "Entries"),
        ("Instance", "NetworkInterfaces"),
        ("Instance", "SecurityGroups"),
        ("Instance", "SourceDestCheck"),
        ("Instance", "PrivateIpAddress"),
        ("Instance", "PublicIpAddress"),
        ("Instance", "PublicDnsName"),
        ("Instance", "Ipv6Address"),
        ("Reservation", "Instances"),
    }
)

#: What is told of resources, by kind and id.
_Told = Mapping[tuple[str, str], Resource]
#: Returns a resource of a kind without what is no member of its shape.
Shaped = Callable[[str, Resource], Resource]


def load(world: World, network: Network, answers: Answers, shaped: Shaped) -> None:
    """Put a network into a world; what AWS gave the world goes if the network has its like.

    Parameters
    ----------
    network : Network
        What `sources.load` made of the files.
    answers : Answers
        The describe output among the files.
    shaped : callable
        Holds a resource against EC2's shape of its kind.

    Raises
    ------
    InputError
        Describe output has a value that is not of the shape, or something that another world of
        the store has.

    """
    if any(vpc.is_default for vpc in network.vpcs.values()):
        _clear(world)
    told = _told(world, answers)
    for kind, resource in resources_of(with_ids(network, world), world):
        resource_id = world.state.kinds[kind].id_of(resource)
        kept = told.get((kind, resource_id))
        if kind == "Reservation":
            resource, kept = _reservation(world, resource, told), None
        merged = resource if kept is None else shaped(kind, {**resource, **kept})
        found = completed(world, kind, merged)
        if not _is_elsewhere(world, kind, resource_id, found):
            world.put(kind, found)
    associate_addresses(world)


def _reservation(world: World, resource: Resource, told: _Told) -> dict[str, Any]:
    """Return the reservation of an instance, with the others that were launched together."""
    (instance,) = resource["Instances"]
    found = {**resource, **told.get(("Reservation", instance["InstanceId"]), {})}
    earlier = world.get("Reservation", found["ReservationId"]) or {"Instances": []}
    return {**found, "Instances": [*earlier["Instances"], instance]}


def _is_elsewhere(world: World, kind: str, resource_id: str, found: Resource) -> bool:
    """Tell whether AWS or the other side of a peering connection has this already.

    Raises
    ------
    InputError
        Another account or Region has it, and it cannot be in both.

    """
    row = world.state.find(kind, resource_id)
    if row is None or (row.account_id, row.region) == (world.account_id, world.region):
        return False
    side = tags_of_side(world, resource_id)
    if side is not None:
        tags, resource = side
        world.put(tags.shape, {**resource, tags.tags: list(found.get(tags.tags) or ())})
    elif row.account_id != AWS:
        raise InputError(
            f"{resource_id} is of {row.account_id} in {row.region} already "
            "(expected what the store does not have)"
        )
    return True


def _kept(shape: str, resource: Resource) -> dict[str, Any]:
    return {
        member: value
        for member, value in resource.items()
        if value is not None and (shape, member) not in _DERIVED
    }


def _clear(world: World) -> None:
    """Remove what a world begins with but its DHCP options, which say that it has begun."""
    for kind in world.state.kinds:
        if kind == "DhcpOptions":
            continue
        for resource in list(world.every(kind)):
            world.delete(kind, world.state.kinds[kind].id_of(resource))


def _told(world: World, answers: Answers) -> _Told:
    """Return what describe output says of each resource; of reservations, by their instances."""
    found: dict[tuple[str, str], Resource] = {}
    for _, key, shape in CALLS:
        if shape is None:
            continue
        kind = world.state.kinds[shape]
        for node in answers.nodes[key]:
            kept = _kept(shape, node.value)
            found[shape, kind.id_of(kept)] = kept
    for node in answers.nodes["Instances"]:
        found["Instance", node.value["InstanceId"]] = _kept("Instance", node.value)
    for node in answers.nodes["Reservations"]:
        reservation = _kept("Reservation", node.value)
        for instance in node.nodes("Instances"):
            instance_id = instance.value["InstanceId"]
            found["Instance", instance_id] = _kept("Instance", instance.value)
            found["Reservation", instance_id] = reservation
    for vpc_id, attributes in answers.attributes.items():
        told = {name: {"Value": value} for name, value in attributes.items()}
        found["DescribeVpcAttributeResult", vpc_id] = told
    return found

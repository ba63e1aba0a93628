"""A network that people have, as the state that an endpoint begins with.

A template becomes resources by its nouns; describe output is taken over as it stands, with every
member that EC2 describes, and completed by the nouns where it does not say enough.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from secgroup.control.export import CALLS
from secgroup.control.seed import resources_of
from secgroup.control.seed_ids import with_ids
from secgroup.control.state import Resource, World
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
    }
)

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
        Describe output has a value that is not of the shape.

    """
    if any(vpc.is_default for vpc in network.vpcs.values()):
        _clear(world)
    told = _told(world, answers)
    for kind, resource in resources_of(with_ids(network, world), world):
        resource_id = world.state.kinds[kind].id_of(resource)
        kept = told.get((kind, resource_id))
        world.put(kind, resource if kept is None else shaped(kind, {**resource, **kept}))


def _clear(world: World) -> None:
    for kind in world.state.kinds:
        for resource in list(world.every(kind)):
            world.delete(kind, world.state.kinds[kind].id_of(resource))


def _told(world: World, answers: Answers) -> Mapping[tuple[str, str], Resource]:
    """Return what describe output says of each resource, by kind and id."""
    found: dict[tuple[str, str], Resource] = {}
    for _, key, shape in CALLS:
        if shape is None:
            continue
        kind = world.state.kinds[shape]
        for node in answers.nodes[key]:
            kept: dict[str, Any] = {
                member: value
                for member, value in node.value.items()
                if value is not None and (shape, member) not in _DERIVED
            }
            found[shape, kind.id_of(kept)] = kept
    return found

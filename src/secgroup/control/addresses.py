"""Elastic IP addresses, and the public addresses that interfaces get by themselves.

An association stands in the address and in the private address of its interface.
Source: EC2 User Guide, "Elastic IP addresses"; API reference, AssociateAddress.
"""

from typing import Any, Final

from secgroup.control.describe import Describe, describe
from secgroup.control.interface_addresses import OF_ASSOCIATION
from secgroup.control.internet_gateways import gateway_of
from secgroup.control.parameters import one_of, unserved
from secgroup.control.places import public_dns_name
from secgroup.control.state import Resource, World
from secgroup.control.tags import tags_of
from secgroup.control.vpcs import has_attribute
from secgroup.errors import Ec2Error

_PUBLIC: Final = "PrivateIpAddresses.Association.PublicIp"


def _instance(world: World, address: Resource) -> list[str]:
    interface = world.get("NetworkInterface", address.get("NetworkInterfaceId", "")) or {}
    instance_id = (interface.get("Attachment") or {}).get("InstanceId")
    return [] if instance_id is None else [instance_id]


def _view(world: World, address: Resource) -> Resource:
    found = _instance(world, address)
    return {**address, "InstanceId": found[0]} if found else address


_DESCRIBE: Final = Describe(
    kind="Address",
    result="Addresses",
    ids="AllocationIds",
    filters={
        "allocation-id": "AllocationId",
        "association-id": "AssociationId",
        "domain": "Domain",
        "instance-id": _instance,
        "network-border-group": "NetworkBorderGroup",
        "network-interface-id": "NetworkInterfaceId",
        "network-interface-owner-id": "NetworkInterfaceOwnerId",
        "private-ip-address": "PrivateIpAddress",
        "public-ip": "PublicIp",
    },
    view=_view,
    max_results=None,
)


def _new_public(world: World) -> str:
    """Return an address of 52.0.0.0/8 that nothing of any world has."""
    while True:
        number = int(world.state.token(6), 16)
        address = f"52.{number >> 16}.{number >> 8 & 255}.{number & 255}"
        if not any(_is_taken(world, address, *place) for place in world.state.worlds()):
            return address


def _is_taken(world: World, address: str, account_id: str, region: str) -> bool:
    elastic = world.state.table(account_id, region, "Address")
    mapped = world.state.table(account_id, region, "NetworkInterface")
    return bool(elastic.where("PublicIp", address) or mapped.where(_PUBLIC, address))


# Associations -------------------------------------------------------------------------------------


def _with(interface: Resource, private: str, association: Resource | None) -> dict[str, Any]:
    """Return an interface whose private address has an association, or none."""
    told = {} if association is None else {"Association": association}
    addresses = [
        {**{k: v for k, v in each.items() if k != "Association"}, **told}
        if each["PrivateIpAddress"] == private
        else each
        for each in interface["PrivateIpAddresses"]
    ]
    new = {**interface, "PrivateIpAddresses": addresses}
    if private == interface["PrivateIpAddress"]:
        new.pop("Association", None)
        new |= told
    return new


def told(world: World, vpc_id: str, public: str) -> dict[str, Any]:
    """Return a public address with its name, if its VPC gives names, as associations tell it."""
    has_names = has_attribute(world, vpc_id, "EnableDnsHostnames")
    return {
        "PublicIp": public,
        "PublicDnsName": public_dns_name(world.region, public) if has_names else "",
    }


def map_public(world: World, interface: Resource) -> Resource:
    """Give the primary address of an interface a public one of Amazon's, until it is taken back."""
    association = {
        "IpOwnerId": "amazon",
        **told(world, interface["VpcId"], _new_public(world)),
    }
    new = _with(interface, interface["PrivateIpAddress"], association)
    world.put("NetworkInterface", new)
    return new


def unmap_public(world: World, interface: Resource) -> Resource:
    """Take the public address of Amazon's from an interface that has one."""
    association = interface.get("Association") or {}
    if association.get("IpOwnerId") != "amazon":
        return interface
    new = _with(interface, interface["PrivateIpAddress"], None)
    world.put("NetworkInterface", new)
    return new


def associate(world: World, address: Resource, interface: Resource, private: str) -> str:
    """Associate an address that is free with a private one, and return the association's id."""
    association_id = world.new_id("eipassoc")
    associated = {
        **address,
        "AssociationId": association_id,
        "NetworkInterfaceId": interface["NetworkInterfaceId"],
        "NetworkInterfaceOwnerId": interface["OwnerId"],
        "PrivateIpAddress": private,
    }
    tell(world, associated, interface, private)
    world.put("Address", associated)
    return association_id


def tell(world: World, address: Resource, interface: Resource, private: str) -> None:
    """Let an interface tell the address that is associated with a private one of its."""
    association = {
        "AllocationId": address["AllocationId"],
        "AssociationId": address["AssociationId"],
        "IpOwnerId": world.account_id,
        **told(world, interface["VpcId"], address["PublicIp"]),
    }
    world.put("NetworkInterface", _with(interface, private, association))


def dissociate(world: World, address: Resource) -> None:
    """Take an address from what it is associated with."""
    interface = world.need("NetworkInterface", address["NetworkInterfaceId"])
    world.put("NetworkInterface", _with(interface, address["PrivateIpAddress"], None))
    world.put("Address", {k: v for k, v in address.items() if k not in OF_ASSOCIATION})


def dissociate_all(world: World, interface: Resource) -> None:
    """Take every address from an interface that goes."""
    for address in world.where("Address", "NetworkInterfaceId", interface["NetworkInterfaceId"]):
        dissociate(world, address)


# Operations ---------------------------------------------------------------------------------------


def allocate_address(world: World, request: Resource) -> dict[str, Any]:
    """AllocateAddress: of Amazon's pool, in a VPC."""
    unserved(request, "Address", "CustomerOwnedIpv4Pool", "IpamPoolId")
    if request.get("PublicIpv4Pool") not in (None, "amazon"):
        raise Ec2Error("parameter_not_served", name="PublicIpv4Pool")
    if request.get("Domain") == "standard":
        raise Ec2Error("value_invalid", value="standard", parameter="domain")
    tags = tags_of(world, request, "elastic-ip")
    if world.count("Address") >= world.quota("elastic-addresses-per-region"):
        raise Ec2Error("too_many_addresses")
    address = {
        "AllocationId": world.new_id("eipalloc"),
        "PublicIp": _new_public(world),
        "PublicIpv4Pool": "amazon",
        "NetworkBorderGroup": world.region,
        "Domain": "vpc",
        "Tags": tags,
    }
    world.put("Address", address)
    return {key: value for key, value in address.items() if key != "Tags"}


def _by(world: World, request: Resource, path: str, key: str, fault: str) -> Resource:
    found = next(world.where("Address", path, request[key]), None)
    if found is None:
        raise Ec2Error(fault, resource_id=request[key])
    return found


def _named(world: World, request: Resource) -> Resource:
    key = one_of(request, "AllocationId", "PublicIp")
    if key == "AllocationId":
        return world.need("Address", request["AllocationId"])
    return _by(world, request, "PublicIp", "PublicIp", "address_not_found")


def release_address(world: World, request: Resource) -> dict[str, Any]:
    """ReleaseAddress: not while it is associated, unless with an instance of a default VPC.

    Source: API Reference, ReleaseAddress.
    """
    address = _named(world, request)
    if "AssociationId" in address:
        interface = world.need("NetworkInterface", address["NetworkInterfaceId"])
        vpc = world.need("Vpc", interface["VpcId"])
        if not vpc["IsDefault"] or "InstanceId" not in (interface.get("Attachment") or {}):
            raise Ec2Error("address_in_use", address=address["PublicIp"])
        dissociate(world, address)
    world.delete("Address", address["AllocationId"])
    return {}


def _target(world: World, request: Resource) -> Resource:
    key = one_of(request, "InstanceId", "NetworkInterfaceId")
    if key == "NetworkInterfaceId":
        return world.need("NetworkInterface", request[key])
    instance = world.need("Instance", request[key])
    if instance["State"]["Name"] not in ("running", "stopped"):
        raise Ec2Error("instance_state", resource_id=request[key], verb="associated")
    found = list(world.where("NetworkInterface", "Attachment.InstanceId", request[key]))
    if len(found) != 1:
        raise Ec2Error("instance_with_several_interfaces", resource_id=request[key])
    return found[0]


def _check_own(interface: Resource) -> None:
    """Refuse to change the addresses of what a service manages: a NAT gateway's interface."""
    if interface["RequesterManaged"]:
        raise Ec2Error("interface_managed", resource_id=interface["NetworkInterfaceId"])


def associate_address(world: World, request: Resource) -> dict[str, Any]:
    """AssociateAddress: moves an address by itself, unless `AllowReassociation` is false."""
    address = _named(world, request)
    interface = _target(world, request)
    _check_own(interface)
    if gateway_of(world, interface["VpcId"]) is None:
        raise Ec2Error("vpc_without_gateway", resource_id=interface["VpcId"])
    private = request.get("PrivateIpAddress") or interface["PrivateIpAddress"]
    found = [e for e in interface["PrivateIpAddresses"] if e["PrivateIpAddress"] == private]
    if not found:
        interface_id = interface["NetworkInterfaceId"]
        raise Ec2Error("address_not_assigned", address=private, resource_id=interface_id)
    now = found[0].get("Association") or {}
    if "AssociationId" in address and now.get("AssociationId") == address["AssociationId"]:
        return {"AssociationId": address["AssociationId"]}
    others = [address] if "AssociationId" in address else []
    if "AllocationId" in now:
        others.append(world.need("Address", now["AllocationId"]))
    for other in others:
        if request.get("AllowReassociation") is False:
            raise Ec2Error(
                "address_associated",
                resource_id=other["AllocationId"],
                association=other["AssociationId"],
            )
        _check_own(world.need("NetworkInterface", other["NetworkInterfaceId"]))
        dissociate(world, other)
    address = world.need("Address", address["AllocationId"])
    interface = world.need("NetworkInterface", interface["NetworkInterfaceId"])
    return {"AssociationId": associate(world, address, interface, private)}


def disassociate_address(world: World, request: Resource) -> dict[str, Any]:
    """DisassociateAddress: of a NAT gateway, only with the gateway."""
    key = one_of(request, "AssociationId", "PublicIp")
    if key == "AssociationId":
        address = _by(world, request, key, key, "association_not_found")
    else:
        address = _by(world, request, key, key, "address_not_found")
        if "AssociationId" not in address:
            raise Ec2Error("association_not_found", resource_id=request[key])
    _check_own(world.need("NetworkInterface", address["NetworkInterfaceId"]))
    dissociate(world, address)
    return {}


def describe_addresses(world: World, request: Resource) -> dict[str, Any]:
    """DescribeAddresses: also by their `PublicIps`."""
    asked = request.get("PublicIps")
    if not asked:
        return describe(world, request, _DESCRIBE)
    found = {
        public: _by(world, {"PublicIp": public}, "PublicIp", "PublicIp", "address_not_found")
        for public in asked
    }
    return describe(world, request, _DESCRIBE, list(found.values()))


OPERATIONS: Final = {
    "AllocateAddress": allocate_address,
    "ReleaseAddress": release_address,
    "AssociateAddress": associate_address,
    "DisassociateAddress": disassociate_address,
    "DescribeAddresses": describe_addresses,
}

"""Network interfaces: made, described, modified, deleted.

Their addresses are in `interface_addresses`, what they are attached to in `interface_attachments`.
Source: EC2 User Guide, "Elastic network interfaces"; API reference, CreateNetworkInterface.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Final

from secgroup.control import addresses, interface_addresses, routes
from secgroup.control.associations import networks_of
from secgroup.control.default_groups import default_id
from secgroup.control.describe import Describe, describe
from secgroup.control.interface_addresses import IPV4, IPV4_PREFIX, IPV6, IPV6_PREFIX
from secgroup.control.parameters import given, unserved
from secgroup.control.state import Resource, World
from secgroup.control.tags import tags_of
from secgroup.errors import Ec2Error
from secgroup.model.interface import TIMEOUT_BOUNDS_S

_DESCRIBE: Final = Describe(
    kind="NetworkInterface",
    result="NetworkInterfaces",
    ids="NetworkInterfaceIds",
    filters={
        "association.allocation-id": "Association.AllocationId",
        "association.association-id": "Association.AssociationId",
        "association.ip-owner-id": "Association.IpOwnerId",
        "association.public-ip": "Association.PublicIp",
        "association.public-dns-name": "Association.PublicDnsName",
        "addresses.association.owner-id": "PrivateIpAddresses.Association.IpOwnerId",
        "addresses.association.public-ip": "PrivateIpAddresses.Association.PublicIp",
        "addresses.primary": "PrivateIpAddresses.Primary",
        "addresses.private-ip-address": "PrivateIpAddresses.PrivateIpAddress",
        "attachment.attach-time": "Attachment.AttachTime",
        "attachment.attachment-id": "Attachment.AttachmentId",
        "attachment.delete-on-termination": "Attachment.DeleteOnTermination",
        "attachment.device-index": "Attachment.DeviceIndex",
        "attachment.instance-id": "Attachment.InstanceId",
        "attachment.instance-owner-id": "Attachment.InstanceOwnerId",
        "attachment.status": "Attachment.Status",
        "availability-zone": "AvailabilityZone",
        "availability-zone-id": "AvailabilityZoneId",
        "description": "Description",
        "group-id": "Groups.GroupId",
        "group-name": "Groups.GroupName",
        "ipv6-addresses.ipv6-address": "Ipv6Addresses.Ipv6Address",
        "interface-type": "InterfaceType",
        "mac-address": "MacAddress",
        "network-interface-id": "NetworkInterfaceId",
        "operator.managed": "Operator.Managed",
        "operator.principal": "Operator.Principal",
        "owner-id": "OwnerId",
        "private-dns-name": "PrivateDnsName",
        "private-ip-address": "PrivateIpAddress",
        "requester-id": "RequesterId",
        "requester-managed": "RequesterManaged",
        "source-dest-check": "SourceDestCheck",
        "status": "Status",
        "subnet-id": "SubnetId",
        "vpc-id": "VpcId",
    },
)


# What interfaces are made of ----------------------------------------------------------------------


def groups_of(world: World, vpc_id: str, wanted: Sequence[str] | None) -> list[dict[str, Any]]:
    """Return the groups of an interface in a VPC; the default group when none is asked for.

    Raises
    ------
    Ec2Error
        One is not there, is of another VPC, or they are too many.

    """
    ids = dict.fromkeys(wanted) if wanted else [default_id(world, vpc_id)]
    found = [world.need("SecurityGroup", group_id) for group_id in ids]
    for group in found:
        if group["VpcId"] != vpc_id and vpc_id not in networks_of(world.state, group):
            raise Ec2Error("group_of_other_vpc", resource_id=group["GroupId"], vpc=vpc_id)
    if len(found) > world.quota("security-groups-per-network-interface"):
        raise Ec2Error("too_many_groups_of_interface")
    return [{"GroupId": each["GroupId"], "GroupName": each["GroupName"]} for each in found]


def tracking_of(request: Resource, old: Resource) -> dict[str, Any]:
    """Return the idle timeouts of an interface after a request's specification.

    Raises
    ------
    Ec2Error
        One is out of its bounds.

    """
    specification = request.get("ConnectionTrackingSpecification") or {}
    for name, (least, most) in TIMEOUT_BOUNDS_S.items():
        seconds = specification.get(name)
        if seconds is not None and not least <= seconds <= most:
            raise Ec2Error("timeout_invalid", value=seconds, name=name, least=least, most=most)
    return {**(old.get("ConnectionTrackingConfiguration") or {}), **specification}


def _check_named(listed: Iterable[Resource], member: str) -> None:
    """Hold that each address in a list is one."""
    for each in listed:
        if not each.get(member):
            raise Ec2Error("missing_parameter", name=member[0].lower() + member[1:])


def _ipv4_of(world: World, subnet: Resource, request: Resource) -> list[str]:
    """Return the private addresses that a request asks for, the primary one first."""
    listed = request.get("PrivateIpAddresses") or []
    _check_named(listed, "PrivateIpAddress")
    primaries = [each["PrivateIpAddress"] for each in listed if each.get("Primary")]
    if request.get("PrivateIpAddress"):
        primaries.append(request["PrivateIpAddress"])
    if len(set(primaries)) > 1:
        raise Ec2Error("several_primary_addresses")
    rest = [each["PrivateIpAddress"] for each in listed if not each.get("Primary")]
    count = request.get("SecondaryPrivateIpAddressCount") or 0
    if rest and count:
        name = "secondaryPrivateIpAddressCount"
        raise Ec2Error("not_together", first="privateIpAddresses", second=name)
    if subnet["Ipv6Native"] and not primaries and not rest and not count:
        return []
    found = interface_addresses.checked(world, subnet, IPV4, [*primaries[:1], *rest])
    if not primaries:
        found = [*interface_addresses.chosen(world, subnet, IPV4, 1, found), *found]
    return found + interface_addresses.chosen(world, subnet, IPV4, count, found)


def _ipv6_of(world: World, subnet: Resource, request: Resource) -> list[str]:
    _check_named(request.get("Ipv6Addresses") or (), "Ipv6Address")
    listed = [each["Ipv6Address"] for each in request.get("Ipv6Addresses") or ()]
    count = request.get("Ipv6AddressCount")
    if listed and count:
        raise Ec2Error("not_together", first="ipv6Addresses", second="ipv6AddressCount")
    if count is None and not listed:
        count = int(subnet["AssignIpv6AddressOnCreation"])
    found = interface_addresses.checked(world, subnet, IPV6, listed) if listed else []
    return found + interface_addresses.chosen(world, subnet, IPV6, count or 0)


def _prefixes_of(
    world: World, subnet: Resource, request: Resource, kind: tuple[str, str]
) -> list[dict[str, str]]:
    listed = [each[kind[1]] for each in request.get(kind[0]) or ()]
    count = request.get(f"{kind[1]}Count") or 0
    found = interface_addresses.checked_prefixes(world, subnet, kind, listed)
    found += interface_addresses.chosen(world, subnet, kind, count)
    return [{kind[1]: each} for each in found]


def create(
    world: World, request: Resource, tags: list[dict[str, Any]], **more: Any
) -> dict[str, Any]:
    """Make an interface as CreateNetworkInterface's request asks; `more` is put over it.

    Raises
    ------
    Ec2Error
        The subnet, an address or a group cannot be had.

    """
    subnet = world.need("Subnet", request["SubnetId"])
    if world.count("NetworkInterface") >= world.quota("network-interfaces-per-region"):
        raise Ec2Error("too_many_interfaces")
    ipv4 = _ipv4_of(world, subnet, request)
    ipv6 = _ipv6_of(world, subnet, request)
    mac = world.state.token(10)
    interface: dict[str, Any] = {
        "NetworkInterfaceId": world.new_id("eni"),
        "OwnerId": world.account_id,
        "VpcId": subnet["VpcId"],
        "SubnetId": subnet["SubnetId"],
        "AvailabilityZone": subnet["AvailabilityZone"],
        "AvailabilityZoneId": subnet["AvailabilityZoneId"],
        "Description": request.get("Description") or "",
        "InterfaceType": request.get("InterfaceType") or "interface",
        "MacAddress": ":".join(["02", *(mac[at : at + 2] for at in range(0, 10, 2))]),
        "Status": "available",
        "SourceDestCheck": True,
        "RequesterId": world.account_id,
        "RequesterManaged": False,
        "Operator": {"Managed": False},
        "PrivateIpAddresses": interface_addresses.members(world, ipv4),
        "Ipv6Addresses": [
            {
                "Ipv6Address": each,
                "IsPrimaryIpv6": index == 0 and bool(request.get("EnablePrimaryIpv6")),
            }
            for index, each in enumerate(ipv6)
        ],
        "TagSet": tags,
        **more,
    }
    if "Groups" not in more:
        interface["Groups"] = groups_of(world, subnet["VpcId"], request.get("Groups"))
    if ipv4:
        interface["PrivateIpAddress"] = ipv4[0]
        interface["PrivateDnsName"] = interface_addresses.private_dns_name(world, ipv4[0])
    for kind in (IPV4_PREFIX, IPV6_PREFIX):
        prefixes = _prefixes_of(world, subnet, request, kind)
        if prefixes:
            interface[kind[0]] = prefixes
    tracking = tracking_of(request, {})
    if tracking:
        interface["ConnectionTrackingConfiguration"] = tracking
    interface_addresses.put(world, interface)
    return interface


def delete(world: World, interface: Resource) -> None:
    """Delete an interface with what is only its own; routes to it become blackholes."""
    interface_id = interface["NetworkInterfaceId"]
    addresses.dissociate_all(world, interface)
    path = "NetworkInterfaceId"
    for permission in world.where("NetworkInterfacePermission", path, interface_id):
        world.delete("NetworkInterfacePermission", permission["NetworkInterfacePermissionId"])
    for log in world.where("FlowLog", "ResourceId", interface_id):
        world.delete("FlowLog", log["FlowLogId"])
    world.delete("NetworkInterface", interface_id)
    routes.refresh(world, "NetworkInterfaceId", interface_id)


# Operations ---------------------------------------------------------------------------------------


def create_network_interface(world: World, request: Resource) -> dict[str, Any]:
    """CreateNetworkInterface: with the default group of the VPC when no group is asked for."""
    unserved(request, "Operator")
    tags = tags_of(world, request, "network-interface")
    result: dict[str, Any] = {"NetworkInterface": create(world, request, tags)}
    if request.get("ClientToken"):
        result["ClientToken"] = request["ClientToken"]
    return result


def delete_network_interface(world: World, request: Resource) -> dict[str, Any]:
    """DeleteNetworkInterface: not while it is attached."""
    interface = world.need("NetworkInterface", request["NetworkInterfaceId"])
    if interface["RequesterManaged"]:
        raise Ec2Error("interface_managed", resource_id=interface["NetworkInterfaceId"])
    if "Attachment" in interface:
        raise Ec2Error("interface_in_use", resource_id=interface["NetworkInterfaceId"])
    delete(world, interface)
    return {}


def describe_network_interfaces(world: World, request: Resource) -> dict[str, Any]:
    """DescribeNetworkInterfaces."""
    return describe(world, request, _DESCRIBE)


_ATTRIBUTES: Final = (
    "Description",
    "SourceDestCheck",
    "Groups",
    "Attachment",
    "ConnectionTrackingSpecification",
    "EnablePrimaryIpv6",
)


def modify_network_interface_attribute(world: World, request: Resource) -> dict[str, Any]:
    """ModifyNetworkInterfaceAttribute: one attribute a request; `Groups` replaces the set."""
    unserved(request, "AssociatePublicIpAddress", "AssociatedSubnetIds")
    interface = world.need("NetworkInterface", request["NetworkInterfaceId"])
    if interface["RequesterManaged"]:
        raise Ec2Error("interface_managed", resource_id=interface["NetworkInterfaceId"])
    names = given(request, *_ATTRIBUTES)
    if not names:
        raise Ec2Error("missing_one_of", names=", ".join(_ATTRIBUTES))
    if len(names) > 1:
        raise Ec2Error("not_together", first=names[0], second=names[1])
    changed = _MODIFICATIONS[names[0]](world, interface, request)
    world.put("NetworkInterface", {**interface, **changed})
    return {}


def _groups(world: World, interface: Resource, request: Resource) -> dict[str, Any]:
    if not request["Groups"]:
        raise Ec2Error("missing_parameter", name="groupId")
    return {"Groups": groups_of(world, interface["VpcId"], request["Groups"])}


def _attachment(_: World, interface: Resource, request: Resource) -> dict[str, Any]:
    change = request["Attachment"]
    unserved(change, "EnaQueueCount", "DefaultEnaQueueCount")
    attachment = interface.get("Attachment") or {}
    if attachment.get("AttachmentId") != change.get("AttachmentId"):
        raise Ec2Error("attachment_not_found", resource_id=change.get("AttachmentId"))
    kept = bool(change.get("DeleteOnTermination"))
    return {"Attachment": {**attachment, "DeleteOnTermination": kept}}


def _primary_ipv6(_: World, interface: Resource, request: Resource) -> dict[str, Any]:
    if not request["EnablePrimaryIpv6"] or not interface["Ipv6Addresses"]:
        raise Ec2Error("value_invalid", value="false", parameter="enablePrimaryIpv6")
    first, *rest = interface["Ipv6Addresses"]
    return {"Ipv6Addresses": [{**first, "IsPrimaryIpv6": True}, *rest]}


_MODIFICATIONS: Final = {
    "Description": lambda _, __, request: {"Description": request["Description"].get("Value", "")},
    "SourceDestCheck": lambda _, __, request: {
        "SourceDestCheck": bool(request["SourceDestCheck"].get("Value"))
    },
    "Groups": _groups,
    "Attachment": _attachment,
    "ConnectionTrackingSpecification": lambda _, interface, request: {
        "ConnectionTrackingConfiguration": tracking_of(request, interface)
    },
    "EnablePrimaryIpv6": _primary_ipv6,
}


def describe_network_interface_attribute(world: World, request: Resource) -> dict[str, Any]:
    """DescribeNetworkInterfaceAttribute: one attribute a request."""
    interface = world.need("NetworkInterface", request["NetworkInterfaceId"])
    attribute = request.get("Attribute")
    found: dict[str, Any] = {"NetworkInterfaceId": interface["NetworkInterfaceId"]}
    if attribute == "description":
        found["Description"] = {"Value": interface["Description"]}
    elif attribute == "groupSet":
        found["Groups"] = interface["Groups"]
    elif attribute == "sourceDestCheck":
        found["SourceDestCheck"] = {"Value": interface["SourceDestCheck"]}
    elif attribute == "attachment":
        if "Attachment" in interface:
            found["Attachment"] = interface["Attachment"]
    elif attribute == "associatePublicIpAddress":
        found["AssociatePublicIpAddress"] = "Association" in interface
    elif attribute is None:
        raise Ec2Error("missing_parameter", name="attribute")
    else:
        raise Ec2Error("value_invalid", value=attribute, parameter="attribute")
    return found


def reset_network_interface_attribute(world: World, request: Resource) -> dict[str, Any]:
    """ResetNetworkInterfaceAttribute: the source/destination check, to true."""
    interface = world.need("NetworkInterface", request["NetworkInterfaceId"])
    if interface["RequesterManaged"]:
        raise Ec2Error("interface_managed", resource_id=interface["NetworkInterfaceId"])
    if request.get("SourceDestCheck") is None:
        raise Ec2Error("missing_parameter", name="sourceDestCheck")
    world.put("NetworkInterface", {**interface, "SourceDestCheck": True})
    return {}


OPERATIONS: Final = {
    "CreateNetworkInterface": create_network_interface,
    "DeleteNetworkInterface": delete_network_interface,
    "DescribeNetworkInterfaces": describe_network_interfaces,
    "ModifyNetworkInterfaceAttribute": modify_network_interface_attribute,
    "DescribeNetworkInterfaceAttribute": describe_network_interface_attribute,
    "ResetNetworkInterfaceAttribute": reset_network_interface_attribute,
}

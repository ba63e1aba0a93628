"""Instances as they are described, with their attributes and their status.

An instance's groups, addresses and source/destination check are those of its primary interface.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from secgroup.control import network_interfaces
from secgroup.control.describe import Describe, Source, describe
from secgroup.control.instance_types import member_path, needed_type
from secgroup.control.state import Resource, World, values
from secgroup.errors import Ec2Error

_OF_INTERFACE: Final = (
    "Description",
    "Groups",
    "Ipv6Addresses",
    "MacAddress",
    "NetworkInterfaceId",
    "OwnerId",
    "PrivateDnsName",
    "PrivateIpAddress",
    "SourceDestCheck",
    "Status",
    "SubnetId",
    "VpcId",
    "InterfaceType",
    "Ipv4Prefixes",
    "Ipv6Prefixes",
    "ConnectionTrackingConfiguration",
    "Operator",
)
_OF_ATTACHMENT: Final = (
    "AttachTime",
    "AttachmentId",
    "DeleteOnTermination",
    "DeviceIndex",
    "Status",
    "NetworkCardIndex",
)
_OF_ASSOCIATION: Final = ("IpOwnerId", "PublicDnsName", "PublicIp")


def _some(resource: Resource, keys: tuple[str, ...]) -> dict[str, Any]:
    return {key: resource[key] for key in keys if key in resource}


def _nested(interface: Resource) -> dict[str, Any]:
    """Return an interface as its instance shows it."""
    found = _some(interface, _OF_INTERFACE)
    found["Attachment"] = _some(interface["Attachment"], _OF_ATTACHMENT)
    found["PrivateIpAddresses"] = [
        {
            **each,
            **(
                {"Association": _some(each["Association"], _OF_ASSOCIATION)}
                if "Association" in each
                else {}
            ),
        }
        for each in interface["PrivateIpAddresses"]
    ]
    if "Association" in interface:
        found["Association"] = _some(interface["Association"], _OF_ASSOCIATION)
    return found


def interfaces_of(world: World, instance: Resource) -> list[Resource]:
    """Return the interfaces of an instance, the primary one first."""
    path = "Attachment.InstanceId"
    found = world.where("NetworkInterface", path, instance["InstanceId"])
    return sorted(found, key=lambda each: each["Attachment"]["DeviceIndex"])


def shown(world: World, instance: Resource) -> dict[str, Any]:
    """Return an instance as it is described."""
    interfaces = interfaces_of(world, instance)
    found: dict[str, Any] = {
        **instance,
        "NetworkInterfaces": [_nested(each) for each in interfaces],
        "SecurityGroups": [],
        "PublicDnsName": "",
    }
    if interfaces:
        primary = interfaces[0]
        found["SecurityGroups"] = primary["Groups"]
        found["SourceDestCheck"] = primary["SourceDestCheck"]
        if "PrivateIpAddress" in primary:
            found["PrivateIpAddress"] = primary["PrivateIpAddress"]
        if primary["Ipv6Addresses"]:
            found["Ipv6Address"] = primary["Ipv6Addresses"][0]["Ipv6Address"]
        if "Association" in primary:
            found["PublicIpAddress"] = primary["Association"]["PublicIp"]
            found["PublicDnsName"] = primary["Association"].get("PublicDnsName", "")
    return found


# DescribeInstances --------------------------------------------------------------------------------

#: Filters whose name spells the members that they look at.
_PLAIN: Final = """
    architecture block-device-mapping.attach-time block-device-mapping.delete-on-termination
    block-device-mapping.device-name block-device-mapping.status block-device-mapping.volume-id
    boot-mode capacity-reservation-id
    capacity-reservation-specification.capacity-reservation-preference
    capacity-reservation-specification.capacity-reservation-target.capacity-reservation-id
    client-token current-instance-boot-mode ebs-optimized ena-support enclave-options.enabled
    hibernation-options.configured hypervisor iam-instance-profile.arn iam-instance-profile.id
    image-id instance-lifecycle instance-type ipv6-address kernel-id key-name launch-time
    maintenance-options.auto-recovery metadata-options.http-endpoint
    metadata-options.http-protocol-ipv4 metadata-options.http-protocol-ipv6
    metadata-options.http-put-response-hop-limit metadata-options.http-tokens
    metadata-options.instance-metadata-tags metadata-options.state
    network-performance-options.bandwidth-weighting operator.managed operator.principal
    outpost-arn platform platform-details private-dns-name
    private-dns-name-options.enable-resource-name-dns-a-record
    private-dns-name-options.enable-resource-name-dns-aaaa-record
    private-dns-name-options.hostname-type private-ip-address ramdisk-id root-device-name
    root-device-type source-dest-check spot-instance-request-id tpm-support usage-operation
    usage-operation-update-time virtualization-type
"""
_RENAMED: Final = {
    "affinity": "Placement.Affinity",
    "availability-zone": "Placement.AvailabilityZone",
    "availability-zone-id": "Placement.AvailabilityZoneId",
    "dns-name": "PublicDnsName",
    "host-id": "Placement.HostId",
    "instance-state-code": "State.Code",
    "instance-state-name": "State.Name",
    "instance.group-id": "SecurityGroups.GroupId",
    "instance.group-name": "SecurityGroups.GroupName",
    "ip-address": "PublicIpAddress",
    "launch-index": "AmiLaunchIndex",
    "monitoring-state": "Monitoring.State",
    "placement-group-name": "Placement.GroupName",
    "placement-partition-number": "Placement.PartitionNumber",
    "product-code": "ProductCodes.ProductCodeId",
    "product-code.type": "ProductCodes.ProductCodeType",
    "reason": "StateTransitionReason",
    "state-reason-code": "StateReason.Code",
    "state-reason-message": "StateReason.Message",
    "subnet-id": "SubnetId",
    "tenancy": "Placement.Tenancy",
    "capacity-reservation-specification.capacity-reservation-target."
    "capacity-reservation-resource-group-arn": (
        "CapacityReservationSpecification.CapacityReservationTarget."
        "CapacityReservationResourceGroupArn"
    ),
}
#: Filters `network-interface.` and one of these look at the interfaces themselves.
_OF_INTERFACES: Final = """
    addresses.association.allocation-id addresses.association.association-id
    addresses.association.carrier-ip addresses.association.customer-owned-ip
    addresses.association.ip-owner-id addresses.association.public-dns-name
    addresses.association.public-ip addresses.primary addresses.private-dns-name
    addresses.private-ip-address association.allocation-id association.association-id
    association.carrier-ip association.customer-owned-ip association.ip-owner-id
    association.public-dns-name association.public-ip attachment.attach-time
    attachment.attachment-id attachment.delete-on-termination attachment.device-index
    attachment.instance-id attachment.instance-owner-id attachment.network-card-index
    attachment.status availability-zone deny-all-igw-traffic description group-id group-name
    ipv4-prefixes.ipv4-prefix ipv6-address ipv6-addresses.ipv6-address
    ipv6-addresses.is-primary-ipv6 ipv6-native ipv6-prefixes.ipv6-prefix mac-address
    network-interface-id operator.managed operator.principal outpost-arn owner-id
    private-dns-name private-ip-address public-dns-name requester-id requester-managed status
    source-dest-check subnet-id tag-key tag-value vpc-id
"""
_INTERFACE_PATHS: Final = {
    "group-id": "Groups.GroupId",
    "group-name": "Groups.GroupName",
    "tag-key": "TagSet.Key",
    "tag-value": "TagSet.Value",
}


def _of_shown(path: str) -> Callable[[World, Resource], Iterator[Any]]:
    return lambda world, instance: values(shown(world, instance), path)


def _of_interfaces(path: str) -> Callable[[World, Resource], Iterator[Any]]:
    return lambda world, instance: (
        value for interface in interfaces_of(world, instance) for value in values(interface, path)
    )


def _reservations(world: World, instance: Resource) -> Iterator[Resource]:
    return world.where("Reservation", "Instances.InstanceId", instance["InstanceId"])


def _filters() -> dict[str, Source]:
    found: dict[str, Source] = {"instance-id": "InstanceId", "vpc-id": "VpcId"}
    for name in _PLAIN.split():
        path = member_path(name).replace("BlockDeviceMapping.", "BlockDeviceMappings.")
        path = re.sub(r"^BlockDeviceMappings\.(?!DeviceName)", "BlockDeviceMappings.Ebs.", path)
        found[name] = _of_shown(path.replace("DnsAaaaRecord", "DnsAAAARecord"))
    for name, path in _RENAMED.items():
        found[name] = _of_shown(path)
    for name in _OF_INTERFACES.split():
        path = _INTERFACE_PATHS.get(name, member_path(name))
        path = path.replace("Addresses.", "PrivateIpAddresses.") if name[0] == "a" else path
        found[f"network-interface.{name}"] = _of_interfaces(path)
    found["reservation-id"] = lambda world, instance: (
        each["ReservationId"] for each in _reservations(world, instance)
    )
    found["owner-id"] = lambda world, _: (world.account_id,)
    found["requester-id"] = lambda _, __: ()
    return found


_DESCRIBE: Final = Describe(
    kind="Instance",
    result="Instances",
    ids="InstanceIds",
    filters=_filters(),
    view=shown,
)


def describe_instances(world: World, request: Resource) -> dict[str, Any]:
    """DescribeInstances: by reservation, of which only the instances chosen are shown."""
    found = describe(world, request, _DESCRIBE)
    reservations: dict[str, dict[str, Any]] = {}
    for instance in found.pop("Instances"):
        for each in _reservations(world, instance):
            own = reservations.setdefault(each["ReservationId"], {**each, "Instances": []})
            own["Instances"].append(instance)
    return {**found, "Reservations": list(reservations.values())}


# DescribeInstanceStatus ---------------------------------------------------------------------------


def _status(_: World, instance: Resource) -> dict[str, Any]:
    is_running = instance["State"]["Name"] == "running"
    told: dict[str, Any] = {"Status": "ok" if is_running else "not-applicable"}
    if is_running:
        told["Details"] = [{"Name": "reachability", "Status": "passed"}]
    return {
        "AvailabilityZone": instance["Placement"]["AvailabilityZone"],
        "AvailabilityZoneId": instance["Placement"]["AvailabilityZoneId"],
        "Events": [],
        "InstanceId": instance["InstanceId"],
        "InstanceState": instance["State"],
        "InstanceStatus": told,
        "SystemStatus": told,
        "Operator": {"Managed": False},
    }


def _of_status(path: str) -> Callable[[World, Resource], Iterator[Any]]:
    return lambda world, instance: values(_status(world, instance), path)


_EVENTS: Final = (
    *("code", "description", "instance-event-id", "not-after", "not-before"),
    "not-before-deadline",
)
_STATUS: Final = Describe(
    has_tags=False,
    kind="Instance",
    result="InstanceStatuses",
    ids="InstanceIds",
    filters={
        "availability-zone": "Placement.AvailabilityZone",
        "availability-zone-id": "Placement.AvailabilityZoneId",
        **{f"event.{name}": _of_status(f"Events.{member_path(name)}") for name in _EVENTS},
        "instance-state-code": "State.Code",
        "instance-state-name": "State.Name",
        "instance-status.reachability": _of_status("InstanceStatus.Details.Status"),
        "instance-status.status": _of_status("InstanceStatus.Status"),
        "operator.managed": _of_status("Operator.Managed"),
        "operator.principal": _of_status("Operator.Principal"),
        "system-status.reachability": _of_status("SystemStatus.Details.Status"),
        "system-status.status": _of_status("SystemStatus.Status"),
        "attached-ebs-status.status": _of_status("AttachedEbsStatus.Status"),
        "application-status.status": _of_status("ApplicationStatus.Status"),
    },
    view=_status,
)


def describe_instance_status(world: World, request: Resource) -> dict[str, Any]:
    """DescribeInstanceStatus: of those that run, unless all are asked for."""
    if request.get("IncludeAllInstances"):
        return describe(world, request, _STATUS)
    running = {"Name": "instance-state-name", "Values": ["running"]}
    asked = {**request, "Filters": [*(request.get("Filters") or ()), running]}
    return describe(world, asked, _STATUS)


# Attributes ---------------------------------------------------------------------------------------

_CONSTANT: Final[Mapping[str, dict[str, Any]]] = {
    "kernel": {},
    "ramdisk": {},
    "userData": {"UserData": {}},
    "disableApiTermination": {"DisableApiTermination": {"Value": False}},
    "disableApiStop": {"DisableApiStop": {"Value": False}},
    "instanceInitiatedShutdownBehavior": {"InstanceInitiatedShutdownBehavior": {"Value": "stop"}},
    "blockDeviceMapping": {"BlockDeviceMappings": []},
    "productCodes": {"ProductCodes": []},
    "sriovNetSupport": {"SriovNetSupport": {}},
    "enaSupport": {"EnaSupport": {"Value": True}},
    "enclaveOptions": {"EnclaveOptions": {"Enabled": False}},
}


def describe_instance_attribute(world: World, request: Resource) -> dict[str, Any]:
    """DescribeInstanceAttribute."""
    instance = shown(world, world.need("Instance", request["InstanceId"]))
    attribute = request["Attribute"]
    found: dict[str, Any] = {"InstanceId": instance["InstanceId"]}
    if attribute == "groupSet":
        groups = [{"GroupId": each["GroupId"]} for each in instance["SecurityGroups"]]
        return {**found, "Groups": groups}
    if attribute == "sourceDestCheck":
        return {**found, "SourceDestCheck": {"Value": instance.get("SourceDestCheck", True)}}
    if attribute in ("instanceType", "rootDeviceName", "ebsOptimized"):
        name = attribute[0].upper() + attribute[1:]
        return {**found, name: {"Value": instance[name]}}
    if attribute not in _CONSTANT:
        raise Ec2Error("value_invalid", value=attribute, parameter="attribute")
    return {**found, **_CONSTANT[attribute]}


def modify_instance_attribute(world: World, request: Resource) -> dict[str, Any]:
    """ModifyInstanceAttribute: groups, source/destination check, type; one in a request.

    Groups are the primary interface's. Others are not served.
    """
    instance = world.need("Instance", request["InstanceId"])
    asked = {
        name: request[name]
        for name in ("Groups", "SourceDestCheck", "InstanceType")
        if request.get(name) is not None
    }
    attribute, value = request.get("Attribute"), request.get("Value")
    if attribute in ("sourceDestCheck", "instanceType"):
        name = attribute[0].upper() + attribute[1:]
        asked[name] = {"Value": value if name == "InstanceType" else value == "true"}
    elif attribute is not None and attribute != "groupSet":
        raise Ec2Error("parameter_not_served", name=f"Attribute={attribute}")
    served = {"InstanceId", "DryRun", "Attribute", "Value", *asked}
    for name in sorted(request.keys() - served):
        if request[name] is not None:
            raise Ec2Error("parameter_not_served", name=name)
    if len(asked) != 1:
        raise Ec2Error("one_attribute")
    if "InstanceType" in asked:
        if instance["State"]["Name"] != "stopped":
            raise Ec2Error("instance_not_stopped", resource_id=instance["InstanceId"])
        kind = needed_type(str(asked["InstanceType"].get("Value")))
        world.put("Instance", {**instance, "InstanceType": kind["InstanceType"]})
        return {}
    interfaces = interfaces_of(world, instance)
    if not interfaces:
        raise Ec2Error("instance_state", resource_id=instance["InstanceId"], verb="modified")
    if "SourceDestCheck" in asked and len(interfaces) > 1:
        raise Ec2Error("instance_with_several_interfaces", resource_id=instance["InstanceId"])
    change = {"NetworkInterfaceId": interfaces[0]["NetworkInterfaceId"], **asked}
    return network_interfaces.modify_network_interface_attribute(world, change)


OPERATIONS: Final = {
    "DescribeInstances": describe_instances,
    "DescribeInstanceStatus": describe_instance_status,
    "DescribeInstanceAttribute": describe_instance_attribute,
    "ModifyInstanceAttribute": modify_instance_attribute,
}

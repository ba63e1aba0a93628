"""Instances, as far as they own network interfaces: launched, started, stopped, terminated.

What an instance shows of its interfaces is taken from these each time. There are no disks, images
or processors behind one. Source: EC2 User Guide, "Instance lifecycle"; API reference, RunInstances.
"""

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from secgroup.control import addresses, interface_attachments, network_interfaces
from secgroup.control.default_vpc import default_of, default_subnet_of
from secgroup.control.instance_types import needed_type
from secgroup.control.instances_shown import shown
from secgroup.control.interface_addresses import private_dns_name
from secgroup.control.parameters import needed, unserved
from secgroup.control.places import zone_of
from secgroup.control.security_groups import default_vpc, named_group
from secgroup.control.state import Resource, World
from secgroup.control.tags import tags_of
from secgroup.errors import Ec2Error

_STATES: Final = {"running": 16, "terminated": 48, "stopped": 80}
_TAGGED: Final = ("instance", "network-interface", "volume")
#: How long a terminated instance is still described (EC2 User Guide, "Terminate").
_REMEMBERED: Final = timedelta(hours=1)
_UNSERVED: Final = (
    "LaunchTemplate",
    "InstanceMarketOptions",
    "SecondaryInterfaces",
    "Operator",
)


def state(name: str) -> dict[str, Any]:
    """Return a state as instances show it."""
    return {"Code": _STATES[name], "Name": name}


#: What every instance has that is told nothing else.
PLAIN: Final[Mapping[str, Any]] = {
    "Architecture": "x86_64",
    "Hypervisor": "xen",
    "VirtualizationType": "hvm",
    "RootDeviceName": "/dev/xvda",
    "RootDeviceType": "ebs",
    "BlockDeviceMappings": [],
    "EbsOptimized": False,
    "EnaSupport": True,
    "Monitoring": {"State": "disabled"},
    "PlatformDetails": "Linux/UNIX",
    "UsageOperation": "RunInstances",
    "ProductCodes": [],
}

# RunInstances -------------------------------------------------------------------------------------


def _tags(world: World, request: Resource, resource_type: str) -> list[dict[str, Any]]:
    """Return the tags that a launch gives to one type of what it makes."""
    specifications = request.get("TagSpecifications") or ()
    for each in specifications:
        if each.get("ResourceType") not in _TAGGED:
            raise Ec2Error(
                "tag_specification_of_other_type",
                named=each.get("ResourceType"),
                expected=", ".join(_TAGGED),
            )
    own = [each for each in specifications if each.get("ResourceType") == resource_type]
    return tags_of(world, {"TagSpecifications": own}, resource_type)


def _count(request: Resource) -> int:
    least, most = request.get("MinCount"), request.get("MaxCount")
    if least is None or most is None:
        raise Ec2Error("missing_parameter", name="minCount" if least is None else "maxCount")
    if not 1 <= least <= most:
        raise Ec2Error("value_invalid", value=least, parameter="minCount")
    return int(most)


def _image(request: Resource) -> str:
    image_id = needed(request, "ImageId")
    if not re.fullmatch(r"ami-([0-9a-f]{8}|[0-9a-f]{17})", image_id):
        raise Ec2Error("image_id_malformed", value=image_id)
    return image_id


def _subnet_id(world: World, request: Resource) -> str:
    """Return the subnet of a launch: the one asked for, or a default one."""
    if request.get("SubnetId"):
        return str(request["SubnetId"])
    placement = request.get("Placement") or {}
    zone = zone_of(
        world,
        name=placement.get("AvailabilityZone"),
        zone_id=placement.get("AvailabilityZoneId"),
    )
    subnet = default_subnet_of(world, None if zone is None else zone[0])
    if subnet is not None:
        return str(subnet["SubnetId"])
    vpc = default_of(world)
    if vpc is None:
        raise Ec2Error("no_vpc_for_launch")
    raise Ec2Error("no_subnet_for_launch", resource_id=vpc["VpcId"])


def _group_ids(world: World, request: Resource) -> list[str]:
    ids = list(request.get("SecurityGroupIds") or ())
    names = request.get("SecurityGroups") or ()
    if names and request.get("SubnetId"):
        raise Ec2Error("not_together", first="groupName", second="subnet")
    if names:
        default_vpc(world)
    return ids + [str(named_group(world, name)["GroupId"]) for name in names]


def _specifications(world: World, request: Resource, count: int) -> list[dict[str, Any]]:
    """Return the interfaces that each instance of a launch gets, the primary one first."""
    listed = request.get("NetworkInterfaces") or []
    if not listed:
        keys = ("PrivateIpAddress", "Ipv6AddressCount", "Ipv6Addresses", "EnablePrimaryIpv6")
        only = {key: request[key] for key in keys if request.get(key) is not None}
        if only.get("PrivateIpAddress") and count > 1:
            raise Ec2Error("address_for_several")
        return [
            {
                "DeviceIndex": 0,
                "SubnetId": _subnet_id(world, request),
                "Groups": _group_ids(world, request),
                **only,
            }
        ]
    for key, word in (
        ("SecurityGroupIds", "security groups"),
        ("SecurityGroups", "security groups"),
        ("SubnetId", "subnet ID"),
        ("PrivateIpAddress", "private address"),
    ):
        if request.get(key):
            raise Ec2Error("interfaces_and_instance_level", word=word)
    found = sorted(listed, key=lambda each: each.get("DeviceIndex", -1))
    indexes = [each.get("DeviceIndex") for each in found]
    if indexes[0] != 0 or len(set(indexes)) != len(indexes):
        raise Ec2Error("device_indexes_invalid")
    if count > 1 and any(each.get("NetworkInterfaceId") for each in found):
        raise Ec2Error("address_for_several")
    for each in found:
        unserved(each, "AssociateCarrierIpAddress", "EnaQueueCount")
    return [
        each
        if each.get("NetworkInterfaceId") or each.get("SubnetId")
        else {**each, "SubnetId": _subnet_id(world, request)}
        for each in found
    ]


def _add_interface(
    world: World, specification: Resource, instance_id: str, tags: list[dict[str, Any]]
) -> Resource:
    """Make the interface that a launch specifies, or take the one it names, and attach it."""
    existing_id = specification.get("NetworkInterfaceId")
    index = specification["DeviceIndex"]
    if existing_id:
        interface = world.need("NetworkInterface", existing_id)
        if interface["Status"] != "available" or interface["RequesterManaged"]:
            raise Ec2Error("interface_attached", resource_id=existing_id)
    else:
        asked = {**specification, "EnablePrimaryIpv6": specification.get("PrimaryIpv6")}
        if specification.get("InterfaceType") in (None, "interface"):
            asked.pop("InterfaceType", None)
        interface = network_interfaces.create(world, asked, tags)
    ends = specification.get("DeleteOnTermination")
    made = interface_attachments.attach(
        world,
        interface,
        instance_id,
        device_index=index,
        delete_on_termination=not existing_id if ends is None else ends,
    )
    subnet = world.need("Subnet", made["SubnetId"])
    is_public = specification.get("AssociatePublicIpAddress")
    if is_public is None:
        is_public = index == 0 and subnet["MapPublicIpOnLaunch"] and not existing_id
    if is_public and "PrivateIpAddress" in made and "Association" not in made:
        return addresses.map_public(world, made)
    return made


def _launch(
    world: World,
    request: Resource,
    index: int,
    specifications: list[dict[str, Any]],
    instance_type: Resource,
) -> str:
    instance_id = world.new_id("i")
    tags = _tags(world, request, "network-interface")
    interfaces = [_add_interface(world, each, instance_id, tags) for each in specifications]
    if len({each["AvailabilityZone"] for each in interfaces}) > 1:
        raise Ec2Error("attach_across_zones")
    primary = interfaces[0]
    placement = request.get("Placement") or {}
    instance: dict[str, Any] = {
        "InstanceId": instance_id,
        "ImageId": request["ImageId"],
        "InstanceType": instance_type["InstanceType"],
        "AmiLaunchIndex": index,
        "State": state("running"),
        "StateTransitionReason": "",
        "LaunchTime": world.time,
        "Placement": {
            "AvailabilityZone": primary["AvailabilityZone"],
            "AvailabilityZoneId": primary["AvailabilityZoneId"],
            "GroupName": "",
            "Tenancy": placement.get("Tenancy") or "default",
        },
        **PLAIN,
        "Architecture": instance_type["ProcessorInfo"]["SupportedArchitectures"][0],
        "EbsOptimized": bool(request.get("EbsOptimized")),
        "SubnetId": primary["SubnetId"],
        "VpcId": primary["VpcId"],
        "PrivateDnsName": private_dns_name(world, primary["PrivateIpAddress"])
        if "PrivateIpAddress" in primary
        else f"{instance_id}.{world.region}.compute.internal",
        "Tags": _tags(world, request, "instance"),
    }
    for key in ("KeyName", "ClientToken"):
        if request.get(key):
            instance[key] = request[key]
    world.put("Instance", instance)
    return instance_id


def run_instances(world: World, request: Resource) -> dict[str, Any]:
    """RunInstances: `MaxCount` of them, which run at once; any AMI id is one."""
    unserved(request, *_UNSERVED)
    _forget(world)
    _image(request)
    count = _count(request)
    instance_type = needed_type(request.get("InstanceType") or "m1.small")
    specifications = _specifications(world, request, count)
    if len(specifications) > instance_type["NetworkInfo"]["MaximumNetworkInterfaces"]:
        raise Ec2Error(
            "too_many_attachments",
            count=len(specifications),
            instance_type=instance_type["InstanceType"],
        )
    there = world.count("NetworkInterface")
    if there + count * len(specifications) > world.quota("network-interfaces-per-region"):
        raise Ec2Error("too_many_interfaces")
    made = [_launch(world, request, at, specifications, instance_type) for at in range(count)]
    reservation = {
        "ReservationId": world.new_id("r"),
        "OwnerId": world.account_id,
        "Groups": [],
        "Instances": [{"InstanceId": instance_id} for instance_id in made],
    }
    world.put("Reservation", reservation)
    instances = [shown(world, world.need("Instance", each)) for each in made]
    return {**reservation, "Instances": instances}


# Life ---------------------------------------------------------------------------------------------


def _named(world: World, request: Resource) -> list[Resource]:
    ids = request.get("InstanceIds")
    if not ids:
        raise Ec2Error("missing_parameter", name="instanceId")
    return [world.need("Instance", instance_id) for instance_id in dict.fromkeys(ids)]


def _interfaces(world: World, instance: Resource) -> list[Resource]:
    path = "Attachment.InstanceId"
    return list(world.where("NetworkInterface", path, instance["InstanceId"]))


def _change(world: World, instance: Resource, name: str, reason: str) -> dict[str, Any]:
    """Bring an instance into a state, and tell what became of it; into its own, nothing."""
    new = {**instance, "State": state(name), "StateTransitionReason": reason}
    if name == "running":
        new["LaunchTime"] = world.time
        new.pop("StateReason", None)
    if instance["State"]["Name"] != name:
        world.put("Instance", new)
    return {
        "InstanceId": instance["InstanceId"],
        "PreviousState": instance["State"],
        "CurrentState": new["State"],
    }


def _reason(world: World) -> str:
    return f"User initiated ({world.now:%Y-%m-%d %H:%M:%S} GMT)"


def _refuse_terminated(instance: Resource, verb: str) -> None:
    if instance["State"]["Name"] == "terminated":
        raise Ec2Error("instance_state", resource_id=instance["InstanceId"], verb=verb)


def start_instances(world: World, request: Resource) -> dict[str, Any]:
    """StartInstances: a public address of Amazon's comes anew where the subnet gives one."""
    changes = []
    for instance in _named(world, request):
        _refuse_terminated(instance, "started")
        if instance["State"]["Name"] == "stopped":
            for interface in _interfaces(world, instance):
                subnet = world.need("Subnet", interface["SubnetId"])
                is_primary = interface["Attachment"]["DeviceIndex"] == 0
                if is_primary and subnet["MapPublicIpOnLaunch"] and "Association" not in interface:
                    addresses.map_public(world, interface)
        changes.append(_change(world, instance, "running", ""))
    return {"StartingInstances": changes}


def stop_instances(world: World, request: Resource) -> dict[str, Any]:
    """StopInstances: public addresses of Amazon's are given back."""
    changes = []
    for instance in _named(world, request):
        _refuse_terminated(instance, "stopped")
        for interface in _interfaces(world, instance):
            addresses.unmap_public(world, interface)
        changes.append(_change(world, instance, "stopped", _reason(world)))
    return {"StoppingInstances": changes}


def terminate_instances(world: World, request: Resource) -> dict[str, Any]:
    """TerminateInstances: interfaces go with the instance, or are detached from it."""
    changes = []
    for instance in _named(world, request):
        if instance["State"]["Name"] == "terminated":
            changes.append(_change(world, instance, "terminated", _reason(world)))
            continue
        for interface in _interfaces(world, instance):
            free = addresses.unmap_public(world, interface)
            free = interface_attachments.detach(world, free)
            if interface["Attachment"]["DeleteOnTermination"]:
                network_interfaces.delete(world, free)
        changes.append(_change(world, instance, "terminated", _reason(world)))
        now = world.need("Instance", instance["InstanceId"])
        gone = {key: value for key, value in now.items() if key not in ("SubnetId", "VpcId")}
        gone["PrivateDnsName"] = ""
        gone["StateReason"] = {
            "Code": "Client.UserInitiatedShutdown",
            "Message": "Client.UserInitiatedShutdown: User initiated shutdown",
        }
        world.put("Instance", gone)
    return {"TerminatingInstances": changes}


def _forget(world: World) -> None:
    """Delete what was terminated long ago, with the reservations that are empty then."""
    for instance in world.where("Instance", "State.Name", "terminated"):
        when = re.search(r"\((.*) GMT\)", instance["StateTransitionReason"])
        if when is None:
            continue
        then = datetime.fromisoformat(when[1]).replace(tzinfo=world.now.tzinfo)
        if world.now - then < _REMEMBERED:
            continue
        instance_id = instance["InstanceId"]
        world.delete("Instance", instance_id)
        for reservation in world.where("Reservation", "Instances.InstanceId", instance_id):
            kept = [each for each in reservation["Instances"] if each["InstanceId"] != instance_id]
            if kept:
                world.put("Reservation", {**reservation, "Instances": kept})
            else:
                world.delete("Reservation", reservation["ReservationId"])


OPERATIONS: Final = {
    "RunInstances": run_instances,
    "StartInstances": start_instances,
    "StopInstances": stop_instances,
    "TerminateInstances": terminate_instances,
}

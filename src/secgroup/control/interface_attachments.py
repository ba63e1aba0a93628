"""What network interfaces are attached to, and who else may attach them.

Source: EC2 User Guide, "Attach network interfaces"; API reference, AttachNetworkInterface.
"""

import re
from typing import Any, Final

from secgroup.control import routes
from secgroup.control.describe import Describe, describe
from secgroup.control.instance_types import interface_limit
from secgroup.control.parameters import needed, unserved
from secgroup.control.state import Resource, World
from secgroup.errors import Ec2Error


def attach(
    world: World,
    interface: Resource,
    instance_id: str,
    *,
    device_index: int,
    delete_on_termination: bool,
) -> dict[str, Any]:
    """Attach an interface that is free to an instance, and return it."""
    attachment = {
        "AttachmentId": world.new_id("eni-attach"),
        "AttachTime": world.time,
        "DeleteOnTermination": delete_on_termination,
        "DeviceIndex": device_index,
        "NetworkCardIndex": 0,
        "InstanceId": instance_id,
        "InstanceOwnerId": world.account_id,
        "Status": "attached",
    }
    new = {**interface, "Attachment": attachment, "Status": "in-use"}
    world.put("NetworkInterface", new)
    routes.refresh(world, "NetworkInterfaceId", interface["NetworkInterfaceId"])
    return new


def detach(world: World, interface: Resource) -> dict[str, Any]:
    """Detach an interface, and return it."""
    new = {key: value for key, value in interface.items() if key != "Attachment"}
    new["Status"] = "available"
    world.put("NetworkInterface", new)
    routes.refresh(world, "NetworkInterfaceId", interface["NetworkInterfaceId"])
    return new


def attach_network_interface(world: World, request: Resource) -> dict[str, Any]:
    """AttachNetworkInterface: in the same zone, to an instance that runs or is stopped."""
    unserved(request, "EnaQueueCount", "EnaSrdSpecification", "NetworkCardIndex")
    interface = world.need("NetworkInterface", request["NetworkInterfaceId"])
    instance = world.need("Instance", request["InstanceId"])
    index = request.get("DeviceIndex")
    if index is None:
        raise Ec2Error("missing_parameter", name="deviceIndex")
    instance_id = instance["InstanceId"]
    if interface["Status"] != "available":
        raise Ec2Error("interface_attached", resource_id=interface["NetworkInterfaceId"])
    if instance["State"]["Name"] not in ("running", "stopped"):
        raise Ec2Error("instance_state", resource_id=instance_id, verb="attached to")
    if interface["AvailabilityZone"] != instance["Placement"]["AvailabilityZone"]:
        raise Ec2Error("attach_across_zones")
    others = list(world.where("NetworkInterface", "Attachment.InstanceId", instance_id))
    if any(each["Attachment"]["DeviceIndex"] == index for each in others):
        raise Ec2Error("device_index_in_use", resource_id=instance_id, index=index)
    if len(others) >= interface_limit(instance["InstanceType"]):
        count, kind = len(others) + 1, instance["InstanceType"]
        raise Ec2Error("too_many_attachments", count=count, instance_type=kind)
    made = attach(world, interface, instance_id, device_index=index, delete_on_termination=False)
    return {"AttachmentId": made["Attachment"]["AttachmentId"], "NetworkCardIndex": 0}


def detach_network_interface(world: World, request: Resource) -> dict[str, Any]:
    """DetachNetworkInterface: not the primary one."""
    attachment_id = request["AttachmentId"]
    path = "Attachment.AttachmentId"
    interface = next(world.where("NetworkInterface", path, attachment_id), None)
    if interface is None:
        is_id = re.fullmatch(r"(eni|ela)-attach-([0-9a-f]{8}|[0-9a-f]{17})", attachment_id)
        fault = "attachment_not_found" if is_id else "attachment_id_malformed"
        raise Ec2Error(fault, resource_id=attachment_id)
    if interface["RequesterManaged"]:
        raise Ec2Error("interface_managed", resource_id=interface["NetworkInterfaceId"])
    if interface["Attachment"]["DeviceIndex"] == 0:
        raise Ec2Error("primary_interface_detached")
    detach(world, interface)
    return {}


# Permissions --------------------------------------------------------------------------------------

_PREFIX: Final = "network-interface-permission"
_DESCRIBE: Final = Describe(
    kind="NetworkInterfacePermission",
    result="NetworkInterfacePermissions",
    ids="NetworkInterfacePermissionIds",
    filters={
        f"{_PREFIX}.network-interface-permission-id": "NetworkInterfacePermissionId",
        f"{_PREFIX}.network-interface-id": "NetworkInterfaceId",
        f"{_PREFIX}.aws-account-id": "AwsAccountId",
        f"{_PREFIX}.aws-service": "AwsService",
        f"{_PREFIX}.permission": "Permission",
    },
    max_results=(5, 255),
)


def create_network_interface_permission(world: World, request: Resource) -> dict[str, Any]:
    """CreateNetworkInterfacePermission: kept and described; it opens no interface to others."""
    unserved(request, "AwsService")
    interface = world.need("NetworkInterface", request["NetworkInterfaceId"])
    account_id = needed(request, "AwsAccountId")
    if not re.fullmatch(r"[0-9]{12}", account_id):
        raise Ec2Error("value_invalid", value=account_id, parameter="awsAccountId")
    permission = {
        "NetworkInterfacePermissionId": world.new_id("eni-perm"),
        "NetworkInterfaceId": interface["NetworkInterfaceId"],
        "AwsAccountId": account_id,
        "Permission": needed(request, "Permission"),
        "PermissionState": {"State": "granted"},
    }
    world.put("NetworkInterfacePermission", permission)
    return {"InterfacePermission": permission}


def delete_network_interface_permission(world: World, request: Resource) -> dict[str, Any]:
    """DeleteNetworkInterfacePermission."""
    permission_id = request["NetworkInterfacePermissionId"]
    world.need("NetworkInterfacePermission", permission_id)
    world.delete("NetworkInterfacePermission", permission_id)
    return {"Return": True}


def describe_network_interface_permissions(world: World, request: Resource) -> dict[str, Any]:
    """DescribeNetworkInterfacePermissions."""
    return describe(world, request, _DESCRIBE)


OPERATIONS: Final = {
    "AttachNetworkInterface": attach_network_interface,
    "DetachNetworkInterface": detach_network_interface,
    "CreateNetworkInterfacePermission": create_network_interface_permission,
    "DeleteNetworkInterfacePermission": delete_network_interface_permission,
    "DescribeNetworkInterfacePermissions": describe_network_interface_permissions,
}

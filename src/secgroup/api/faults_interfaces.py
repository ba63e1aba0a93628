"""The faults of network interfaces and of the instances that own them."""

from typing import Final

from secgroup.api.fault import Fault

INTERFACES: Final = {
    "interface_not_found": Fault(
        "InvalidNetworkInterfaceID.NotFound",
        "The networkInterface ID '{resource_id}' does not exist",
        "seen",
    ),
    "interface_id_malformed": Fault(
        "InvalidNetworkInterfaceId.Malformed",
        'Invalid id: "{resource_id}" (expecting "eni-...")',
        "codes",
    ),
    "interface_permission_not_found": Fault(
        "InvalidPermissionID.NotFound",
        "The network interface permission ID '{resource_id}' does not exist",
        "ours",
    ),
    "instance_not_found": Fault(
        "InvalidInstanceID.NotFound",
        "The instance ID '{resource_id}' does not exist",
        "seen",
    ),
    "instance_id_malformed": Fault(
        "InvalidInstanceID.Malformed",
        'Invalid id: "{resource_id}"',
        "seen",
    ),
}

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
        "codes",
    ),
    "instance_id_malformed": Fault(
        "InvalidInstanceID.Malformed",
        'Invalid id: "{resource_id}"',
        "seen",
    ),
    "address_associated": Fault(
        "Resource.AlreadyAssociated",
        "resource {resource_id} is already associated with associate-id {association}",
        "codes",
    ),
    "address_not_found": Fault(
        "InvalidAddress.NotFound",
        "Address '{resource_id}' not found.",
        "codes",
    ),
    "address_in_use": Fault(
        "InvalidIPAddress.InUse",
        "Address {address} is in use.",
        "codes",
    ),
    "address_malformed": Fault(
        "InvalidParameterValue",
        "Value ({value}) for parameter privateIpAddress is invalid. Invalid IP address.",
        "ours",
    ),
    "address_not_assigned": Fault(
        "InvalidParameterValue",
        "The address {address} is not assigned to interface {resource_id}.",
        "ours",
    ),
    "address_outside_subnet": Fault(
        "InvalidParameterValue",
        "Address {address} does not fall within the subnet's address range",
        "codes",
    ),
    "address_primary": Fault(
        "InvalidParameterValue",
        "The address {address} is the primary private address of the interface and cannot be "
        "unassigned.",
        "ours",
    ),
    "address_reserved": Fault(
        "InvalidParameterValue",
        "Address {address} is in subnet's reserved address range",
        "codes",
    ),
    "address_for_several": Fault(
        "InvalidParameterCombination",
        "Only one instance may be launched with a private address or a network interface that is "
        "named.",
        "ours",
    ),
    "several_primary_addresses": Fault(
        "InvalidParameterCombination",
        "Only one private IPv4 address can be designated as primary.",
        "ours",
    ),
    "prefix_not_free": Fault(
        "InvalidParameterValue",
        "The prefix {value} is not a free prefix of the subnet.",
        "ours",
    ),
    "no_free_addresses": Fault(
        "InsufficientFreeAddressesInSubnet",
        "The specified subnet does not have enough free addresses to satisfy the request.",
        "codes",
    ),
    "subnet_without_ipv4": Fault(
        "InvalidParameterValue",
        "The subnet '{resource_id}' does not have an IPv4 CIDR block.",
        "ours",
    ),
    "too_many_addresses": Fault(
        "AddressLimitExceeded",
        "The maximum number of addresses has been reached.",
        "seen",
    ),
    "too_many_addresses_of_interface": Fault(
        "PrivateIpAddressLimitExceeded",
        "Number of private addresses will exceed limit.",
        "ours",
    ),
    "vpc_without_gateway": Fault(
        "Gateway.NotAttached",
        "Network {resource_id} is not attached to any internet gateway",
        "seen",
    ),
    "interface_in_use": Fault(
        "InvalidParameterValue",
        "Network interface '{resource_id}' is currently in use.",
        "codes",
    ),
    "interface_attached": Fault(
        "InvalidNetworkInterface.InUse",
        "Interface: [{resource_id}] in use.",
        "codes",
    ),
    "interface_managed": Fault(
        "OperationNotPermitted",
        "You are not allowed to manage '{resource_id}', an interface that a service manages.",
        "ours",
    ),
    "too_many_interfaces": Fault(
        "NetworkInterfaceLimitExceeded",
        "The maximum number of network interfaces has been reached.",
        "ours",
    ),
    "too_many_groups_of_interface": Fault(
        "SecurityGroupsPerInterfaceLimitExceeded",
        "The maximum number of security groups per interface has been reached.",
        "codes",
    ),
    "group_of_other_vpc": Fault(
        "InvalidParameter",
        "Security group {resource_id} and network {vpc} belong to different networks.",
        "ours",
    ),
    "timeout_invalid": Fault(
        "InvalidParameterValue",
        "Value ({value}) for parameter {name} is invalid. Expecting a value between {least} and "
        "{most} seconds.",
        "ours",
    ),
    "attachment_not_found": Fault(
        "InvalidAttachmentID.NotFound",
        "The networkInterface attachment ID '{resource_id}' does not exist",
        "codes",
    ),
    "attachment_id_malformed": Fault(
        "InvalidNetworkInterfaceAttachmentId.Malformed",
        'Invalid id: "{resource_id}" (expecting "eni-attach-...")',
        "codes",
    ),
    "attach_across_zones": Fault(
        "InvalidParameterCombination",
        "You may not attach a network interface to an instance if they are not in the same "
        "availability zone",
        "codes",
    ),
    "device_index_in_use": Fault(
        "InvalidParameterValue",
        "Instance '{resource_id}' already has an interface attached at device index '{index}'.",
        "codes",
    ),
    "device_indexes_invalid": Fault(
        "InvalidParameterValue",
        "Each network interface needs a device index of its own, and one of them must be 0.",
        "ours",
    ),
    "primary_interface_detached": Fault(
        "OperationNotPermitted",
        "The network interface at device index 0 and networkCard index 0 cannot be detached.",
        "seen",
    ),
    "too_many_attachments": Fault(
        "AttachmentLimitExceeded",
        "Interface count {count} exceeds the limit for {instance_type}",
        "codes",
    ),
    "image_id_malformed": Fault(
        "InvalidAMIID.Malformed",
        'Invalid id: "{value}" (expecting "ami-...")',
        "codes",
    ),
    "instance_type_invalid": Fault(
        "InvalidInstanceType",
        "The instance type '{value}' is not one that this endpoint knows.",
        "ours",
    ),
    "instance_state": Fault(
        "IncorrectInstanceState",
        "The instance '{resource_id}' is not in a state from which it can be {verb}.",
        "codes",
    ),
    "instance_not_stopped": Fault(
        "IncorrectInstanceState",
        "The instance '{resource_id}' is not in the 'stopped' state.",
        "codes",
    ),
    "one_attribute": Fault(
        "InvalidParameterCombination",
        "Fields for multiple attribute types specified, or for none",
        "codes",
    ),
    "interfaces_and_instance_level": Fault(
        "InvalidParameterCombination",
        "Network interfaces and an instance-level {word} may not be specified on the same request",
        "codes",
    ),
    "no_vpc_for_launch": Fault(
        "VPCIdNotSpecified",
        "No default VPC for this user. Specify a subnet.",
        "codes",
    ),
    "no_subnet_for_launch": Fault(
        "MissingInput",
        "No subnets found for the default VPC '{resource_id}'. Please specify a subnet.",
        "codes",
    ),
}

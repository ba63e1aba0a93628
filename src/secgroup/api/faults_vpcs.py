"""The faults of VPCs and subnets, their ACLs and options; and of parameters in general."""

from typing import Final

from secgroup.api.fault import Fault

VPCS: Final = {
    "vpc_not_found": Fault(
        "InvalidVpcID.NotFound",
        "The vpc ID '{resource_id}' does not exist",
        "seen",
    ),
    "vpc_id_malformed": Fault(
        "InvalidVpcID.Malformed",
        'Invalid id: "{resource_id}" (expecting "vpc-...")',
        "codes",
    ),
    "subnet_not_found": Fault(
        "InvalidSubnetID.NotFound",
        "The subnet ID '{resource_id}' does not exist",
        "seen",
    ),
    "subnet_id_malformed": Fault(
        "InvalidSubnetID.Malformed",
        'Invalid id: "{resource_id}" (expecting "subnet-...")',
        "codes",
    ),
    "dhcp_options_not_found": Fault(
        "InvalidDhcpOptionID.NotFound",
        "The dhcpOption ID '{resource_id}' does not exist",
        "codes",
    ),
    "dhcp_options_id_malformed": Fault(
        "InvalidDhcpOptionsId.Malformed",
        'Invalid id: "{resource_id}" (expecting "dopt-...")',
        "codes",
    ),
    "acl_not_found": Fault(
        "InvalidNetworkAclID.NotFound",
        "The network acl ID '{resource_id}' does not exist",
        "seen",
    ),
    "acl_id_malformed": Fault(
        "InvalidNetworkAclId.Malformed",
        'Invalid id: "{resource_id}" (expecting "acl-...")',
        "codes",
    ),
    "missing_one_of": Fault(
        "MissingParameter",
        "The request must contain one of the parameters {names}",
        "ours",
    ),
    "not_together": Fault(
        "InvalidParameterCombination",
        "The parameter {first} cannot be used with the parameter {second}",
        "codes",
    ),
    "parameter_not_served": Fault(
        "UnsupportedOperation",
        "The parameter {name} is not served by this endpoint.",
        "ours",
    ),
    "value_invalid": Fault(
        "InvalidParameterValue",
        "Value ({value}) for parameter {parameter} is invalid.",
        "codes",
    ),
    "block_malformed": Fault(
        "InvalidParameterValue",
        "Value ({value}) for parameter {parameter} is invalid. This is not a valid CIDR block.",
        "codes",
    ),
    "in_use": Fault(
        "DependencyViolation",
        "The {noun} '{resource_id}' has dependencies and cannot be deleted.",
        "seen",
    ),
    "different_networks": Fault(
        "InvalidParameterValue",
        "{first} and {second} belong to different networks",
        "seen",
    ),
    "association_not_found": Fault(
        "InvalidAssociationID.NotFound",
        "The association ID '{resource_id}' does not exist",
        "codes",
    ),
    "zone_invalid": Fault(
        "InvalidParameterValue",
        "Value ({value}) for parameter {parameter} is invalid. Subnets can currently only be "
        "created in the following availability zones: {zones}.",
        "seen",
    ),
    "zone_unknown": Fault(
        "InvalidParameterValue",
        "Invalid availability zone: [{value}]",
        "codes",
    ),
    "region_invalid": Fault(
        "InvalidParameterValue",
        "Invalid region provided: {value}",
        "ours",
    ),
    "dhcp_key_invalid": Fault(
        "InvalidParameterValue",
        "Value ({value}) for parameter key is invalid. Unknown DHCP option.",
        "ours",
    ),
    "dhcp_without_values": Fault(
        "InvalidParameterValue",
        "Value (null) for parameter value is invalid. The DHCP option {key} needs a value.",
        "ours",
    ),
    "dhcp_value_invalid": Fault(
        "InvalidParameterValue",
        "Value ({value}) for parameter value is invalid. Invalid DHCP option value for {key}.",
        "ours",
    ),
    "vpc_range": Fault(
        "InvalidVpc.Range",
        "The CIDR '{block}' is invalid.",
        "ours",
    ),
    "vpc_block_conflict": Fault(
        "InvalidVpc.Range",
        "The CIDR '{block}' conflicts with another CIDR block of the VPC.",
        "ours",
    ),
    "vpc_block_restricted": Fault(
        "InvalidVpc.Range",
        "The CIDR '{block}' is restricted. Use a CIDR from the same private address range as the "
        "current VPC CIDR, or use a publicly-routable CIDR. For additional restrictions, see "
        "https://docs.aws.amazon.com/AmazonVPC/latest/UserGuide/VPC_Subnets.html",
        "ours",
    ),
    "vpc_block_not_found": Fault(
        "InvalidVpcCidrBlockAssociationID.NotFound",
        "The vpc CIDR block association ID '{resource_id}' does not exist",
        "ours",
    ),
    "vpc_block_primary": Fault(
        "OperationNotPermitted",
        "The vpc CIDR block with association ID {resource_id} may not be disassociated. It is "
        "the primary IPv4 CIDR block of the VPC",
        "codes",
    ),
    "vpc_block_in_use": Fault(
        "InvalidCidrBlock.InUse",
        "The vpc {resource_id} currently has a subnet within CIDR block {block}",
        "seen",
    ),
    "too_many_blocks": Fault(
        "CidrLimitExceeded",
        "This network '{resource_id}' has met its maximum number of allowed CIDRs: {limit}",
        "ours",
    ),
    "too_many_vpcs": Fault(
        "VpcLimitExceeded",
        "The maximum number of VPCs has been reached.",
        "seen",
    ),
    "default_vpc_exists": Fault(
        "DefaultVpcAlreadyExists",
        "A Default VPC already exists for this account in this region.",
        "codes",
    ),
    "default_vpc_missing": Fault(
        "DefaultVpcDoesNotExist",
        "There is no default VPC in this region.",
        "codes",
    ),
    "default_subnet_exists": Fault(
        "DefaultSubnetAlreadyExistsInAvailabilityZone",
        "The default subnet {resource_id} already exists in {zone}.",
        "codes",
    ),
    "no_room_for_default_subnet": Fault(
        "InvalidSubnet.Conflict",
        "The default VPC has no free /20 CIDR block.",
        "ours",
    ),
    "subnet_range": Fault(
        "InvalidSubnet.Range",
        "The CIDR '{block}' is invalid.",
        "codes",
    ),
    "subnet_conflict": Fault(
        "InvalidSubnet.Conflict",
        "The CIDR '{block}' conflicts with another subnet",
        "seen",
    ),
    "subnet_without_ipv6": Fault(
        "InvalidParameterValue",
        "The subnet '{resource_id}' does not have an IPv6 CIDR block associated with it.",
        "ours",
    ),
    "subnet_block_not_found": Fault(
        "InvalidSubnetCidrBlockAssociationID.NotFound",
        "The subnet CIDR block with association ID '{resource_id}' does not exist",
        "ours",
    ),
    "subnet_block_in_use": Fault(
        "InvalidCidrBlock.InUse",
        "The subnet {resource_id} currently has an address in use within CIDR block {block}",
        "ours",
    ),
    "too_many_subnets": Fault(
        "SubnetLimitExceeded",
        "The maximum number of subnets has been reached.",
        "codes",
    ),
    "default_acl_not_deletable": Fault(
        "InvalidParameterValue",
        "cannot delete default network ACL {resource_id}",
        "codes",
    ),
    "too_many_acls": Fault(
        "NetworkAclLimitExceeded",
        "The maximum number of network ACLs has been reached.",
        "ours",
    ),
    "acl_entry_exists": Fault(
        "NetworkAclEntryAlreadyExists",
        "The network acl entry identified by {number} already exists.",
        "seen",
    ),
    "too_many_acl_entries": Fault(
        "NetworkAclEntryLimitExceeded",
        "The maximum number of network acl entries has been reached.",
        "ours",
    ),
    "acl_entry_not_found": Fault(
        "InvalidNetworkAclEntry.NotFound",
        "no {way} entry with number {number} in network acl {resource_id}",
        "ours",
    ),
    "acl_entry_number_invalid": Fault(
        "InvalidParameterValue",
        "Value ({value}) for parameter ruleNumber is invalid. Expecting a value between 1 and "
        "{most}.",
        "ours",
    ),
    "acl_protocol_invalid": Fault(
        "InvalidParameterValue",
        "Invalid value '{value}' for protocol. Unknown protocol.",
        "ours",
    ),
    "service_not_found": Fault(
        "InvalidServiceName",
        "The Vpc Endpoint Service '{name}' does not exist",
        "codes",
    ),
    "subnets_in_one_zone": Fault(
        "DuplicateSubnetsInSameZone",
        "Found another VPC endpoint subnet in the availability zone.",
        "codes",
    ),
    "private_dns_without_attributes": Fault(
        "InvalidParameter",
        "Enabling private DNS requires both enableDnsSupport and enableDnsHostnames VPC "
        "attributes set to true for {resource_id}",
        "seen",
    ),
}

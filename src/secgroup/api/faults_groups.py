"""The faults of security groups and their rules."""

from typing import Final

from secgroup.api.fault import Fault

_SET: Final = "a-zA-Z0-9. _-:/()#,@[]+=&;{{}}!$*"

GROUPS: Final = {
    "group_not_found": Fault(
        "InvalidGroup.NotFound", "The security group '{resource_id}' does not exist", "seen"
    ),
    "group_id_malformed": Fault(
        "InvalidGroupId.Malformed", 'Invalid id: "{resource_id}" (expecting "sg-...")', "seen"
    ),
    "group_name_not_found": Fault(
        "InvalidGroup.NotFound",
        "The security group '{name}' does not exist in default VPC '{vpc_id}'",
        "codes",
    ),
    "group_not_named": Fault(
        "MissingParameter", "The request must contain the parameter groupName or groupId", "codes"
    ),
    "group_named_twice": Fault(
        "InvalidParameterCombination",
        "The parameter groupName cannot be used with the parameter groupId",
        "ours",
    ),
    "vpc_not_named": Fault("VPCIdNotSpecified", "No default VPC for this user", "codes"),
    "group_name_invalid": Fault(
        "InvalidParameterValue",
        "Invalid security group name. Valid names are strings less than 256 characters from the "
        f"following set:  {_SET}",
        "ours",
    ),
    "group_name_like_id": Fault(
        "InvalidParameterValue", "Group names may not be in the format sg-*.", "ours"
    ),
    "group_name_reserved": Fault(
        "InvalidGroup.Reserved", "Cannot use reserved security group name: {name}", "ours"
    ),
    "group_description_invalid": Fault(
        "InvalidParameterValue",
        "Invalid security group description. Valid descriptions are strings less than 256 "
        f"characters from the following set:  {_SET}",
        "seen",
    ),
    "group_name_taken": Fault(
        "InvalidGroup.Duplicate",
        "The security group '{name}' already exists for VPC '{vpc_id}'",
        "seen",
    ),
    "too_many_groups": Fault(
        "SecurityGroupLimitExceeded",
        "The maximum number of security groups for this region has been reached.",
        "ours",
    ),
    "group_is_default": Fault(
        "CannotDelete",
        'the specified group: "{resource_id}" name: "default" cannot be deleted by a user',
        "seen",
    ),
    "group_in_use": Fault(
        "DependencyViolation", "resource {resource_id} has a dependent object", "seen"
    ),
    "groups_in_different_networks": Fault(
        "InvalidGroup.NotFound",
        "You have specified two resources that belong to different networks.",
        "seen",
    ),
    "default_group_associated": Fault(
        "InvalidParameterValue",
        "The default security group {resource_id} cannot be associated with a VPC",
        "ours",
    ),
    "default_vpc_associated": Fault(
        "InvalidParameterValue",
        "A security group cannot be associated with the default VPC {resource_id}",
        "ours",
    ),
    "own_vpc_associated": Fault(
        "InvalidParameterValue",
        "The security group {group} belongs to the VPC {vpc} and cannot be associated with it",
        "ours",
    ),
    "group_not_associated": Fault(
        "InvalidAssociationID.NotFound",
        "The security group {group} is not associated with the VPC {vpc}",
        "ours",
    ),
}

RULES: Final = {
    "rule_not_found": Fault(
        "InvalidSecurityGroupRuleId.NotFound",
        "The security group rule ID '{resource_id}' does not exist",
        "seen",
    ),
    "rule_id_malformed": Fault(
        "InvalidSecurityGroupRuleId.Malformed",
        "The security group rule ID '{resource_id}' is malformed",
        "ours",
    ),
    "group_id_malformed_in_filter": Fault(
        "InvalidGroupId.Malformed", "The security group ID '{resource_id}' is malformed", "seen"
    ),
    "rule_exists": Fault(
        "InvalidPermission.Duplicate", 'the specified rule "{rule}" already exists', "seen"
    ),
    "permission_twice": Fault(
        "InvalidParameterValue", "The same permission must not appear multiple times", "seen"
    ),
    "permission_not_found": Fault(
        "InvalidPermission.NotFound",
        "The specified rule does not exist in this security group.",
        "seen",
    ),
    "permission_without_source": Fault(
        "MissingParameter",
        "Missing source specification: include source security group or CIDR information",
        "codes",
    ),
    "permissions_and_parameters": Fault(
        "InvalidParameterCombination",
        "The parameter 'ipPermissions' may not be used in combination with '{name}'",
        "codes",
    ),
    "permissions_only": Fault(
        "InvalidParameter",
        "The parameter '{name}' is not supported; use 'ipPermissions' instead",
        "ours",
    ),
    "permissions_or_rules_missing": Fault(
        "MissingParameter",
        "Either 'ipPermissions' or 'securityGroupRuleIds' should be provided.",
        "codes",
    ),
    "permissions_and_rules": Fault(
        "InvalidParameterCombination",
        "The parameter 'ipPermissions' may not be used in combination with '{name}'",
        "ours",
    ),
    "too_many_rules": Fault(
        "RulesPerSecurityGroupLimitExceeded",
        "The maximum number of rules per security group has been reached.",
        "seen",
    ),
    "protocol_missing": Fault(
        "InvalidParameterValue",
        "Invalid value 'null' for protocol. VPC security group rules must specify protocols "
        "explicitly.",
        "seen",
    ),
    "protocol_unknown": Fault(
        "InvalidParameterValue",
        "Invalid value '{protocol}' for IP protocol. Unknown protocol.",
        "seen",
    ),
    "port_range_incomplete": Fault(
        "InvalidParameterValue",
        "Invalid value for portRange. Must specify both from and to ports with {protocol}.",
        "seen",
    ),
    "port_out_of_range": Fault(
        "InvalidParameterValue", "TCP/UDP ({word}) port ({port}) out of range", "seen"
    ),
    "port_range_backwards": Fault(
        "InvalidParameterValue", "Invalid TCP/UDP port range ({first}:{last})", "ours"
    ),
    "icmp_out_of_range": Fault(
        "InvalidParameterValue", "ICMP {word} ({number}) out of range", "seen"
    ),
    "icmp_code_without_type": Fault(
        "InvalidParameterValue",
        "If you specify all ICMP types, you must specify all ICMP codes.",
        "ours",
    ),
    "cidr_malformed": Fault("InvalidParameterValue", "CIDR block {cidr} is malformed", "seen"),
    "rule_description_invalid": Fault(
        "InvalidParameterValue",
        "Invalid rule description. Valid descriptions are strings less than 256 characters from "
        f"the following set:  {_SET}",
        "seen",
    ),
    "rule_source_missing": Fault(
        "MissingParameter",
        "The request must contain exactly one of: cidrIp, cidrIpv6, prefixListId, or "
        "referencedGroupId",
        "seen",
    ),
    "rule_sources": Fault(
        "InvalidParameterCombination",
        "Only one of cidrIp, cidrIpv6, prefixListId, or referencedGroupId can be specified",
        "seen",
    ),
    "rule_of_other_type": Fault(
        "InvalidParameterValue",
        "Invalid rule type for security group rule '{resource_id}'. You may not specify {named} "
        "for an existing {kept} rule.",
        "seen",
    ),
    "rule_twice": Fault(
        "InvalidParameterValue",
        "The security group rule ID '{resource_id}' must not appear multiple times",
        "ours",
    ),
}

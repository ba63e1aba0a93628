"""The faults of managed prefix lists."""

from typing import Final

from secgroup.api.fault import Fault

PREFIX_LISTS: Final = {
    "prefix_list_not_found": Fault(
        "InvalidPrefixListID.NotFound", "The prefix list ID '{resource_id}' does not exist", "ours"
    ),
    "prefix_list_id_malformed": Fault(
        "InvalidPrefixListId.Malformed", "The prefix list ID '{resource_id}' is malformed", "ours"
    ),
    "prefix_list_name_too_long": Fault(
        "InvalidParameterValue", "The prefix list name is longer than 255 characters.", "ours"
    ),
    "prefix_list_name_reserved": Fault(
        "InvalidParameterValue", "The prefix list name cannot start with com.amazonaws.", "ours"
    ),
    "prefix_list_size_invalid": Fault(
        "InvalidParameterValue", "Must specify a max size between 1 and {most}", "codes"
    ),
    "prefix_list_too_small": Fault(
        "InvalidParameterValue",
        "The prefix list has more entries than the max size ({size})",
        "ours",
    ),
    "prefix_list_full": Fault(
        "PrefixListMaxEntriesExceeded",
        "The prefix list has reached its maximum number of entries.",
        "ours",
    ),
    "too_many_prefix_lists": Fault(
        "PrefixListLimitExceeded",
        "The maximum number of prefix lists for this region has been reached.",
        "ours",
    ),
    "too_many_references": Fault(
        "ResourceLimitExceeded",
        "The prefix list '{resource_id}' has reached its maximum number of references ({most}).",
        "ours",
    ),
    "address_family_invalid": Fault(
        "InvalidParameterValue",
        "Invalid value '{value}' for the address family. Valid values are IPv4 and IPv6.",
        "ours",
    ),
    "entry_twice": Fault(
        "InvalidParameterValue", "The CIDR ({cidr}) must not appear multiple times.", "ours"
    ),
    "entry_description_too_long": Fault(
        "InvalidParameterValue",
        "The description of the entry with the CIDR ({cidr}) is longer than 255 characters.",
        "ours",
    ),
    "entry_exists": Fault(
        "InvalidPrefixListModification",
        "An entry with the CIDR ({cidr}) and description ({description}) already exists.",
        "ours",
    ),
    "entry_not_found": Fault(
        "InvalidPrefixListModification",
        "An entry with the CIDR ({cidr}) does not exist.",
        "ours",
    ),
    "too_many_entry_changes": Fault(
        "InvalidParameterValue",
        "The request cannot contain more than 100 entry additions or removals.",
        "codes",
    ),
    "entries_and_size": Fault(
        "InvalidParameterCombination",
        "You cannot modify the entries and the maximum entries for the prefix list in the same "
        "request.",
        "codes",
    ),
    "prefix_list_version_mismatch": Fault(
        "PrefixListVersionMismatch",
        "The prefix list has the incorrect version number.",
        "ours",
    ),
    "prefix_list_version_not_found": Fault(
        "InvalidParameterValue", "The prefix list has no version {version}.", "ours"
    ),
    "prefix_list_of_aws": Fault(
        "OperationNotPermitted",
        "The prefix list {resource_id} is managed by AWS.",
        "ours",
    ),
    "prefix_list_resolver_not_served": Fault(
        "UnsupportedOperation", "IPAM prefix list resolvers are not served.", "ours"
    ),
}

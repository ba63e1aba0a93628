"""Every fault that the endpoint may answer with: EC2's code, HTTP status, message and source.

botocore's model of EC2 declares no errors, so this table is the list. `control` raises
`Ec2Error(fault, **fields)`; only here is it text. Sources: `seen` is a message that AWS was seen
to answer; of `codes` the code stands on EC2's page "Error codes for the Amazon EC2 API", read
2026-11-20, and nobody vouches for the words; of `ours` neither is published for this case.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from secgroup.api.fault import Fault
from secgroup.api.faults_flow_logs import FLOW_LOGS
from secgroup.api.faults_groups import GROUPS, RULES
from secgroup.api.faults_interfaces import INTERFACES
from secgroup.api.faults_prefix_lists import PREFIX_LISTS
from secgroup.api.faults_routes import ROUTES
from secgroup.api.faults_vpcs import VPCS
from secgroup.api.faults_wire import AUTH, WIRE
from secgroup.errors import Ec2Error

_REQUESTS: Final = {
    "dry_run": Fault(
        "DryRunOperation",
        "Request would have succeeded, but DryRun flag is set.",
        "seen",
        412,
    ),
    "invalid_token": Fault("InvalidNextToken", "The token '{token}' is invalid.", "ours"),
    "max_results_out_of_bounds": Fault(
        "InvalidParameterValue",
        "Value ( {value} ) for parameter maxResults is invalid. "
        "Expecting a value between {least} and {most}.",
        "ours",
    ),
    "ids_and_max_results": Fault(
        "InvalidParameterCombination",
        "The parameter {ids} cannot be used with the parameter MaxResults.",
        "ours",
    ),
    "filter_without_name": Fault(
        "MissingParameter", "The request must contain the parameter Filter.Name", "ours"
    ),
    "filter_without_values": Fault(
        "InvalidParameterValue", "The filter '{name}' has no values.", "ours"
    ),
    "too_many_filter_values": Fault(
        "FilterLimitExceeded",
        "The maximum number of filter values ({limit}) has been exceeded.",
        "ours",
    ),
    "unknown_filter": Fault("InvalidParameterValue", "The filter '{name}' is invalid", "codes"),
    "other_parameters_for_token": Fault(
        "IdempotentParameterMismatch",
        "The client token '{token}' was used before with other parameters.",
        "ours",
    ),
}

_TAGS: Final = {
    "tag_without_key": Fault("InvalidParameterValue", "Tag key cannot be empty", "ours"),
    "tag_key_too_long": Fault(
        "InvalidParameterValue", "Tag key exceeds the maximum length of 128 characters", "ours"
    ),
    "tag_key_reserved": Fault(
        "InvalidParameterValue",
        "Tag keys starting with 'aws:' are reserved for internal use",
        "codes",
    ),
    "tag_value_too_long": Fault(
        "InvalidParameterValue", "Tag value exceeds the maximum length of 256 characters", "ours"
    ),
    "tag_key_twice": Fault(
        "InvalidParameterValue", "Duplicate tag key '{key}' specified.", "codes"
    ),
    "too_many_tags": Fault(
        "TagLimitExceeded", "More than {most} tags specified for a resource", "ours"
    ),
    "id_invalid": Fault("InvalidID", "The ID '{resource_id}' is not valid", "codes"),
    "too_many_resources": Fault(
        "InvalidParameterValue", "A request may name up to {most} resources", "ours"
    ),
    "tag_specification_of_other_type": Fault(
        "InvalidParameterValue",
        "'{named}' is not a valid taggable resource type for this operation.",
        "codes",
    ),
}

#: Every fault by its name.
FAULTS: Final[Mapping[str, Fault]] = MappingProxyType(
    {
        **WIRE,
        **AUTH,
        **_REQUESTS,
        **_TAGS,
        **GROUPS,
        **RULES,
        **PREFIX_LISTS,
        **FLOW_LOGS,
        **INTERFACES,
        **ROUTES,
        **VPCS,
    }
)


def fault_of(error: Ec2Error) -> tuple[Fault, str]:
    """Return the fault of an error, and what its message says here."""
    fault = FAULTS[error.fault]
    return fault, fault.message.format(**error.fields)


def told(error: Ec2Error) -> Mapping[str, str]:
    """Return EC2's code and message of an error, as results tell of what they did not do."""
    fault, message = fault_of(error)
    return {"Code": fault.code, "Message": message}

"""The faults of flow logs."""

from typing import Final

from secgroup.api.fault import Fault

FLOW_LOGS: Final = {
    "flow_log_not_found": Fault(
        "InvalidFlowLogId.NotFound",
        "These flow log ids in the input list are not found: [TotalCount: 1] {resource_id}",
        "seen",
    ),
    "flow_log_exists": Fault(
        "FlowLogAlreadyExists",
        "Error. There is an existing Flow Log with the same configuration and log destination.",
        "seen",
    ),
    "too_many_flow_logs": Fault(
        "FlowLogsLimitExceeded",
        "The maximum number of flow logs for {resource_id} has been reached.",
        "codes",
    ),
    "flow_log_resource_type": Fault(
        "InvalidParameter", "Flow logs of {resource_type} are not served.", "ours"
    ),
    "flow_log_interval": Fault(
        "InvalidParameter", "Invalid Flow Log Max Aggregation Interval", "seen"
    ),
    "flow_log_without_traffic_type": Fault(
        "MissingParameter", "The request must contain the parameter TrafficType", "ours"
    ),
    "flow_log_too_many_resources": Fault(
        "InvalidParameterValue", "At most {limit} resources can be given.", "ours"
    ),
    "flow_log_without_destination": Fault(
        "InvalidParameter",
        "LogDestination can't be empty if LogGroupName is not provided.",
        "seen",
    ),
    "flow_log_two_destinations": Fault(
        "InvalidParameter",
        "Please only provide LogGroupName or only provide LogDestination.",
        "codes",
    ),
    "flow_log_without_role": Fault(
        "InvalidParameter",
        "DeliverLogsPermissionArn can't be empty if LogDestinationType is {destination_type}.",
        "seen",
    ),
    "flow_log_with_role": Fault(
        "InvalidParameter",
        "DeliverLogsPermissionArn is not applicable for {destination_type} delivery.",
        "codes",
    ),
    "flow_log_destination": Fault(
        "InvalidParameter",
        "LogDestination '{destination}' is no ARN of a {destination_type} destination.",
        "ours",
    ),
    "flow_log_destination_options": Fault(
        "InvalidParameter", "DestinationOptions can only be used with s3.", "ours"
    ),
    "flow_log_format": Fault("InvalidParameter", "LogFormat is invalid: {problem}", "ours"),
}

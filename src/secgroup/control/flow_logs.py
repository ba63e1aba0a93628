"""Flow logs: made, described and deleted. What is delivered for them is in `delivery`.

Read first: VPC User Guide, Flow logs; EC2 API Reference, CreateFlowLogs.
"""

import re
from typing import Any, Final

from secgroup.control.describe import Describe, describe
from secgroup.control.state import Resource, World
from secgroup.control.tags import tags_of
from secgroup.errors import Ec2Error, InputError
from secgroup.flowlog.aggregate import INTERVALS_S
from secgroup.flowlog.fields import DEFAULT_FORMAT, parse_format

#: What can be monitored, and the kind of each; the gateways of transit and Cloud WAN are no part
#: of the network that is modelled.
_KINDS: Final = {"VPC": "Vpc", "Subnet": "Subnet", "NetworkInterface": "NetworkInterface"}
_LIMIT: Final = 300
_DEFAULT_INTERVAL_S: Final = 600

#: The ARN of each type of destination.
_DESTINATIONS: Final = {
    "s3": re.compile(r"arn:aws[\w-]*:s3:::[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/(?!AWSLogs(/|$)).*)?"),
    "cloud-watch-logs": re.compile(r"arn:aws[\w-]*:logs:[\w-]+:\d{12}:log-group:[^:*]+(:\*)?"),
    "kinesis-data-firehose": re.compile(
        r"arn:aws[\w-]*:firehose:[\w-]+:\d{12}:deliverystream/[\w.-]+"
    ),
}

#: CloudWatch Logs API Reference, CreateLogGroup.
_LOG_GROUP: Final = re.compile(r"[.\-_/#A-Za-z0-9]{1,512}")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")

_DESCRIBE: Final = Describe(
    kind="FlowLog",
    result="FlowLogs",
    ids="FlowLogIds",
    filters={
        "deliver-log-status": "DeliverLogsStatus",
        "log-destination-type": "LogDestinationType",
        "flow-log-id": "FlowLogId",
        "log-group-name": "LogGroupName",
        "resource-id": "ResourceId",
        "traffic-type": "TrafficType",
    },
)


def create_flow_logs(world: World, request: Resource) -> dict[str, Any]:
    """CreateFlowLogs: a flow log for each resource; those that cannot be are in `Unsuccessful`.

    Source: EC2 API Reference, CreateFlowLogs.
    """
    resource_type = request["ResourceType"]
    if resource_type not in _KINDS:
        raise Ec2Error("flow_log_resource_type", resource_type=resource_type)
    if len(request["ResourceIds"]) > _LIMIT:
        raise Ec2Error("flow_log_too_many_resources", limit=_LIMIT)
    wanted = _configuration(request)
    tags = tags_of(world, request, "vpc-flow-log")
    made: list[str] = []
    refused: list[dict[str, Any]] = []
    for resource_id in dict.fromkeys(request["ResourceIds"]):
        try:
            _check(world, _KINDS[resource_type], resource_id, wanted)
        except Ec2Error as error:
            refused.append({"ResourceId": resource_id, "Error": world.state.tell(error)})
            continue
        flow_log_id = world.new_id("fl")
        flow_log = {
            "FlowLogId": flow_log_id,
            "FlowLogStatus": "ACTIVE",
            "CreationTime": world.time,
            "DeliverLogsStatus": "SUCCESS",
            "ResourceId": resource_id,
            **wanted,
            "Tags": tags,
        }
        world.put("FlowLog", flow_log)
        made.append(flow_log_id)
    token = request.get("ClientToken")
    told = {} if token is None else {"ClientToken": token}
    return {"FlowLogIds": made, "Unsuccessful": refused, **told}


def _configuration(request: Resource) -> dict[str, Any]:
    """Return what the flow logs of a request have in common, as they are described."""
    if request.get("TrafficType") is None:
        raise Ec2Error("flow_log_without_traffic_type")
    interval = request.get("MaxAggregationInterval", _DEFAULT_INTERVAL_S)
    if interval not in INTERVALS_S:
        raise Ec2Error("flow_log_interval")
    log_format = request.get("LogFormat") or str(DEFAULT_FORMAT)
    try:
        parse_format(log_format)
    except InputError as error:
        raise Ec2Error("flow_log_format", problem=error.problem) from None
    wanted = {
        "TrafficType": request["TrafficType"],
        "MaxAggregationInterval": interval,
        "LogFormat": log_format,
        **_destination(request),
    }
    for key in ("DeliverLogsPermissionArn", "DeliverCrossAccountRole", "TagFieldSpecifications"):
        if request.get(key) is not None:
            wanted[key] = request[key]
    return wanted


def _destination(request: Resource) -> dict[str, Any]:
    """Return where the records go, and how they are written there."""
    destination_type = request.get("LogDestinationType", "cloud-watch-logs")
    group, destination = request.get("LogGroupName"), request.get("LogDestination")
    if not group and not destination:
        raise Ec2Error("flow_log_without_destination")
    if group and destination:
        raise Ec2Error("flow_log_two_destinations")
    is_cloudwatch = destination_type == "cloud-watch-logs"
    if is_cloudwatch and not request.get("DeliverLogsPermissionArn"):
        raise Ec2Error("flow_log_without_role", destination_type=destination_type)
    if destination_type == "s3" and request.get("DeliverLogsPermissionArn"):
        raise Ec2Error("flow_log_with_role", destination_type=destination_type)
    if not is_cloudwatch and not destination:
        raise Ec2Error("flow_log_without_destination")
    place = destination or group or ""
    form = _DESTINATIONS[destination_type] if destination else _LOG_GROUP
    is_plain = not {".", ".."} & set(re.split("[/:]", place)) and not _CONTROL.search(place)
    if form.fullmatch(place) is None or not is_plain:
        raise Ec2Error("flow_log_destination", destination=place, destination_type=destination_type)
    found: dict[str, Any] = {"LogDestinationType": destination_type}
    if destination:
        found["LogDestination"] = destination
    if is_cloudwatch:
        found["LogGroupName"] = group or place.split(":log-group:")[1].removesuffix(":*")
    options = request.get("DestinationOptions")
    if options is not None and destination_type != "s3":
        raise Ec2Error("flow_log_destination_options")
    if destination_type == "s3":
        given = options or {}
        found["DestinationOptions"] = {
            "FileFormat": given.get("FileFormat", "plain-text"),
            "HiveCompatiblePartitions": given.get("HiveCompatiblePartitions", False),
            "PerHourPartition": given.get("PerHourPartition", False),
        }
    return found


def _check(world: World, kind: str, resource_id: str, wanted: Resource) -> None:
    """Refuse a flow log of what is not there, of what has the same, or of what has too many."""
    if world.get(kind, resource_id) is None:
        raise world.state.kinds[kind].missing(resource_id)
    there = list(world.where("FlowLog", "ResourceId", resource_id))
    if any(all(each.get(key) == value for key, value in wanted.items()) for each in there):
        raise Ec2Error("flow_log_exists")
    if len(there) >= world.quota("flow-logs-per-resource"):
        raise Ec2Error("too_many_flow_logs", resource_id=resource_id)


def delete_flow_logs(world: World, request: Resource) -> dict[str, Any]:
    """DeleteFlowLogs; ids that name none are in `Unsuccessful`."""
    refused: list[dict[str, Any]] = []
    for flow_log_id in dict.fromkeys(request["FlowLogIds"]):
        if world.get("FlowLog", flow_log_id) is None:
            error = Ec2Error("flow_log_not_found", resource_id=flow_log_id)
            refused.append({"ResourceId": flow_log_id, "Error": world.state.tell(error)})
        else:
            world.delete("FlowLog", flow_log_id)
    return {"Unsuccessful": refused}


def describe_flow_logs(world: World, request: Resource) -> dict[str, Any]:
    """DescribeFlowLogs."""
    return describe(world, request, _DESCRIBE)


OPERATIONS: Final = {
    "CreateFlowLogs": create_flow_logs,
    "DeleteFlowLogs": delete_flow_logs,
    "DescribeFlowLogs": describe_flow_logs,
}

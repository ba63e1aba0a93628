"""A record in the making, and how each of its fields is computed.

Owns `Flow`, `Window` and the table of getters; `aggregate` says which packet counts where.
Read first: `fields`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from secgroup.decision import Reason, Verdict
from secgroup.flowlog.fields import Value
from secgroup.flowlog.metadata import Metadata, Place, token
from secgroup.model.interface import NetworkInterface
from secgroup.net.address import Address
from secgroup.net.direction import Direction

#: Source and destination port; None where a protocol has ports and they are not known.
Ports: TypeAlias = tuple[int | None, int | None]


@dataclass(slots=True, kw_only=True)
class Flow:
    """A record in the making: its first packet, and what all of them add up to."""

    source: Address
    destination: Address
    ports: Ports
    protocol: int
    direction: Direction
    verdict: Verdict
    reason: Reason
    first_ms: int
    last_ms: int = 0
    packets: int = 0
    octets: int = 0
    flags: int = 0
    rules: list[tuple[str, ...]] = field(default_factory=list)


@dataclass(slots=True, kw_only=True)
class Window:
    """A window of an interface, as long as the clock is in it."""

    interface: NetworkInterface
    place: Place
    metadata: Metadata
    start_ms: int
    is_lossy: bool = False
    flows: dict[object, Flow] = field(default_factory=dict)


Getter: TypeAlias = Callable[[Window, Flow], Value]


def _srcaddr(window: Window, flow: Flow) -> Value:
    """Return the source as AWS shows it (VPC User Guide, Flow log limitations).

    On egress an IPv4 source that is none of the interface's own addresses (a router's, a
    NAT gateway's, one out of a delegated prefix) is shown as its primary private address.
    """
    primary = window.place.primary
    if flow.direction is Direction.INGRESS or flow.source.version == 6 or primary is None:
        return str(flow.source)
    return str(flow.source if flow.source in window.interface.addresses else primary)


def _dstaddr(window: Window, flow: Flow) -> Value:
    """Return the destination as AWS shows it: on ingress, IPv4, always the primary address."""
    primary = window.place.primary
    if flow.direction is Direction.EGRESS or flow.destination.version == 6 or primary is None:
        return str(flow.destination)
    return str(primary)


def _traffic_path(window: Window, flow: Flow) -> Value:
    if flow.direction is Direction.INGRESS:
        return None
    return window.metadata.path(window.interface, flow.destination)


def _next_hop(get: Callable[[Place], Value]) -> Getter:
    def getter(window: Window, flow: Flow) -> Value:
        peer = flow.destination if flow.direction is Direction.EGRESS else flow.source
        hop = window.metadata.next_hop(window.interface, peer)
        return None if hop is None else get(window.metadata.place(hop))

    return getter


def _rule_ids(_window: Window, flow: Flow) -> Value:
    union = dict.fromkeys(rule_id for rule_ids in flow.rules for rule_id in rule_ids)
    return ",".join(filter(None, map(token, union))) or None


#: How each field is computed that can be known; `version` is its format's, the rest are `-`.
GETTERS: Final[Mapping[str, Getter]] = {
    "account-id": lambda window, _: window.place.account_id,
    "interface-id": lambda window, _: window.place.interface_id,
    "srcaddr": _srcaddr,
    "dstaddr": _dstaddr,
    "srcport": lambda _, flow: flow.ports[0],
    "dstport": lambda _, flow: flow.ports[1],
    "protocol": lambda _, flow: flow.protocol,
    "packets": lambda _, flow: flow.packets,
    "bytes": lambda _, flow: flow.octets,
    "start": lambda _, flow: flow.first_ms // 1000,
    "end": lambda _, flow: flow.last_ms // 1000,
    "action": lambda _, flow: flow.verdict.value,
    "log-status": lambda _window, _flow: "OK",
    "vpc-id": lambda window, _: window.place.vpc_id,
    "subnet-id": lambda window, _: window.place.subnet_id,
    "instance-id": lambda window, _: window.place.instance_id,
    "tcp-flags": lambda _, flow: flow.flags,
    "type": lambda _, flow: f"IPv{flow.source.version}",
    "pkt-srcaddr": lambda _, flow: str(flow.source),
    "pkt-dstaddr": lambda _, flow: str(flow.destination),
    "region": lambda window, _: window.place.region,
    "az-id": lambda window, _: window.place.az_id,
    "sublocation-type": lambda window, _: window.place.sublocation_type,
    "sublocation-id": lambda window, _: window.place.sublocation_id,
    "pkt-src-aws-service": lambda window, flow: window.metadata.service(flow.source),
    "pkt-dst-aws-service": lambda window, flow: window.metadata.service(flow.destination),
    "flow-direction": lambda _, flow: str(flow.direction),
    "traffic-path": _traffic_path,
    "interface-type": lambda window, _: window.place.interface_type,
    "next-hop-interface-id": _next_hop(lambda place: place.interface_id),
    "next-hop-subnet-id": _next_hop(lambda place: place.subnet_id),
    "next-hop-az-id": _next_hop(lambda place: place.az_id),
    "next-hop-vpc-id": _next_hop(lambda place: place.vpc_id),
    "next-hop-interface-type": _next_hop(lambda place: place.interface_type),
    "secgroup-reason": lambda _, flow: flow.reason.name,
    "secgroup-rule-ids": _rule_ids,
}

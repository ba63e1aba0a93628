"""The network and the packets of AWS's published flow-log records (VPC User Guide,
Flow log record examples), and short words to make them with.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

from secgroup.decision import Decision, Reason, Verdict
from secgroup.flowlog.aggregate import Aggregator
from secgroup.flowlog.fields import Format, Record
from secgroup.flowlog.write import line_of
from secgroup.model.interface import NetworkInterface, PrivateIpv4
from secgroup.model.network import Network
from secgroup.model.vpc import Subnet, Vpc
from secgroup.net.direction import Direction
from secgroup.net.packet import Datagram, Icmp, Packet, Tcp
from secgroup.net.protocol import ICMP, TCP, UDP, TcpFlag

IN, OUT = Direction.INGRESS, Direction.EGRESS
ACCEPT = Decision(verdict=Verdict.ACCEPT, reason=Reason.ESTABLISHED)
REJECT = Decision(verdict=Verdict.REJECT, reason=Reason.NO_MATCHING_RULE)
SYN, ACK, FIN, RST = TcpFlag.SYN, TcpFlag.ACK, TcpFlag.FIN, TcpFlag.RST


def an_interface(
    interface_id: str = "eni-1235b8ca123456789",
    *addresses: str,
    vpc_id: str = "vpc-abcdefab012345678",
    subnet_id: str = "subnet-aaaaaaaa012345678",
    **others: object,
) -> NetworkInterface:
    found = [ip_address(each) for each in addresses]
    return NetworkInterface(
        interface_id=interface_id,
        vpc_id=vpc_id,
        subnet_id=subnet_id,
        ipv4=tuple(PrivateIpv4(address=each) for each in found if isinstance(each, IPv4Address)),
        ipv6=tuple(each for each in found if isinstance(each, IPv6Address)),
        **others,  # type: ignore[arg-type]
    )


def a_network(*interfaces: NetworkInterface, **others: object) -> Network:
    """The VPCs and subnets that the interfaces name, and whatever else is given."""
    parts: dict[str, object] = {
        "vpcs": {
            each.vpc_id: Vpc(
                vpc_id=each.vpc_id,
                ipv4_blocks=(IPv4Network("10.0.0.0/8"), IPv4Network("172.31.0.0/16")),
                ipv6_blocks=(IPv6Network("2001:db8:1234:a100::/56"),),
            )
            for each in interfaces
        },
        "subnets": {
            each.subnet_id: Subnet(
                subnet_id=each.subnet_id, vpc_id=each.vpc_id, network_acl_id="acl-1"
            )
            for each in interfaces
        },
        "interfaces": {each.interface_id: each for each in interfaces},
        "account_id": "123456789010",
    }
    return Network(**parts | others)  # type: ignore[arg-type]


def tcp(
    source: str, sport: int, destination: str, dport: int, flags: TcpFlag = ACK, length: int = 40
) -> Packet:
    return Packet(
        source=ip_address(source),
        destination=ip_address(destination),
        protocol=TCP,
        length=length,
        source_port=sport,
        destination_port=dport,
        tcp=Tcp(flags=flags, sequence=0, acknowledgement=0, payload=0),
    )


def udp(source: str, sport: int, destination: str, dport: int, length: int = 40) -> Packet:
    return Packet(
        source=ip_address(source),
        destination=ip_address(destination),
        protocol=UDP,
        length=length,
        source_port=sport,
        destination_port=dport,
    )


def ping(source: str, destination: str, kind: int = 8, length: int = 84) -> Packet:
    return Packet(
        source=ip_address(source),
        destination=ip_address(destination),
        protocol=ICMP,
        length=length,
        icmp=Icmp(type=kind, code=0, identifier=1),
    )


@dataclass(frozen=True, kw_only=True)
class Passing:
    """A packet at an interface, at a time in milliseconds."""

    at_ms: int
    interface: NetworkInterface
    direction: Direction
    packet: Datagram
    decision: Decision = ACCEPT


def stream(
    interface: NetworkInterface,
    direction: Direction,
    ends: tuple[str, int, str, int],
    *,
    packets: int,
    octets: int,
    seconds: tuple[int, int],
    flags: Sequence[TcpFlag] = (),
    decision: Decision = ACCEPT,
    late_ms: int = 0,
) -> list[Passing]:
    """As many TCP packets as a published record counts, with its bytes, between its times."""
    start, end = seconds
    marks = [*flags, *[ACK] * (packets - len(flags))]
    lengths = [octets // packets] * (packets - 1)
    lengths.append(octets - sum(lengths))
    return [
        Passing(
            at_ms=(start * 1000 + late_ms + (end - start) * 1000 * i // max(1, packets - 1)),
            interface=interface,
            direction=direction,
            packet=tcp(*ends, flags=mark, length=length),
            decision=decision,
        )
        for i, (mark, length) in enumerate(zip(marks, lengths, strict=True))
    ]


def records_of(aggregator: Aggregator, passings: Iterable[Passing]) -> list[Record]:
    """Feed the packets in the order of their times."""
    found: list[Record] = []
    for each in sorted(passings, key=lambda each: each.at_ms):
        found += aggregator.add(
            each.at_ms, each.interface, each.direction, each.packet, each.decision
        )
    return found + list(aggregator.close())


def lines_of(aggregator: Aggregator, passings: Iterable[Passing]) -> list[str]:
    return [line_of(record) for record in records_of(aggregator, passings)]


def named(chosen: Format, record: Record) -> dict[str, object]:
    return dict(zip(chosen.names, record, strict=True))

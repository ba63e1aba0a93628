"""What is tested: anything that decides packets by a network and remembers what follows.

`Reference` is the definition, `Compiled` the engine, `Embedded` the plane that is asked in this
process; the kernel's is in `kernel`.
"""

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final, Protocol

from secgroup.conntrack.flow import Flow
from secgroup.conntrack.state import State
from secgroup.dataplane.base import converge
from secgroup.dataplane.batch import BatchPlane
from secgroup.decision import Decision, Reason, Verdict
from secgroup.engine.batch import Sighting, batch_of
from secgroup.engine.engine import Engine
from secgroup.model.network import Network
from secgroup.net.direction import Direction
from secgroup.net.packet import Malformed, Packet
from secgroup.net.pcap import write_pcap
from secgroup.policy.resolve import Policy
from secgroup.reference.decide import decide
from secgroup.reference.memory import AS_DOCUMENTED, Memory, Switches
from tests.conformance.capability import Capability
from tests.engine.meaning import meaning
from tests.support.frames import ip_bytes, malformed
from tests.support.traces import gone

REGION: Final = "eu-west-1"
_RAW: Final = 101

#: owner, interface, protocol, opener, inside address and port, outside address and port, state
Line = tuple[str, str, int, str, str, int, str, int, str]


class Subject(Protocol):
    """Decides packets by a network, which may change, and remembers what follows."""

    #: Each capability that it has not got, and why, as it stands in docs/supported.md.
    closed: Mapping[Capability, str]

    def change(self, network: Network) -> None:
        """Put a network in force."""

    def decide(
        self,
        interface_id: str,
        direction: Direction,
        packet: Packet | Malformed,
        time_ms: int,
        *,
        same_subnet: bool | None = None,
    ) -> Decision:
        """Decide one packet; times never go back. What `first_fragment` says is not judged."""

    def connections(self, time_ms: int) -> Sequence[Line]:
        """Return what is tracked and alive then, sorted."""

    def in_force(self) -> object:
        """Return all that it keeps of the network, to be compared with `==`."""

    def close(self) -> None:
        """Give back what it took."""


def octets_of(packet: Packet | Malformed) -> bytes:
    """Return a packet as IP bytes, a malformed one as bytes that are so."""
    if isinstance(packet, Packet):
        return ip_bytes(packet)
    source, destination = packet.source, packet.destination
    assert source is not None
    assert destination is not None
    return malformed(0, source.version, source.packed, destination.packed)


def line_of(flow: Flow) -> Line:
    """Return what a connection is told by."""
    key = flow.key
    return (
        key.owner,
        flow.interface_id,
        key.protocol,
        str(flow.opener),
        str(key.inside),
        key.inside_port,
        str(key.outside),
        key.outside_port,
        flow.state.name,
    )


def told(decision: Decision) -> Decision:
    """Leave out which first fragment it was: not everybody keeps the packet."""
    return replace(decision, first_fragment=None)


class Reference:
    """The definition."""

    closed: Mapping[Capability, str] = {
        Capability.LINK_ADDRESSES: "its packets begin with their IP header",
        Capability.OTHER_FRAMES: "its packets begin with their IP header",
    }

    def __init__(self, network: Network, switches: Switches = AS_DOCUMENTED) -> None:
        self.network, self.policy, self.switches = network, Policy(network), switches
        self.memory = Memory()

    def change(self, network: Network) -> None:
        self.memory.flows.remove_if(gone(self.network, network))
        self.network, self.policy = network, Policy(network)

    def decide(
        self,
        interface_id: str,
        direction: Direction,
        packet: Packet | Malformed,
        time_ms: int,
        *,
        same_subnet: bool | None = None,
    ) -> Decision:
        return told(
            decide(
                self.policy.at(interface_id),
                self.memory,
                packet,
                direction,
                time_ms,
                same_subnet=same_subnet,
                switches=self.switches,
            )
        )

    def connections(self, time_ms: int) -> Sequence[Line]:
        self.memory.flows.advance(time_ms)
        return sorted(map(line_of, self.memory.flows))

    def in_force(self) -> object:
        return self.network

    def close(self) -> None:
        pass


class Compiled:
    """The engine, a batch of one packet at a time."""

    closed: Mapping[Capability, str] = {
        **Reference.closed,
        Capability.HOP_HINT: "a row has no column for it: the peer's address tells",
    }

    def __init__(self, network: Network, switches: Switches = AS_DOCUMENTED) -> None:
        self.engine = Engine(network, switches, key=b"conformance", room=1 << 12)

    def change(self, network: Network) -> None:
        self.engine.change(network)

    def decide(
        self,
        interface_id: str,
        direction: Direction,
        packet: Packet | Malformed,
        time_ms: int,
        *,
        same_subnet: bool | None = None,
    ) -> Decision:
        number = self.engine.interface_number(interface_id)
        batch = batch_of([Sighting(packet, number, direction, time_ms)])
        return told(self.engine.decide(batch).decision(0))

    def connections(self, time_ms: int) -> Sequence[Line]:
        flows = self.engine.connections()
        return sorted(line_of(each) for each in flows if time_ms < each.expires_ms)

    def in_force(self) -> object:
        return meaning(self.engine.compiled)

    def close(self) -> None:
        pass


class Embedded:
    """The plane of `secgroup serve` that is asked: by named values, or by a capture."""

    closed: Mapping[Capability, str] = {
        **Reference.closed,
        Capability.HOP_HINT: "a question has no name for it: the peer's address tells",
        Capability.SWITCHES: "the endpoint serves what AWS documents",
        Capability.ALLOWANCES: "AWS does not say how many an instance type has",
    }

    def __init__(self, network: Network, switches: Switches = AS_DOCUMENTED) -> None:
        assert switches == AS_DOCUMENTED
        self.plane = BatchPlane()
        self.change(network)

    def change(self, network: Network) -> None:
        converge(self.plane, {REGION: network})

    def decide(
        self,
        interface_id: str,
        direction: Direction,
        packet: Packet | Malformed,
        time_ms: int,
        *,
        same_subnet: bool | None = None,
    ) -> Decision:
        now_ns = time_ms * 1_000_000
        if isinstance(packet, Packet) and packet.fragment is None and not packet.is_icmp_error:
            row = {**_named(packet), "interface_id": interface_id, "direction": str(direction)}
            (line,) = self.plane.decide_packets(REGION, [row], now_ns)
            return _decision(json.loads(line))
        capture = io.BytesIO()
        write_pcap(capture, [(now_ns, octets_of(packet))], link_type=_RAW)
        capture.seek(0)
        lines = map(json.loads, self.plane.decide_capture(REGION, capture, now_ns))
        (found,) = [
            line
            for line in lines
            if (line["interface_id"], line["direction"]) == (interface_id, str(direction))
        ]
        return _decision(found)

    def connections(self, time_ms: int) -> Sequence[Line]:
        rows = self.plane.connections(REGION, time_ms * 1_000_000)
        names = (
            *("owner", "interface_id", "protocol", "direction", "inside_address", "inside_port"),
            *("outside_address", "outside_port", "state"),
        )
        return sorted(tuple(row[name] for name in names) for row in rows)

    def in_force(self) -> object:
        return self.plane._firewalls[REGION].network

    def close(self) -> None:
        pass


def _named(packet: Packet) -> dict[str, object]:
    """Return a packet by the names of docs/python.md."""
    named: dict[str, object] = {
        "srcaddr": str(packet.source),
        "dstaddr": str(packet.destination),
        "protocol": packet.protocol,
        "length": packet.length,
        "hop_limit": packet.hop_limit,
        "srcport": packet.source_port,
        "dstport": packet.destination_port,
    }
    if packet.tcp is not None:
        named |= {
            "tcp_flags": int(packet.tcp.flags),
            "sequence": packet.tcp.sequence,
            "acknowledgement": packet.tcp.acknowledgement,
            "payload": packet.tcp.payload,
        }
    if packet.icmp is not None:
        named |= {
            "icmp_type": packet.icmp.type,
            "icmp_code": packet.icmp.code,
            "identifier": packet.icmp.identifier,
        }
    return named


def _decision(line: Mapping[str, object]) -> Decision:
    """Read the line of a decision; whether flow logs record it is not on it."""
    return Decision(
        verdict=Verdict(line["verdict"]),
        reason=Reason[str(line["reason"])],
        rule_ids=tuple(line["rule_ids"]),  # type: ignore[arg-type]
        network_acl_id=line["network_acl_id"],  # type: ignore[arg-type]
        acl_rule_number=line["acl_rule_number"],  # type: ignore[arg-type]
        state_before=None if line["state_before"] is None else State[str(line["state_before"])],
        state_after=None if line["state_after"] is None else State[str(line["state_after"])],
    )

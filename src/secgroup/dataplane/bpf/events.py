"""Verdicts as the kernel tells them, read into decisions: `struct event` and `struct answer`.

Owns what an event says: when, which packet, what was decided, by which rules. Rules stand in it
as two classes of a section, whose ids are told as long as the policy that decided is in force.
It knows no network.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from secgroup.conntrack.state import State
from secgroup.dataplane.bpf.layout import FRAMES, NAMES, row_of
from secgroup.dataplane.bpf.meanings import numbers_of
from secgroup.dataplane.bpf.rows import PolicyMaps
from secgroup.decision import Decision, Reason, Verdict
from secgroup.engine.batch import address
from secgroup.net.address import Address
from secgroup.net.direction import Direction
from secgroup.net.protocol import TCP, UDP, icmp_of

_FRAME_NAMES: Final = {number: name for name, number in FRAMES.items()}
_WITH_PORTS: Final = (TCP, UDP)

#: (kind of `layout.NAMES`, number) -> what it names, None where nobody knows.
NameOf = Callable[[int, int], str | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One verdict, as it happened.

    Parameters
    ----------
    time_ms : int
        The kernel's clock: since the machine started.
    interface_id : str or None
        None where its number names nothing any more.
    source, destination : Address or None
        None of a packet that could not be read, and of a frame that is not IP.
    protocol, icmp_type, icmp_code, source_port, destination_port : int or None
        Ports of a later fragment are its first one's.
    octets : int
        IP lengths of all its segments.
    segments : int
        What segmentation offload will make of it; else 1.
    frame : str or None
        Of a frame that is not IP: what became of it, a name of `layout.FRAMES`.
    decision : Decision or None
        None of a frame that is not IP.
    rules_known : bool
        False where the policy that decided is no longer in force: which rules matched, and the
        ACL, cannot be told then.

    """

    time_ms: int
    interface_id: str | None
    direction: Direction
    source: Address | None
    destination: Address | None
    protocol: int | None
    icmp_type: int | None
    icmp_code: int | None
    source_port: int | None
    destination_port: int | None
    octets: int
    segments: int
    tcp_flags: int
    frame: str | None
    decision: Decision | None
    rules_known: bool = True


class Reader:
    """Reads events, as rows of EVENT, into values.

    Parameters
    ----------
    maps : PolicyMaps
        Where policies stand.
    name_of : NameOf

    """

    def __init__(self, maps: PolicyMaps, name_of: NameOf) -> None:
        self._maps, self._name_of = maps, name_of

    def read(self, row: Any) -> Event:
        """Return what one row of EVENT says."""
        answer, family = row["answer"], int(row["family"])
        frame = _FRAME_NAMES.get(int(row["frame"]))
        readable = frame is None and family in (4, 6)
        protocol = int(answer["protocol"])
        is_whole = readable and answer["reason"] not in (Reason.MALFORMED, Reason.FRAGMENT)
        ports = is_whole and protocol in _WITH_PORTS
        icmp = is_whole and protocol == icmp_of(family)
        known = self._is_in_force(row)
        return Event(
            time_ms=int(row["time_ms"]),
            interface_id=self._name_of(NAMES["INTERFACE"], int(row["interface"])),
            direction=Direction(int(row["direction"])),
            source=_address(row, "source", family) if readable else None,
            destination=_address(row, "destination", family) if readable else None,
            protocol=protocol if readable else None,
            icmp_type=int(answer["icmp_type"]) if icmp else None,
            icmp_code=int(answer["icmp_code"]) if icmp else None,
            source_port=int(answer["source_port"]) if ports else None,
            destination_port=int(answer["destination_port"]) if ports else None,
            octets=int(row["length"]),
            segments=int(row["segments"]),
            tcp_flags=int(row["tcp_flags"]),
            frame=frame,
            decision=self._decision(answer, known=known) if frame is None else None,
            rules_known=known,
        )

    def _is_in_force(self, row: Any) -> bool:
        """Tell whether what decided is part of the policy in force at the interface.

        Rows of a policy that is not may have become another's. Of a later fragment, what decided
        may be older than the policy that its event names.
        """
        rules, acl = int(row["answer"]["section"]), int(row["answer"]["acl_section"])
        if rules == acl == 0:
            return True
        interface, word = int(row["interface"]), int(row["word"])
        if interface >= len(self._maps.words) or int(self._maps.words[interface]) != word:
            return False
        policy = self._maps.policies[row_of(word)]
        return (rules == 0 or rules in policy["rules"]) and (acl == 0 or acl in policy["acl"])

    def _decision(self, answer: Any, *, known: bool) -> Decision:
        number, acl_id = int(answer["acl_rule_number"]), None
        rule_ids: tuple[str, ...] = ()
        if known:
            classes = int(answer["address_class"]), int(answer["port_class"])
            numbers = numbers_of(self._maps, int(answer["section"]), *classes)
            names = [self._name_of(NAMES["RULE"], each) for each in numbers]
            rule_ids = tuple(each for each in names if each is not None)
            acl = int(answer["acl_section"])
            acl_id = self._name_of(NAMES["ACL"], acl) if acl else None
        before, after = int(answer["state_before"]), int(answer["state_after"])
        return Decision(
            verdict=Verdict.ACCEPT if answer["accepted"] else Verdict.REJECT,
            reason=Reason(int(answer["reason"])),
            rule_ids=rule_ids,
            network_acl_id=acl_id,
            acl_rule_number=None if number < 0 else number,
            state_before=State(before) if before else None,
            state_after=State(after) if after else None,
            logged=bool(answer["logged"]),
        )


def _address(row: Any, end: str, family: int) -> Address:
    return address(family, int(row[f"{end}_hi"]), int(row[f"{end}_lo"]))

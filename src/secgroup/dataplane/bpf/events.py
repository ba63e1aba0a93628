"""Verdicts as the kernel tells them, read into decisions: `struct event` and `struct answer`.

Owns what an event says: when, which packet, what was decided, by which rules. Rules stand in it
as two classes of a section; their ids are looked up where the section is, as long as the policy
that decided is in force. It knows no network: whoever reads gives the names of numbers.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from secgroup.conntrack.state import State
from secgroup.dataplane.bpf.layout import FRAMES, NAMES
from secgroup.decision import Decision, Reason, Verdict
from secgroup.engine.batch import address
from secgroup.net.address import Address
from secgroup.net.direction import Direction
from secgroup.net.protocol import TCP, UDP

if TYPE_CHECKING:
    from secgroup.dataplane.bpf.loaded import Maps

_FRAME_NAMES: Final = {number: name for name, number in FRAMES.items()}
_WITH_PORTS: Final = (TCP, UDP)
_ROW: Final = 0xFFFFFFFF

#: (kind of `layout.NAMES`, number) -> what it names, None where nobody knows any more.
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
    maps : Maps
        Where sections and their classes stand.
    name_of : NameOf

    """

    def __init__(self, maps: "Maps", name_of: NameOf) -> None:
        self._maps = maps
        self._name_of = name_of
        #: (word, section, bits of rules) -> their ids.
        self._rules: dict[tuple[int, int, bytes], tuple[str, ...]] = {}

    def read(self, row: Any) -> Event:
        """Return what one row of EVENT says."""
        answer, family = row["answer"], int(row["family"])
        interface, word = int(row["interface"]), int(row["word"])
        frame = _FRAME_NAMES.get(int(row["frame"]))
        reason = int(answer["reason"])
        readable = frame is None and family in (4, 6)
        known = self._is_in_force(interface, word, int(answer["section"]), "rules")
        known &= self._is_in_force(interface, word, int(answer["acl_section"]), "acl")
        protocol = int(answer["protocol"])
        is_whole = readable and reason not in (Reason.MALFORMED, Reason.FRAGMENT)
        ports = is_whole and protocol in _WITH_PORTS
        icmp = is_whole and protocol == (1 if family == 4 else 58)
        return Event(
            time_ms=int(row["time_ms"]),
            interface_id=self._name_of(NAMES["INTERFACE"], interface),
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
            decision=None if frame is not None else self._decision(word, answer, known),
            rules_known=known,
        )

    def rules(
        self, word: int, section: int, address_class: int, port_class: int
    ) -> tuple[str, ...]:
        """Return the ids of all rules that hold two classes of a section, in their order.

        Preconditions: the policy of the word is in force, and the section is one of its.
        """
        if section == 0:
            return ()
        row, bitmaps = self._maps.sections[section], self._maps.bitmaps
        words = int(row["words"])
        one = int(row["address_bits"]) + address_class * words
        two = int(row["port_bits"]) + port_class * words
        both = (bitmaps[one : one + words] & bitmaps[two : two + words]).tobytes()
        # A class may become another's: what is kept is kept by what it says.
        key = (word, section, both)
        found = self._rules.get(key)
        if found is None:
            if len(self._rules) > _MOST_KEPT:
                self._rules.clear()
            found = self._rules[key] = self._named(int(row["numbers"]), both)
        return found

    def _named(self, first: int, bits: bytes) -> tuple[str, ...]:
        places = np.flatnonzero(np.unpackbits(np.frombuffer(bits, "u1"), bitorder="little"))
        numbers = self._maps.numbers[first + places].tolist()
        names = (self._name_of(NAMES["RULE"], number) for number in numbers)
        return tuple(name for name in names if name is not None)

    def _is_in_force(self, interface: int, word: int, section: int, part: str) -> bool:
        """Tell whether a section is one of the policy that decided, and that policy is in force.

        Rows of a policy that is not may have become another's.
        """
        if section == 0:
            return True
        if interface >= len(self._maps.words) or int(self._maps.words[interface]) != word:
            return False
        return section in self._maps.policies[word & _ROW][part]

    def _decision(self, word: int, answer: Any, known: bool) -> Decision:  # noqa: FBT001
        number, acl = int(answer["acl_rule_number"]), int(answer["acl_section"])
        rule_ids: tuple[str, ...] = ()
        if known:
            classes = int(answer["address_class"]), int(answer["port_class"])
            rule_ids = self.rules(word, int(answer["section"]), *classes)
        before, after = int(answer["state_before"]), int(answer["state_after"])
        return Decision(
            verdict=Verdict.ACCEPT if answer["accepted"] else Verdict.REJECT,
            reason=Reason(int(answer["reason"])),
            rule_ids=rule_ids,
            network_acl_id=self._name_of(NAMES["ACL"], acl) if known and number >= 0 else None,
            acl_rule_number=None if number < 0 else number,
            state_before=State(before) if before else None,
            state_after=State(after) if after else None,
            logged=bool(answer["logged"]),
        )


#: Lists of rules that are kept, at most.
_MOST_KEPT: Final = 4096


def _address(row: Any, end: str, family: int) -> Address:
    return address(family, int(row[f"{end}_hi"]), int(row[f"{end}_lo"]))

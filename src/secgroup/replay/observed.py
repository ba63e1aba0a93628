"""What a column replay has observed, as the values that `summary` and the outputs read.

Owns the way back from columns: nothing is counted or judged here.
"""

from collections import Counter
from collections.abc import Collection, Iterator

import numpy as np

from secgroup.conntrack.state import State
from secgroup.decision import Decision, Reason, Verdict
from secgroup.engine.batch import address
from secgroup.engine.columns import I8
from secgroup.engine.connections import Connections as Columns
from secgroup.engine.connections import Outcome as Number
from secgroup.engine.observed import (
    A_HI,
    A_LO,
    ACCEPTED,
    AFTER,
    AFTER_ACCEPTED,
    ANSWERED,
    B_HI,
    B_LO,
    COUNT_CONNECTIONS,
    COUNT_OCTETS,
    COUNT_PACKETS,
    FIRST_FRAME,
    FIRST_FROM_B,
    FIRST_IS_TCP,
    FIRST_NS,
    HAS_ENDING,
    ICMP_BIT,
    IPV6_BIT,
    IS_OVER,
    LAST_NS,
    LATE,
    LEG_JUDGED,
    LEG_NEXT,
    LEG_OPENED,
    LEG_PACKETS,
    LEG_PASSED_MS,
    LEG_PLACE,
    LEG_WORDS,
    LEGS,
    MARKS,
    OCTETS,
    OPENER_REFUSED,
    PORTS,
    PORTS_BIT,
    REFUSAL,
    REFUSED_ACL,
    REFUSED_ACL_RULE,
    REFUSED_AFTER,
    REFUSED_BEFORE,
    REFUSED_DIRECTION,
    REFUSED_FRAME,
    REFUSED_INTERFACE,
    REFUSED_NS,
    REFUSED_PACKET,
    REFUSED_POLICY,
    REFUSED_REASON,
    REFUSED_RULES,
    WAS_OPEN,
)
from secgroup.net.direction import Direction
from secgroup.net.packet import Icmp, Packet, Tcp
from secgroup.net.protocol import TcpFlag
from secgroup.replay.columns import ColumnFirewall
from secgroup.replay.connections import Connection, Leg, Outcome, Placed
from secgroup.replay.summary import AclUse, InterfaceCount, RuleCount, Tally

_HALF = (1 << 64) - 1
_OUTCOMES = {
    Outcome.ALLOWED: Number.ALLOWED,
    Outcome.REFUSED: Number.REFUSED,
    Outcome.CUT: Number.CUT,
    Outcome.OPEN_BEFORE: Number.OPEN_BEFORE,
}


class ObservedConnections:
    """The connections of a column replay; each is made when somebody asks for it."""

    def __init__(self, firewall: ColumnFirewall) -> None:
        self._firewall = firewall

    def __len__(self) -> int:
        """Count them."""
        return len(self._columns)

    def __iter__(self) -> Iterator[Connection]:
        """Go through them by number."""
        return (self.numbered(number) for number in range(1, len(self) + 1))

    @property
    def _columns(self) -> Columns:
        return self._firewall.connections

    def count(self, outcome: Outcome) -> int:
        """Count those with an outcome."""
        return int((self._columns.outcomes() == _OUTCOMES[outcome]).sum())

    def with_outcome(self, outcome: Outcome) -> Iterator[Connection]:
        """Go through those with an outcome, by number."""
        rows = np.flatnonzero(self._columns.outcomes() == _OUTCOMES[outcome])
        return (self.numbered(row + 1) for row in rows.tolist())

    def open_before(self) -> Iterator[Connection]:
        """Go through those that were open before the capture, by number."""
        rows = np.flatnonzero(self._columns.records[:, MARKS] & WAS_OPEN)
        return (self.numbered(row + 1) for row in rows.tolist())

    def passing(self, reasons: Collection[Reason], since_ms: int) -> Iterator[Connection]:
        """Go through those that passed some interface for one of these reasons since."""
        legs = self._columns.observed.legs.reshape(-1, LEG_WORDS)
        passed = np.isin(legs[:, LEG_PLACE] >> 40 & 0xFF, [int(each) for each in reasons])
        passed &= legs[:, LEG_PASSED_MS] >= since_ms
        first = self._columns.records[:, LEGS]
        found = np.zeros(first.shape, dtype=np.bool_)
        rows = np.flatnonzero(first >= 0)
        at = first[rows] // LEG_WORDS
        while rows.shape[0]:
            found[rows[passed[at]]] = True
            behind = legs[at, LEG_NEXT]
            rows, at = rows[behind >= 0], behind[behind >= 0] // LEG_WORDS
        return (self.numbered(row + 1) for row in np.flatnonzero(found).tolist())

    def after_close(self) -> int:
        """Count the packets that were rejected after the end of their connection."""
        return int(self._columns.records[:, LATE].sum())

    def numbered(self, number: int) -> Connection:
        """Return the connection with this number, made of columns for whoever asks."""
        record = self._columns.records[number - 1].tolist()
        birth = self._columns.births[number - 1].tolist()
        marks = record[MARKS]
        refusal, is_opener_refused = None, False
        if record[REFUSAL] >= 0:
            row = self._columns.refusals[record[REFUSAL]]
            refusal = self._refusal(number, record, row)
            is_opener_refused = bool(row[REFUSED_PACKET] & OPENER_REFUSED)
        return Connection(
            number=number,
            first=_first(record),
            first_frame=birth[FIRST_FRAME],
            first_ns=birth[FIRST_NS],
            last_ns=record[LAST_NS],
            was_open=bool(marks & WAS_OPEN),
            adoption=self._firewall.adoptions.get(number),
            refusal=refusal,
            accepted=record[ACCEPTED],
            is_answered=bool(marks & ANSWERED),
            is_opener_refused=is_opener_refused,
            octets=record[OCTETS],
            late=record[LATE],
            after=record[AFTER],
            after_accepted=record[AFTER_ACCEPTED],
            legs=self._legs(number),
            has_ending=bool(marks & HAS_ENDING),
            is_over=bool(marks & IS_OVER),
        )

    def _legs(self, number: int) -> dict[str, Leg]:
        """Return the legs by interface, in the order in which it first passed them.

        An interface is as the last network that has it says.
        """
        firewall, found = self._firewall, dict[str, Leg]()
        for row in self._columns.legs_of(number):
            leg = row.tolist()
            place = leg[LEG_PLACE]
            interface = firewall.interfaces[place & 0xFFFFFFFF]
            found[interface.interface_id] = Leg(
                interface=interface,
                direction=Direction(place >> 32 & 1),
                opened=firewall.rule_sets[leg[LEG_OPENED]],
                judged=[
                    firewall.rule_sets[leg[LEG_JUDGED]],
                    firewall.rule_sets[leg[LEG_JUDGED + 1]],
                ],
                reason=Reason(place >> 40 & 0xFF),
                passed_ms=leg[LEG_PASSED_MS],
                packets=leg[LEG_PACKETS],
            )
        return found

    def _refusal(self, number: int, record: list[int], row: I8) -> Placed:
        firewall, refused = self._firewall, row.tolist()
        interface_id = self._columns.interface_ids[refused[REFUSED_INTERFACE]]
        policy = firewall.policy_at(refused[REFUSED_POLICY], interface_id)
        acl, rule_number = refused[REFUSED_ACL], refused[REFUSED_ACL_RULE]
        before, after = refused[REFUSED_BEFORE], refused[REFUSED_AFTER]
        return Placed(
            frame=refused[REFUSED_FRAME],
            time_ns=refused[REFUSED_NS],
            packet=_refused(record, refused[REFUSED_PACKET]),
            interface=policy.interface,
            direction=Direction(refused[REFUSED_DIRECTION]),
            decision=Decision(
                verdict=Verdict.REJECT,
                reason=Reason(refused[REFUSED_REASON]),
                rule_ids=firewall.rule_sets[refused[REFUSED_RULES]],
                network_acl_id=None if rule_number < 0 else self._columns.acl_ids[acl],
                acl_rule_number=None if rule_number < 0 else rule_number,
                state_before=None if before == 0 else State(before),
                state_after=None if after == 0 else State(after),
            ),
            connection=number,
            policy=policy,
        )


def _packet(record: list[int], *, from_b: bool, has_ports: bool, icmp: Icmp | None) -> Packet:
    ports = record[PORTS]
    family = 6 if ports >> IPV6_BIT & 1 else 4
    a = address(family, record[A_HI] & _HALF, record[A_LO] & _HALF), ports & 0xFFFF
    b = address(family, record[B_HI] & _HALF, record[B_LO] & _HALF), ports >> 16 & 0xFFFF
    source, destination = (b, a) if from_b else (a, b)
    return Packet(
        source=source[0],
        destination=destination[0],
        protocol=ports >> 32 & 0xFF,
        length=0,
        source_port=source[1] if has_ports else None,
        destination_port=destination[1] if has_ports else None,
        icmp=icmp,
    )


def _first(record: list[int]) -> Packet:
    marks, ports = record[MARKS] & _HALF, record[PORTS]
    icmp = None
    if ports >> ICMP_BIT & 1:
        icmp = Icmp(type=marks >> 16 & 0xFF, code=marks >> 24 & 0xFF)
    packet = _packet(
        record,
        from_b=bool(marks & FIRST_FROM_B),
        has_ports=bool(ports >> PORTS_BIT & 1),
        icmp=icmp,
    )
    if not marks & FIRST_IS_TCP:
        return packet
    tcp = Tcp(flags=TcpFlag(marks >> 8 & 0xFF), sequence=marks >> 32, acknowledgement=0, payload=0)
    return Packet(
        source=packet.source,
        destination=packet.destination,
        protocol=packet.protocol,
        length=0,
        source_port=packet.source_port,
        destination_port=packet.destination_port,
        tcp=tcp,
    )


def _refused(record: list[int], packet: int) -> Packet:
    icmp = Icmp(type=packet >> 8 & 0xFF, code=packet >> 16 & 0xFF) if packet & 4 else None
    return _packet(record, from_b=bool(packet & 1), has_ports=bool(packet & 2), icmp=icmp)


def fill(tally: Tally, firewall: ColumnFirewall) -> None:
    """Say in `tally` what a column replay has counted."""
    columns, counted = firewall.connections, firewall.connections.counted
    for accepted, counts in enumerate(counted.reasons.tolist()):
        for reason, count in enumerate(counts):
            if count:
                tally.reasons[_verdict(accepted), Reason(reason)] = count
    for interface_id, row in zip(columns.interface_ids, counted.interfaces.tolist(), strict=False):
        if any(row[COUNT_PACKETS : COUNT_PACKETS + 4]):
            tally.interfaces[interface_id] = InterfaceCount(
                packets=_by_verdict(row[COUNT_PACKETS : COUNT_PACKETS + 4]),
                octets=_by_verdict(row[COUNT_OCTETS : COUNT_OCTETS + 4]),
                connections=row[COUNT_CONNECTIONS],
            )
    for (acl_id, direction, rule_number), count in columns.entries().items():
        use = AclUse(network_acl_id=acl_id, direction=Direction(direction), rule_number=rule_number)
        tally.acl_entries[use] = count
    for number, (packets, connections) in enumerate(counted.rules.tolist()):
        if packets:
            tally.credit(
                firewall.rule_sets[number], RuleCount(packets=packets, connections=connections)
            )


def _by_verdict(counts: list[int]) -> Counter[tuple[Direction, Verdict]]:
    return Counter(
        {
            (Direction(which >> 1), _verdict(which & 1)): count
            for which, count in enumerate(counts)
            if count
        }
    )


def _verdict(accepted: int) -> Verdict:
    return Verdict.ACCEPT if accepted else Verdict.REJECT

"""What a replay found: by connection, by interface, by rule; and what was not decided.

Owns the counting. How it is shown to people and to machines is the command line's.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from secgroup.conntrack.flow import Flow, outside_of
from secgroup.decision import Reason, Verdict
from secgroup.model.group import SecurityGroupRule
from secgroup.model.network import Network
from secgroup.model.network_acl import NetworkAclEntry
from secgroup.net.direction import Direction
from secgroup.net.packet import Packet
from secgroup.net.ports import ALL_PORTS, PortRange, Traffic
from secgroup.net.protocol import TCP, UDP
from secgroup.reference.journey import AtInterface, Leg
from secgroup.reference.ways import Ways
from secgroup.reference.wording import Nearest, nearest
from secgroup.replay.change import Change
from secgroup.replay.connections import Connection, Outcome, Placed
from secgroup.replay.firewall import ClockStep
from secgroup.replay.who import Census


class Sequenced(Protocol):
    """Connections by number."""

    def __len__(self) -> int:
        """Count them."""
        ...

    def __iter__(self) -> Iterator[Connection]:
        """Go through them."""
        ...

    def with_outcome(self, outcome: Outcome) -> Iterator[Connection]:
        """Go through those with an outcome, by number."""
        ...

    def count(self, outcome: Outcome) -> int:
        """Count those with an outcome."""
        ...

    def open_before(self) -> Iterator[Connection]:
        """Go through those that were open before the capture."""
        ...

    def passing(self, reasons: Collection[Reason], since_ms: int) -> Iterator[Connection]:
        """Go through those that passed some interface for one of these reasons since."""
        ...

    def after_close(self) -> int:
        """Count the packets that were rejected after the end of their connection."""
        ...


@dataclass(slots=True)
class InterfaceCount:
    """Packets at one interface, by direction and verdict."""

    packets: Counter[tuple[Direction, Verdict]] = field(default_factory=Counter)
    octets: Counter[tuple[Direction, Verdict]] = field(default_factory=Counter)
    connections: int = 0


@dataclass(slots=True)
class RuleCount:
    """What a rule has let pass: packets of its connections, and those that opened by it."""

    packets: int = 0
    connections: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class AclUse:
    """An entry of an ACL; the implicit denies are entries too."""

    network_acl_id: str
    direction: Direction
    rule_number: int


class Tally:
    """Counts decisions as they are made, in memory bounded by the network and the connections."""

    def __init__(self, network: Network) -> None:
        self.networks = [network]
        self.frames = 0
        self.first_ns: int | None = None
        self.reasons: Counter[tuple[Verdict, Reason]] = Counter()
        self.interfaces: dict[str, InterfaceCount] = {}
        self.acl_entries: Counter[AclUse] = Counter()
        self._rules: dict[tuple[str, ...], RuleCount] = {}

    def add(self, placed: Placed, connection: Connection | None) -> None:
        """Count one decision."""
        decision, interface, direction = placed.decision, placed.interface, placed.direction
        self.reasons[decision.verdict, decision.reason] += 1
        if interface is None or direction is None:
            return
        count = self.interfaces.get(interface.interface_id)
        if count is None:
            count = self.interfaces[interface.interface_id] = InterfaceCount()
        count.packets[direction, decision.verdict] += 1
        count.octets[direction, decision.verdict] += placed.packet.length
        if decision.network_acl_id is not None and decision.acl_rule_number is not None:
            use = AclUse(
                network_acl_id=decision.network_acl_id,
                direction=direction,
                rule_number=decision.acl_rule_number,
            )
            self.acl_entries[use] += 1
        leg = None if connection is None else connection.legs.get(interface.interface_id)
        if leg is None or not decision.accepted:
            return
        if leg.packets == 1:
            count.connections += 1
        credited = leg.credited(decision)
        if credited:
            used = self._rules.setdefault(credited, RuleCount())
            used.packets += 1
            if credited not in leg.counted:
                leg.counted += (credited,)
                used.connections += 1

    def credit(self, rule_ids: tuple[str, ...], count: RuleCount) -> None:
        """Take in what rules that matched together have let pass."""
        self._rules[rule_ids] = count

    def rules(self) -> Mapping[str, RuleCount]:
        """Return what each rule has let pass; a packet counts for every rule that matched."""
        found: dict[str, RuleCount] = {}
        for rule_ids, count in self._rules.items():
            for rule_id in rule_ids:
                of_rule = found.setdefault(rule_id, RuleCount())
                of_rule.packets += count.packets
                of_rule.connections += count.connections
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleUse:
    """A rule of the network and what it has let pass.

    `is_at_capture`: some interface at which packets were decided carries its group.
    """

    rule: SecurityGroupRule
    packets: int
    connections: int
    is_at_capture: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class AclEntryUse:
    """An entry of an ACL and how many packets it decided; `entry` is None for an implicit deny."""

    network_acl_id: str
    direction: Direction
    rule_number: int
    entry: NetworkAclEntry | None
    packets: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """A connection that two networks judge differently; None where one of them decided nothing."""

    here: Connection | None
    there: Connection | None


class NearestRules:
    """Finds the rule that misses a rejected packet by the least; answers are kept."""

    def __init__(self) -> None:
        self._ways: dict[int, Ways] = {}
        self._found: dict[tuple[object, ...], Nearest | None] = {}

    def of(self, placed: Placed) -> Nearest | None:
        """Return that rule; None where no rule was asked, or there is none in this direction."""
        packet, policy, direction = placed.packet, placed.policy, placed.direction
        if placed.decision.reason is not Reason.NO_MATCHING_RULE:
            return None
        if policy is None or direction is None or not isinstance(packet, Packet):
            return None
        peer = outside_of(packet, direction)
        wanted = traffic_of_packet(packet)
        key = (id(policy), direction, peer, wanted)
        if key not in self._found:
            ways = self._ways.setdefault(id(policy.network), Ways(policy.network))
            step = AtInterface(
                leg=Leg.THERE,
                interface_id=policy.interface.interface_id,
                direction=direction,
                packet=packet,
                decision=placed.decision,
                other_id=None,
                references_hold=True,
            )
            self._found[key] = nearest(ways, step, wanted)
        return self._found[key]


def traffic_of_packet(packet: Packet) -> Traffic:
    """Return the narrowest traffic that a packet is part of."""
    ports = None
    if packet.destination_port is not None:
        ports = PortRange(first=packet.destination_port, last=packet.destination_port)
    elif packet.protocol in (TCP, UDP):
        ports = ALL_PORTS
    return Traffic(
        protocol=packet.protocol,
        ports=ports,
        icmp_type=packet.icmp_type,
        icmp_code=packet.icmp_code,
    )


class Replayed(Protocol):
    """What is asked of a firewall when all is decided; `Firewall` is one."""

    @property
    def network(self) -> Network:
        """The one in force."""
        ...

    @property
    def observed(self) -> Sequenced:
        """The connections by number."""
        ...

    @property
    def census(self) -> Census:
        """What was not decided, and why."""
        ...

    @property
    def clock_steps(self) -> Sequence[ClockStep]:
        """The first step of each kind."""
        ...

    @property
    def stepped_back(self) -> int:
        """Frames that were judged at the latest time instead of theirs."""
        ...

    @property
    def now_ms(self) -> int:
        """The clock."""
        ...

    def connections(self) -> Iterator[Flow]:
        """Go through the tracked flows that are alive now, oldest entry first."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """What a replay found.

    Parameters
    ----------
    firewall : Replayed
        As the last packet left it.
    damage : str or None
        What ended the capture before its time.
    made, left : tuple of Change
        Changes with the frame that they came into force at, and those that never did.
    differences : tuple of Difference or None
        None when there was nothing to compare with.

    """

    firewall: Replayed
    tally: Tally
    damage: str | None = None
    made: tuple[tuple[int, Change], ...] = ()
    left: tuple[Change, ...] = ()
    differences: tuple[Difference, ...] | None = None
    nearest: NearestRules = field(default_factory=NearestRules)

    @property
    def decisions(self) -> int:
        """How many decisions there were."""
        return self.tally.reasons.total()

    @property
    def rejected(self) -> int:
        """How many of them were REJECT."""
        return sum(
            count for (verdict, _), count in self.tally.reasons.items() if verdict is Verdict.REJECT
        )

    @property
    def after_close(self) -> int:
        """How many packets were rejected after their connection had come to its own end."""
        return self.firewall.observed.after_close()

    @property
    def connections(self) -> list[Connection]:
        """Every connection, by number."""
        return list(self.firewall.observed)

    def of(self, outcome: Outcome) -> Iterator[Connection]:
        """Go through the connections with an outcome, by number."""
        return self.firewall.observed.with_outcome(outcome)

    def count(self, outcome: Outcome) -> int:
        """Count the connections with an outcome."""
        return self.firewall.observed.count(outcome)

    def rules(self) -> list[RuleUse]:
        """Return every rule of the networks that were in force, used or not."""
        counts = self.tally.rules()
        rules: dict[str, SecurityGroupRule] = {}
        present: set[str] = set()
        for network in self.tally.networks:
            for group in network.groups.values():
                rules.update((rule.rule_id, rule) for rule in group.rules)
            for interface_id in self.tally.interfaces:
                if interface_id in network.interfaces:
                    present.update(network.interfaces[interface_id].group_ids)
        unused = RuleCount()
        return [
            RuleUse(
                rule=rule,
                packets=counts.get(rule_id, unused).packets,
                connections=counts.get(rule_id, unused).connections,
                is_at_capture=rule.group_id in present,
            )
            for rule_id, rule in rules.items()
        ]

    def acl_entries(self) -> list[AclEntryUse]:
        """Return the entries of the ACLs that were asked, used or not, in their order."""
        uses = self.tally.acl_entries
        asked = {use.network_acl_id for use in uses}
        entries: dict[AclUse, NetworkAclEntry | None] = {}
        for network in self.tally.networks:
            for acl_id in sorted(asked & network.acls.keys()):
                for entry in network.acls[acl_id].entries:
                    use = AclUse(
                        network_acl_id=acl_id,
                        direction=Direction.EGRESS if entry.is_egress else Direction.INGRESS,
                        rule_number=entry.rule_number,
                    )
                    entries[use] = entry
        for use in uses:
            entries.setdefault(use, None)
        ordered = sorted(
            entries, key=lambda use: (use.network_acl_id, use.direction, use.rule_number)
        )
        return [
            AclEntryUse(
                network_acl_id=use.network_acl_id,
                direction=use.direction,
                rule_number=use.rule_number,
                entry=entries[use],
                packets=uses[use],
            )
            for use in ordered
        ]


def differences(here: Iterable[Connection], there: Iterable[Connection]) -> tuple[Difference, ...]:
    """Return the connections that two runs over one capture judge differently.

    The verdict of a connection is its outcome, and for a refusal where and why. Connections are
    the same when their first packet is.
    """
    others = {each.first_frame: each for each in there}
    found: list[Difference] = []
    for each in here:
        other = others.pop(each.first_frame, None)
        if other is None or _verdict(each) != _verdict(other):
            found.append(Difference(here=each, there=other))
    found.extend(Difference(here=None, there=other) for other in others.values())
    return tuple(sorted(found, key=_first_frame))


def _first_frame(difference: Difference) -> int:
    known = difference.here or difference.there
    return 0 if known is None else known.first_frame


def _verdict(connection: Connection) -> tuple[object, ...]:
    refusal = connection.refusal
    adopted = connection.adoption is not None and connection.adoption.adopted
    if refusal is None:
        return connection.outcome, adopted
    interface_id = None if refusal.interface is None else refusal.interface.interface_id
    return connection.outcome, adopted, interface_id, refusal.direction, refusal.decision.reason

"""`ColumnFirewall`: what `firewall.Firewall` decides frame by frame, for batches of a capture.

Owns what outlives a batch: connections, adoptions, and every policy that was in force. Where
frames are decided, `placement` says; in which order, `passage`; and what, the engine.
"""

from collections.abc import Iterator, Sequence

from secgroup.conntrack.flow import Flow
from secgroup.engine.capture import Batch
from secgroup.engine.columns import U8
from secgroup.engine.compile import Compiled
from secgroup.engine.connections import Connections
from secgroup.engine.decisions import Rows
from secgroup.engine.engine import Engine
from secgroup.engine.rule_sets import RuleSets
from secgroup.model.interface import NetworkInterface
from secgroup.model.network import Network
from secgroup.net.direction import Direction
from secgroup.net.packet import Packet
from secgroup.policy.policy import InterfacePolicy
from secgroup.reference.memory import AS_DOCUMENTED, Switches
from secgroup.replay.connections import Adoption
from secgroup.replay.firewall import ClockStep
from secgroup.replay.openers import Openers
from secgroup.replay.passage import Passage
from secgroup.replay.placement import Placement
from secgroup.replay.who import At, Census, Place


class ColumnFirewall:
    """Decides batches of a capture as `Firewall` decides its frames.

    Parameters
    ----------
    network, switches, at, vpc, adopt
        As those of `Firewall`.
    secret : uint64, shape (engine.live.SECRET_SIZE,)
        Of hashes; an unknown one keeps collisions from being made.
    key : bytes
        Of the engine's hash.
    lists_flows : bool
        Keep what `flows` says beyond a record, as `Engine` does for `keeps_births`.

    Attributes
    ----------
    connections : Connections
        What became of each connection, as columns.
    adoptions : dict
        By the number of the connection.
    policies : list of Compiled
        All that were in force, in their order.

    Raises
    ------
    InputError
        As `Firewall` and `Engine`.

    """

    def __init__(
        self,
        network: Network,
        *,
        switches: Switches = AS_DOCUMENTED,
        at: At = None,
        vpc: str | None = None,
        adopt: bool = True,
        secret: U8,
        key: bytes,
        lists_flows: bool = False,
    ) -> None:
        self.rule_sets = RuleSets()
        self.connections = Connections(secret=secret)
        self.adoptions: dict[int, Adoption] = {}
        self.policies: list[Compiled] = []
        self.interfaces: list[NetworkInterface] = []
        self.acl_ids: list[str | None] = []
        self._adopts = adopt
        self._placement = Placement(network, at=at, vpc=vpc, secret=secret)
        self._engine = Engine(network, switches, key=key, keeps_births=lists_flows)
        self._acls_had: dict[tuple[int, str | None], None] = {}
        self._earlier_rows: dict[tuple[int, str | None], int] = {}
        self._openers = Openers(self._engine, self._policy_now)
        self._use()

    @property
    def network(self) -> Network:
        """The one in force."""
        return self._engine.network

    @property
    def compares_packets(self) -> bool:
        """The digests of packets are needed, to tell copies."""
        return self._placement.compares_packets

    @property
    def census(self) -> Census:
        """What was not decided, and why."""
        return self._placement.census

    @property
    def clock_steps(self) -> Sequence[ClockStep]:
        """The first step of each kind."""
        return self._placement.clock_steps

    @property
    def now_ms(self) -> int:
        """The clock: the largest time so far, in milliseconds, rounded down."""
        return self._placement.now_ms

    @property
    def stepped_back(self) -> int:
        """Frames that were judged at a later time than theirs: the latest one."""
        return self._placement.stepped_back

    @property
    def ambiguous_row(self) -> int:
        """The row of the last batch that AmbiguousAddressError was raised for."""
        return self._placement.ambiguous_row

    def flows(self) -> Iterator[Flow]:
        """Go through the tracked flows that are alive now: oldest entry first, if births are kept.

        Without them `created_ms` is a whole second.
        """
        self._engine.advance(self.now_ms)
        return self._engine.connections()

    def change(self, network: Network) -> None:
        """Put another network in force, as `Firewall.change`."""
        self._engine.change(network)
        self._use()

    def _use(self) -> None:
        compiled = self._engine.compiled
        known = {each.interface_id: each for each in self.interfaces}
        known |= self.network.interfaces
        self.policies.append(compiled)
        self.interfaces = [known[each] for each in compiled.memory.interfaces]
        acls = compiled.tables.interfaces.acl.tolist()
        self.acl_ids = [compiled.acl_ids[each] if compiled.acl_ids else None for each in acls]
        self._add_earlier_acls()
        self.rule_sets.use(
            compiled.tables.interfaces.table,
            lambda table, direction, family, *classes: compiled.rule_ids(
                table, Direction(direction), family, *classes
            ),
        )
        self.connections.use(self.interfaces, self.acl_ids)
        self._placement.use(self.network, compiled.interfaces)

    def _add_earlier_acls(self) -> None:
        """Give interfaces another row with each network ACL that they had before.

        A later fragment is decided as its first one was, by the ACL that was there then.
        """
        now = dict.fromkeys(enumerate(self.acl_ids))
        self._earlier_rows = {}
        for row, acl_id in [each for each in self._acls_had if each not in now]:
            self._earlier_rows[row, acl_id] = len(self.interfaces)
            self.interfaces.append(self.interfaces[row])
            self.acl_ids.append(acl_id)
        self._acls_had |= now

    def decide(self, batch: Batch, begin: int, end: int) -> Rows:
        """Decide frames, and take note of what becomes of their connections.

        Parameters
        ----------
        begin, end
            Rows of the batch's frames.

        Returns
        -------
        Rows
            Egress before ingress; they hold until the next frames are decided. A frame that is
            not decided has one row of reason 0, as has the arrival of a packet that its sender's
            interface has rejected: `frames` of that one is negative.

        Raises
        ------
        AmbiguousAddressError
            As `Firewall.decide`.

        """
        sightings = self._placement.place(batch, begin, end)
        passage = Passage(self._engine, self.connections, sightings, self.interfaces)
        passage.decide(self._adopt if self._adopts else None)
        packets, decisions = sightings.packets, passage.out
        rule_sets = self.rule_sets.of(packets, decisions)
        for row, rule_ids, acl_id in passage.earlier:
            rule_sets[row] = self.rule_sets.number(rule_ids)
            here = int(packets.interface[row])
            packets.interface[row] = self._earlier_rows.get((here, acl_id), here)
        frames, times_ns = sightings.frames, sightings.times_ns
        self.connections.see(packets, decisions, frames, times_ns, passage.numbers, rule_sets)
        return Rows(
            packets=packets,
            decisions=decisions,
            frames=frames,
            times_ns=times_ns,
            connections=passage.numbers,
            rule_sets=rule_sets,
        )

    def _adopt(
        self, packet: Packet, place: Place, number: int, frame: int, time_ns: int, now_ms: int
    ) -> None:
        ends = self._placement.every_end(place, packet)
        adoption = self._openers.adopt(packet, ends, frame, time_ns, now_ms)
        self.adoptions[number] = adoption
        if adoption.adopted:
            self.connections.adopt(
                number,
                [(each, self.rule_sets.number(rules)) for each, rules in adoption.rule_ids],
            )

    def _policy_now(self, interface_id: str) -> InterfacePolicy:
        return self.policy_at(len(self.policies) - 1, interface_id)

    def policy_at(self, number: int, interface_id: str) -> InterfacePolicy:
        """Return what decided at an interface while a policy was in force."""
        return self.policies[number].policy.at(interface_id)

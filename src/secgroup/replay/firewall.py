"""`Firewall`: a network's security groups and ACLs over time, deciding what passes.

Owns what changes: the network in force, the memory of flows, the clock. Rules are `policy`'s,
one packet at one interface is `reference.decide`'s, placing is `who`'s. Time comes from the
packets.
"""

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, Protocol, overload, runtime_checkable

from secgroup.conntrack.flow import Flow
from secgroup.decision import Decision, Reason, Verdict
from secgroup.model.network import Network
from secgroup.net.address import Address
from secgroup.net.capture import Frame
from secgroup.net.direction import Direction
from secgroup.net.packet import Datagram, Malformed, Packet
from secgroup.policy.policy import InterfacePolicy
from secgroup.policy.resolve import Policy
from secgroup.reference.decide import decide
from secgroup.reference.memory import AS_DOCUMENTED, Memory, Switches
from secgroup.replay.adopt import TableEntries, adopt
from secgroup.replay.connections import Connections, Placed
from secgroup.replay.copies import Copies
from secgroup.replay.who import At, Census, Place, Undecided, Who

if TYPE_CHECKING:
    from secgroup.engine.answers import Decisions
    from secgroup.engine.engine import Engine

MILLISECOND_NS: Final = 1_000_000
_STEP_BACK_NS: Final = 1_000_000_000
_STEP_FORWARD_NS: Final = 86_400_000_000_000

_NOWHERE = Decision(verdict=Verdict.REJECT, reason=Reason.MALFORMED)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockStep:
    """A step of the capture's clock that no network makes: back over 1 s, forward over a day."""

    frame: int
    step_ns: int


@runtime_checkable
class Table(Protocol):
    """What hands out its columns as Arrow (the Arrow PyCapsule interface)."""

    def __arrow_c_stream__(self, requested_schema: Any = None, /) -> Any:
        """Return the columns."""
        ...


class Firewall:
    """Decides packets as AWS would, one after the other, and remembers what follows.

    Parameters
    ----------
    network : Network
        As `secgroup.load` returns it.
    switches : Switches, optional
        Other answers to what AWS leaves open, and allowances.
    at : str or mapping, optional
        The interface at which the frames were captured; or capture interface (name or index)
        -> interface. Frames are then decided there only. Else both ends of each packet are.
    vpc : str, optional
        Which VPC is meant when two have the same address.
    adopt : bool
        Give TCP connections that were open before the capture their entries.

    Attributes
    ----------
    network : Network
        The one in force.
    observed : Connections
        The connections of the packets so far, and what became of them.
    census : Census
        What was not decided, and why.
    clock_steps : list of ClockStep
        The first step of each kind.
    stepped_back : int
        Frames that were judged at a later time than theirs: the latest one.

    Raises
    ------
    InputError
        `at` or `vpc` names nothing, or several things.

    Examples
    --------
    >>> firewall = Firewall(network)  # doctest: +SKIP
    >>> for placed in firewall.decide(read_capture("x.pcap")):  # doctest: +SKIP
    ...     print(placed.frame, placed.interface.interface_id, placed.decision.verdict)

    """

    def __init__(
        self,
        network: Network,
        *,
        switches: Switches = AS_DOCUMENTED,
        at: At = None,
        vpc: str | None = None,
        adopt: bool = True,
    ) -> None:
        self.network = network
        self.observed = Connections()
        self.census = Census()
        self.clock_steps: list[ClockStep] = []
        self.stepped_back = 0
        self._switches = switches
        self._adopts = adopt
        self._memory = Memory()
        self._policy = Policy(network)
        self._who = Who(network, at=at, vpc=vpc)
        self._copies = None if self._who.is_at else Copies()
        self._now_ns: int | None = None
        self._engine: Engine | None = None

    @property
    def now_ms(self) -> int:
        """The clock: the largest time so far, in milliseconds, rounded down."""
        return 0 if self._now_ns is None else self._now_ns // MILLISECOND_NS

    @overload
    def decide(self, packets: Iterable[Frame]) -> Iterator[Placed]: ...

    @overload
    def decide(self, packets: Table) -> "Decisions": ...

    def decide(self, packets: Iterable[Frame] | Table) -> "Iterator[Placed] | Decisions":
        """Decide every packet of a capture or of a table, by the definition or by the engine.

        The packets of one firewall are all frames or all in tables, because each way has its own
        memory.

        Parameters
        ----------
        packets : iterable of Frame, or table
            Frames are decided one by one, each at the interfaces that it passes: egress before
            ingress. What is not decided (frames that are not IP, copies, addresses that no
            interface has) is counted in `census`. A packet that its sender's interface rejects
            does not arrive.

            A table (pandas, polars, pyarrow, DuckDB: what hands out Arrow) has a row for each
            packet at an interface, in the columns of docs/python.md; all of it is decided at
            once, compiled. It counts neither for `observed` nor for `census`.

        Returns
        -------
        iterator of Placed, or Decisions
            Decisions are columns, in the order of the rows, and an Arrow table by `to_arrow`.

        Raises
        ------
        AmbiguousAddressError
            Two VPCs have an address of a frame, and neither `at` nor `vpc` was given.
        InputError
            A column is missing or unknown, a value is none of its kind, or an interface has more
            than 1,000 rules in one direction and family.
        ValueError
            The firewall has decided packets the other way.

        """
        if isinstance(packets, Table):
            return self._decide_table(packets)
        return self._decide_frames(packets)

    def _decide_frames(self, frames: Iterable[Frame]) -> Iterator[Placed]:
        for frame in frames:
            yield from self.decide_frame(frame)

    def _decide_table(self, table: Table) -> "Decisions":
        if self._now_ns is not None:
            raise ValueError("this firewall has decided frames (expected a new one for tables)")
        if self._engine is None:
            from secgroup.engine.engine import Engine

            self._engine = Engine(
                self.network, self._switches, key=os.urandom(16), keeps_births=True
            )
        return self._engine.decide(self._engine.batch(table))

    def decide_frame(self, frame: Frame) -> tuple[Placed, ...]:
        """Decide one frame; the same as `decide`, for one.

        Raises
        ------
        AmbiguousAddressError, ValueError
            As `decide`.

        """
        self._move_clock(frame)
        packet = frame.datagram
        if self._copies is not None and self._copies.is_copy(frame):
            self.census.add(Undecided.COPY)
            return ()
        place = self._who.place(frame)
        if place.undecided is not None:
            self.census.add(place.undecided, place.addresses)
        if packet is None:
            return ()
        if isinstance(packet, Malformed):
            return self._decide_malformed(frame, packet, place)
        if place.sender is None and place.receiver is None:
            return ()
        return self._decide_connection(frame, packet, place)

    def decide_at(
        self, interface_id: str, packet: Datagram, direction: Direction, time_ns: int
    ) -> Decision:
        """Decide one packet at one interface.

        It counts for the flows, and neither for connections nor for adoption.

        Parameters
        ----------
        interface_id : str
            Of an interface of the network in force.
        time_ns : int
            Nanoseconds; an earlier time than the latest one is judged at the latest one.

        Raises
        ------
        KeyError
            The network has no such interface.
        ValueError
            The firewall has decided tables.

        """
        self._refuse_tables()
        self._advance(time_ns)
        return self._decide_one(self._policy.at(interface_id), packet, direction)

    def ends(self, source: Address | None, destination: Address | None) -> Place:
        """Say who has the addresses of a packet that was captured nowhere; see `Who.ends`.

        Raises
        ------
        AmbiguousAddressError
            As there.

        """
        return self._who.ends(source, destination)

    def decide_ends(
        self, place: Place, packet: Datagram, time_ns: int, *, frame: int
    ) -> tuple[Placed, ...]:
        """Decide one packet at its sender and, unless that rejects it, at its receiver.

        It counts as in `decide_at`. Preconditions: `place` is of the network in force.
        """
        self._advance(time_ns)
        return self._decide_places(frame, time_ns, packet, place, None)

    def change(self, network: Network) -> None:
        """Put another network in force, as if by API calls at this moment.

        Entries survive; those of an interface that is deleted, detached or attached elsewhere
        go, and those of an address that is taken from its interface. ACLs act at once.
        """
        before = self.network

        def is_gone(flow: Flow) -> bool:
            now = network.interfaces.get(flow.interface_id)
            if now is None or now.owner != flow.key.owner:
                return True
            then = before.interfaces.get(flow.interface_id)
            had = then is not None and then.has_address(flow.key.inside)
            return had and not now.has_address(flow.key.inside)

        if self._engine is not None:
            self._engine.change(network)
        self._memory.flows.remove_if(is_gone)
        self.network = network
        self._policy = Policy(network)
        self._who = self._who.moved_to(network)

    def connections(self) -> Iterator[Flow]:
        """Go through the tracked flows that are alive now, oldest entry first."""
        if self._engine is not None:
            return self._engine.connections()
        self._memory.flows.advance(self.now_ms)
        return iter(self._memory.flows)

    def _advance(self, time_ns: int) -> None:
        """Move the clock to a time that is later."""
        if self._now_ns is None or time_ns > self._now_ns:
            self._now_ns = time_ns

    def _move_clock(self, frame: Frame) -> None:
        self._refuse_tables()
        if self._now_ns is None:
            self._now_ns = frame.time_ns
            return
        step_ns = frame.time_ns - self._now_ns
        if step_ns < -_STEP_BACK_NS or step_ns > _STEP_FORWARD_NS:
            named = any((each.step_ns < 0) == (step_ns < 0) for each in self.clock_steps)
            if not named:
                self.clock_steps.append(ClockStep(frame=frame.number, step_ns=step_ns))
        if step_ns > 0:
            self._now_ns = frame.time_ns
        elif frame.time_ns // MILLISECOND_NS < self.now_ms:
            self.stepped_back += 1

    def _refuse_tables(self) -> None:
        if self._engine is not None:
            raise ValueError("this firewall has decided tables (expected a new one for frames)")

    def _decide_one(
        self, policy: InterfacePolicy, packet: Datagram, direction: Direction
    ) -> Decision:
        return decide(policy, self._memory, packet, direction, self.now_ms, switches=self._switches)

    def _decide_malformed(
        self, frame: Frame, packet: Malformed, place: Place
    ) -> tuple[Placed, ...]:
        """Decide at one interface; at none where nothing says which, for want of addresses."""
        if place.sender is None and place.receiver is None:
            if place.undecided is not None:
                return ()
            return (
                Placed(
                    frame=frame.number,
                    time_ns=frame.time_ns,
                    packet=packet,
                    interface=None,
                    direction=None,
                    decision=_NOWHERE,
                ),
            )
        return self._decide_places(frame.number, frame.time_ns, packet, place, None)

    def _decide_connection(self, frame: Frame, packet: Packet, place: Place) -> tuple[Placed, ...]:
        subject = packet
        if packet.is_later_fragment:
            # Whose connection it is of stands in the first fragment only.
            placed = self._decide_places(frame.number, frame.time_ns, packet, place, None)
            subject = placed[-1].decision.first_fragment or packet
        connection = self.observed.of(
            subject, frame=frame.number, time_ns=frame.time_ns, scope=place.scope
        )
        if packet.is_later_fragment:
            placed = tuple([replace(each, connection=connection.number) for each in placed])
        else:
            if connection.was_open and connection.packets == 0 and self._adopts:
                connection.adoption = adopt(
                    packet,
                    self._who.every_end(place, packet),
                    TableEntries(self._memory.flows),
                    lambda syn, way: self._decide_places(
                        frame.number, frame.time_ns, syn, way, None
                    ),
                )
            placed = self._decide_places(
                frame.number, frame.time_ns, packet, place, connection.number
            )
        connection.see(placed, self.now_ms)
        return placed

    def _decide_places(
        self,
        frame: int,
        time_ns: int,
        packet: Datagram,
        place: Place,
        connection: int | None,
    ) -> tuple[Placed, ...]:
        """Decide at the sender, and at the receiver unless the sender rejects."""
        placed: list[Placed] = []
        for interface, direction in (
            (place.sender, Direction.EGRESS),
            (place.receiver, Direction.INGRESS),
        ):
            if interface is None:
                continue
            policy = self._policy.at(interface.interface_id)
            decision = self._decide_one(policy, packet, direction)
            placed.append(
                Placed(
                    frame=frame,
                    time_ns=time_ns,
                    packet=packet,
                    interface=interface,
                    direction=direction,
                    decision=decision,
                    connection=connection,
                    policy=policy,
                )
            )
            if not decision.accepted:
                break
        return tuple(placed)

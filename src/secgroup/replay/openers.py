"""Adoption by the engine: SYNs that could have opened a connection, and the entries they make.

Owns what `adopt` needs of an engine; whether a connection is adopted, `adopt` says.
"""

from collections.abc import Callable

from secgroup.decision import Reason
from secgroup.engine.batch import Sighting, batch_of
from secgroup.engine.engine import Engine
from secgroup.net.direction import Direction
from secgroup.net.packet import Packet
from secgroup.policy.policy import InterfacePolicy
from secgroup.replay.adopt import Positions, adopt
from secgroup.replay.connections import Adoption, Placed
from secgroup.replay.who import Place


class Openers:
    """Adopts connections at an engine.

    Parameters
    ----------
    engine : Engine
    policy_at : callable
        Returns what decides at an interface now.

    """

    def __init__(self, engine: Engine, policy_at: Callable[[str], InterfacePolicy]) -> None:
        self._engine = engine
        self._policy_at = policy_at

    def adopt(
        self, packet: Packet, place: Place, frame: int, time_ns: int, now_ms: int
    ) -> Adoption:
        """Adopt the connection of a packet if a SYN could have opened it, as `adopt`."""
        entries = _Entries(self._engine)

        def decide(syn: Packet, way: Place) -> tuple[Placed, ...]:
            return self._decide(syn, way, entries, frame, time_ns, now_ms)

        return adopt(packet, place, entries, decide)

    def _decide(
        self,
        syn: Packet,
        way: Place,
        entries: "_Entries",
        frame: int,
        time_ns: int,
        now_ms: int,
    ) -> tuple[Placed, ...]:
        placed = []
        for interface, direction in (
            (way.sender, Direction.EGRESS),
            (way.receiver, Direction.INGRESS),
        ):
            if interface is None:
                continue
            row = self._engine.interface_number(interface.interface_id)
            sighting = Sighting(syn, row, direction, now_ms)
            found = self._engine.decide(batch_of([sighting]))
            decision = found.decision(0)
            assert decision is not None
            each = Placed(
                frame=frame,
                time_ns=time_ns,
                packet=syn,
                interface=interface,
                direction=direction,
                decision=decision,
                policy=self._policy_at(interface.interface_id),
            )
            entries.note(each, int(found.columns.entry[0]))
            placed.append(each)
            if not decision.accepted:
                break
        return tuple(placed)


class _Entries:
    """The entries that SYNs of an adoption have made, in the engine's table."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._made: dict[int, int] = {}
        self._kept: list[Placed] = []

    def note(self, placed: Placed, entry: int) -> None:
        """Remember which entry a decision is about."""
        if placed.decision.reason is Reason.NEW:
            # Kept, so that no other value gets its identity.
            self._kept.append(placed)
            self._made[id(placed)] = entry

    def establish(self, placed: Placed, opener: Packet, positions: Positions) -> None:  # noqa: ARG002
        """Bring the entry that a SYN has just made to ESTABLISHED."""
        entry = self._made.get(id(placed))
        if entry is not None:
            self._engine.establish(entry, positions)

    def withdraw(self, placed: Placed, opener: Packet) -> None:  # noqa: ARG002
        """Take back what a SYN made that was rejected further on."""
        entry = self._made.pop(id(placed), None)
        if entry is not None:
            self._engine.remove(entry)

"""`Decisions`: the answers for a batch, as columns, and what they stand for.

Owns the way from columns to rule ids, ACL ids and `Decision`s; decides nothing.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from secgroup.conntrack.state import State
from secgroup.decision import Decision, Reason, Verdict
from secgroup.engine.batch import Batch
from secgroup.engine.compile import Compiled
from secgroup.engine.layout import DecisionColumns, Packets
from secgroup.net.direction import Direction
from secgroup.net.packet import Packet

if TYPE_CHECKING:
    import pyarrow


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Decisions:
    """The answers for a batch of packets, in their order.

    Parameters
    ----------
    columns : DecisionColumns
        One row for each packet.
    batch : Batch
        The packets.
    compiled : Compiled
        The policy that was in force.
    firsts : Packets
        The first fragments of earlier batches that later fragments of this one refer to.
    firsts_compiled : tuple of Compiled
        The policy that was in force for each of them.

    """

    columns: DecisionColumns
    batch: Batch
    compiled: Compiled
    firsts: Packets
    firsts_compiled: tuple[Compiled, ...]

    def __len__(self) -> int:
        """Count the decisions."""
        return len(self.columns.reason)

    def _compiled(self, row: int) -> Compiled:
        first = int(self.columns.first[row])
        return self.compiled if first >= -1 else self.firsts_compiled[-2 - first]

    def rule_ids(self, row: int) -> tuple[str, ...]:
        """Return every rule that matched, in the order of the interface's groups."""
        address_class = int(self.columns.address_class[row])
        if address_class < 0:
            return ()
        compiled, packets = self._compiled(row), self.batch.packets
        return compiled.rule_ids(
            int(compiled.tables.interfaces[int(packets.interface[row])].table),
            Direction(int(packets.direction[row])),
            int(packets.family[row]),
            address_class,
            int(self.columns.port_class[row]),
        )

    def network_acl_id(self, row: int) -> str | None:
        """Return the network ACL that was asked; None when none was."""
        if self.columns.acl_rule_number[row] < 0:
            return None
        compiled = self._compiled(row)
        interface = compiled.tables.interfaces[int(self.batch.packets.interface[row])]
        return compiled.acl_ids[int(interface.acl)]

    def first_fragment(self, row: int) -> Packet | None:
        """Return the first fragment whose answer a later one has got; None for all others."""
        first = int(self.columns.first[row])
        if first == -1:
            return None
        batch = self.batch
        if first < -1:
            batch, first = Batch(packets=self.firsts, quotes=self.batch.quotes), -2 - first
        packet = batch.packet(first)
        return packet if isinstance(packet, Packet) else None

    def decision(self, row: int) -> Decision | None:
        """Return an answer as the definition gives it; None where the packet was not decided."""
        reason = int(self.columns.reason[row])
        if reason == 0:
            return None
        number = int(self.columns.acl_rule_number[row])
        before = int(self.columns.state_before[row])
        after = int(self.columns.state_after[row])
        return Decision(
            verdict=Verdict.ACCEPT if self.columns.accepted[row] else Verdict.REJECT,
            reason=Reason(reason),
            rule_ids=self.rule_ids(row),
            network_acl_id=self.network_acl_id(row),
            acl_rule_number=None if number < 0 else number,
            state_before=None if before == 0 else State(before),
            state_after=None if after == 0 else State(after),
            logged=bool(self.columns.logged[row]),
            first_fragment=self.first_fragment(row),
        )

    def to_arrow(self) -> "pyarrow.Table":
        """Return the answers as an Arrow table, one row for each packet.

        Columns: `time_ms` (int64), `interface_id` and `direction` (dictionaries of strings, null
        where the packet was at no interface), `verdict` and `reason` (dictionaries, null where
        it was not decided), `rule_ids` (lists of strings), `acl_rule_number`
        (int32, null where no ACL was asked), `state_before` and `state_after` (dictionaries,
        null where there is no flow), `entry` (int64, null where no flow was stepped or made),
        `logged` (bool).
        """
        import pyarrow as pa

        columns, packets = self.columns, self.batch.packets
        decided, placed = columns.reason != 0, packets.interface >= 0

        def named(values: Any, names: list[str], known: Any) -> Any:
            codes = pa.array(values.astype(np.int32), mask=~known)
            return pa.DictionaryArray.from_arrays(codes, pa.array(names, type=pa.string()))

        reasons = [str(each) for each in range(max(Reason) + 1)]
        states = [str(each) for each in range(max(State) + 1)]
        for reason in Reason:
            reasons[reason] = reason.name
        for state in State:
            states[state] = state.name
        acl, before, after = columns.acl_rule_number, columns.state_before, columns.state_after
        return pa.table(
            {
                "time_ms": pa.array(packets.time_ms),
                "interface_id": named(
                    packets.interface, list(self.compiled.memory.interfaces), placed
                ),
                "direction": named(packets.direction, [str(each) for each in Direction], placed),
                "verdict": named(columns.accepted, ["REJECT", "ACCEPT"], decided),
                "reason": named(columns.reason, reasons, decided),
                "rule_ids": self._rule_lists(),
                "acl_rule_number": pa.array(acl, mask=acl < 0),
                "state_before": named(before, states, before != 0),
                "state_after": named(after, states, after != 0),
                "entry": pa.array(columns.entry, mask=columns.entry < 0),
                "logged": pa.array(columns.logged.astype(bool)),
            }
        )

    def _rule_lists(self) -> Any:
        """Return the rules of every row: each list that occurs once, and which one it is."""
        import pyarrow as pa

        columns, packets = self.columns, self.batch.packets
        asked = columns.address_class >= 0
        rows = np.flatnonzero(asked)
        what = np.column_stack(
            [
                self.compiled.tables.interfaces.table[packets.interface[rows]],
                packets.direction[rows],
                packets.family[rows],
                columns.address_class[rows],
                columns.port_class[rows],
                np.minimum(columns.first[rows], -1),
            ]
        ).astype(np.int64)
        _, firsts, which = np.unique(what, axis=0, return_index=True, return_inverse=True)
        lists: list[list[str]] = [list(self.rule_ids(row)) for row in rows[firsts].tolist()]
        codes = np.full(len(self), len(lists), dtype=np.int32)
        codes[rows] = which.reshape(-1)
        return pa.array([*lists, []], type=pa.list_(pa.string())).take(pa.array(codes))

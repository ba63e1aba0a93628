"""What a firewall remembers."""

from dataclasses import dataclass, field

from secgroup.conntrack.fragment import FragmentTable
from secgroup.conntrack.table import FlowTable
from secgroup.decision import Decision
from secgroup.decision.switches import AS_DOCUMENTED, Switches
from secgroup.net.packet import Packet

__all__ = ["AS_DOCUMENTED", "Memory", "Switches"]


@dataclass(frozen=True, slots=True)
class Memory:
    """Tracked flows, and the answers of first fragments with the fragments themselves."""

    flows: FlowTable = field(default_factory=FlowTable)
    fragments: FragmentTable[tuple[Packet, Decision]] = field(default_factory=FragmentTable)

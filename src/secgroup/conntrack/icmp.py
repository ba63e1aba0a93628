"""ICMP and ICMPv6 queries: asked, and answered.

Everything that can change the state of an ICMP flow is in the grid below. The key of such a flow
says which kind of query it is and who asked, so a query is always ORIGINAL and only the answer
to that kind, the other way, is a REPLY. Errors step nothing.
"""

from enum import IntEnum
from typing import Final

from secgroup.conntrack.grid import machine_of
from secgroup.conntrack.state import State

STATES: Final = {"UN": State.ICMP_UNREPLIED, "RE": State.ICMP_REPLIED}


class Event(IntEnum):
    """A query or its answer; which of them is told by the side."""

    MESSAGE = 0


ORIGINAL: Final = """
          --  UN  RE
 MESSAGE  UN  UN  RE
"""
# RE  The next ping of a series: the flow has been answered before.
REPLY: Final = """
          --  UN  RE
 MESSAGE  --  RE  RE
"""
# --  Never asked: an answer without a query makes no entry.

#: (side, event, state before) -> state after; None is "no entry". Total.
TRANSITIONS: Final = machine_of(ORIGINAL, REPLY, events=Event, states=STATES)

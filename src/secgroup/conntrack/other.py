"""Protocols other than TCP, UDP and ICMP: two addresses and a number, for 600 seconds.

Everything that can change the state of such a flow is in the grid below. Packets have no roles
here: whoever sends first opens the flow (EC2 User Guide, Security group connection tracking).
"""

from enum import IntEnum
from typing import Final

from secgroup.conntrack.grid import machine_of
from secgroup.conntrack.state import State

STATES: Final = {"UN": State.OTHER_UNREPLIED, "RE": State.OTHER_REPLIED}


class Event(IntEnum):
    """Every packet is the same to the machine."""

    PACKET = 0


ORIGINAL: Final = """
         --  UN  RE
 PACKET  UN  UN  RE
"""
# RE  Once answered, a flow stays so; both states have the same timeout.
REPLY: Final = """
         --  UN  RE
 PACKET  --  RE  RE
"""
# --  Never asked: the packet that makes an entry is ORIGINAL.

#: (side, event, state before) -> state after; None is "no entry". Total.
TRANSITIONS: Final = machine_of(ORIGINAL, REPLY, events=Event, states=STATES)

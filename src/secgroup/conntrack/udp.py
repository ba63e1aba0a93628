"""UDP: how many datagrams each side of a flow has sent, as far as it matters.

Everything that can change the state of a UDP flow is in the grid below. A flow is a stream from
the datagram that makes two seen in each direction (aws: more than one request-response).
"""

from enum import IntEnum
from typing import Final

from secgroup.conntrack.grid import machine_of
from secgroup.conntrack.state import State

STATES: Final = {
    "1_0": State.UDP_1_0,
    "2_0": State.UDP_2_0,
    "1_1": State.UDP_1_1,
    "2_1": State.UDP_2_1,
    "1_2": State.UDP_1_2,
    "STR": State.UDP_STREAM,
}


class Event(IntEnum):
    """Every datagram is the same to the machine."""

    DATAGRAM = 0


ORIGINAL: Final = """
           --  1_0  2_0  1_1  2_1  1_2  STR
 DATAGRAM 1_0  2_0  2_0  2_1  2_1  STR  STR
"""
# 1_2  The opener's second datagram, after two answers, makes the second pair.
REPLY: Final = """
           --  1_0  2_0  1_1  2_1  1_2  STR
 DATAGRAM  --  1_1  2_1  1_2  STR  1_2  STR
"""
# --   Never asked: the datagram that makes an entry is ORIGINAL.
# 1_2  Any number of answers to one datagram is one request-response.

#: (side, event, state before) -> state after; None is "no entry". Total.
TRANSITIONS: Final = machine_of(ORIGINAL, REPLY, events=Event, states=STATES)

"""The state machines of `conntrack` as arrays, for kernels to be given.

Owns the translation only: every cell comes from the grids, every timeout from `Timeouts`.
"""

from typing import Final, NamedTuple

import numpy as np

from secgroup.conntrack import icmp, other, tcp, udp
from secgroup.conntrack.state import State
from secgroup.conntrack.timeout import Timeouts
from secgroup.engine.layout import I8, ICMP_ERROR_TYPES, ICMP_KINDS, STATES, U1
from secgroup.net.packet import Tcp
from secgroup.net.protocol import TcpFlag

#: Events: TCP's own numbers, then one for each other kind of flow.
STRAY_EVENT: Final = int(tcp.Event.STRAY)
UDP_EVENT: Final = len(tcp.Event)
ICMP_EVENT: Final = UDP_EVENT + 1
OTHER_EVENT: Final = UDP_EVENT + 2
EVENTS: Final = UDP_EVENT + 3

#: Places in `Machine.events` behind those of TCP's flags.
OF_UDP: Final = 256
OF_ICMP: Final = 257
OF_OTHER: Final = 258


class Machine(NamedTuple):
    """What moves a flow, as read-only arrays.

    Attributes
    ----------
    transitions : uint8, shape (2 * EVENTS * STATES,)
        State after, by (side, event, state before); 0 is no entry, before and after.
    events : uint8, shape (512,)
        The event of a TCP segment by its flags, where a RST counts as exact; behind them those of
        UDP, ICMP and other protocols.
    handshake : uint8, shape (STATES,)
        1 where a SYN may still set where a side's sequence numbers begin.
    icmp_kinds, icmp_errors : uint8, shape (512,)
        `ICMP_KINDS` and `ICMP_ERROR_TYPES`, by 256 * (is IPv6) + type.

    """

    transitions: U1
    events: U1
    handshake: U1
    icmp_kinds: U1
    icmp_errors: U1


def _number(state: State | None) -> int:
    return 0 if state is None else int(state)


def _transitions() -> U1:
    table = np.zeros((2, EVENTS, STATES), dtype=np.uint8)
    # A state that no grid of the protocol knows stays: no packet finds such an entry.
    table[:] = np.arange(STATES, dtype=np.uint8)
    grids = ((0, tcp), (UDP_EVENT, udp), (ICMP_EVENT, icmp), (OTHER_EVENT, other))
    for first, module in grids:
        for (side, event, before), after in module.TRANSITIONS.items():
            table[side, first + event, _number(before)] = _number(after)
    return table.reshape(-1)


def _events() -> U1:
    segments = (
        Tcp(flags=TcpFlag(flags), sequence=0, acknowledgement=0, payload=0) for flags in range(256)
    )
    events = [tcp.event_of(each, at_next=True) for each in segments]
    found = np.full(512, OTHER_EVENT, dtype=np.uint8)
    found[: OF_UDP + 2] = [*events, UDP_EVENT, ICMP_EVENT]
    return found


def _handshake() -> U1:
    found = np.zeros(STATES, dtype=np.uint8)
    found[[int(state) for state in tcp.HANDSHAKE]] = 1
    return found


def timeouts_row(timeouts: Timeouts) -> I8:
    """Return the idle timeout in milliseconds of every state number; 0 for numbers without."""
    row = np.zeros(STATES, dtype=np.int64)
    for state in State:
        row[state] = timeouts.of_ms(state)
    return row


def _read_only(machine: Machine) -> Machine:
    for array in machine:
        array.flags.writeable = False
    return machine


MACHINE: Final = _read_only(
    Machine(
        transitions=_transitions(),
        events=_events(),
        handshake=_handshake(),
        icmp_kinds=ICMP_KINDS.reshape(-1),
        icmp_errors=ICMP_ERROR_TYPES.reshape(-1),
    )
)

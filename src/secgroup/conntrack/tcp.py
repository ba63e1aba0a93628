"""TCP: which segment moves a tracked connection where.

Two rules: everything that can change the state of a TCP connection is in the two grids below,
and this file knows no firewall rule, no time and no address. A segment of a tracked connection
is always accepted; the machine moves or stays, it never refuses.

Read first: RFC 9293 section 3.3.2; Linux net/netfilter/nf_conntrack_proto_tcp.c, whose states
these are. Where that file ignores a segment or calls it invalid, the state here stays.
"""

from enum import IntEnum
from typing import Final

from secgroup.conntrack.grid import machine_of
from secgroup.conntrack.state import State
from secgroup.net.packet import Tcp
from secgroup.net.protocol import TcpFlag

SYN_SENT: Final = State.SYN_SENT  # a SYN, nothing back
SYN_SENT2: Final = State.SYN_SENT2  # a SYN from both sides: simultaneous open
SYN_RECV: Final = State.SYN_RECV  # a SYN-ACK has answered
ESTABLISHED: Final = State.ESTABLISHED  # the ACK of the SYN-ACK has been seen
FIN_WAIT: Final = State.FIN_WAIT  # one side has sent FIN
CLOSE_WAIT: Final = State.CLOSE_WAIT  # that FIN has been acknowledged
LAST_ACK: Final = State.LAST_ACK  # a second FIN has been seen
TIME_WAIT: Final = State.TIME_WAIT  # the second FIN has been acknowledged: finished

STATES: Final = {
    "SS": SYN_SENT,
    "SR": SYN_RECV,
    "ES": ESTABLISHED,
    "FW": FIN_WAIT,
    "CW": CLOSE_WAIT,
    "LA": LAST_ACK,
    "TW": TIME_WAIT,
    "S2": SYN_SENT2,
}

#: The states in which a SYN may still set where a side's sequence numbers begin.
HANDSHAKE: Final = frozenset({SYN_SENT, SYN_SENT2, SYN_RECV})


class Event(IntEnum):
    """What a segment is to the machine, told by its flags and, for a RST, its sequence number."""

    SYN = 0  # SYN without ACK and FIN
    SYNACK = 1  # SYN with ACK, without FIN
    FIN = 2  # FIN without SYN
    ACK = 3  # ACK without SYN and FIN
    RST = 4  # RST exactly where the connection stands
    STRAY = 5  # RST anywhere else in sequence space
    ODD = 6  # SYN with FIN, or none of these flags


ORIGINAL: Final = """
         --  SS  SR  ES  FW  CW  LA  TW  S2
 SYN     SS  SS  SR  ES  FW  CW  LA  SS  S2
 SYNACK  --  SS  SR  ES  FW  CW  LA  TW  SR
 FIN     --  SS  FW  FW  LA  LA  LA  TW  S2
 ACK     ES  SS  ES  ES  CW  CW  TW  TW  S2
 RST     --  --  --  --  --  --  --  --  --
 STRAY   --  SS  SR  ES  FW  CW  LA  TW  S2
 ODD     --  SS  SR  ES  FW  CW  LA  TW  S2
"""
# SYN     ES: a client that lost its memory; the server's challenge ACK sorts it out (RFC 5961 4).
#         TW: a new connection (RFC 9293 3.6.1); the rules judge it as if there were no entry.
# SYNACK  S2: the opener's answer in a simultaneous open. Elsewhere an opener sends none: stays.
# FIN     SS, S2: no FIN before the handshake has been answered: stays.
#         FW: a FIN of both sides, or the first one again; an ACK will tell. TW: retransmitted.
# ACK     --: mid-stream; only asked with loose_tcp, which picks up as netfilter does.
#         SS, S2: an ACK of nothing: stays. FW: of the FIN. LA: of the last FIN.
# RST     The entry goes at once; what comes later is judged by the rules.
# STRAY   Somebody off the path may have sent it: it passes to the host, which will judge it.
REPLY: Final = """
         --  SS  SR  ES  FW  CW  LA  TW  S2
 SYN     --  S2  SR  ES  FW  CW  LA  SS  S2
 SYNACK  --  SR  SR  ES  FW  CW  LA  TW  SR
 FIN     --  SS  FW  FW  LA  LA  LA  TW  S2
 ACK     --  SS  SR  ES  CW  CW  TW  TW  S2
 RST     --  --  --  --  --  --  --  --  --
 STRAY   --  SS  SR  ES  FW  CW  LA  TW  S2
 ODD     --  SS  SR  ES  FW  CW  LA  TW  S2
"""
# --      Never asked: the packet that makes an entry is ORIGINAL.
# SYN     SS: simultaneous open (RFC 9293 figure 7). SR, ES: a server sends none: stays.
#         TW: a new connection, opened by the other side; the rules judge it in its direction.
# SYNACK  SR, ES: retransmitted, its ACK was lost.
# ACK     SS: a challenge ACK of an older connection (RFC 5961): stays. SR: data before the
#         handshake's last ACK: only the opener's ACK establishes.

#: (side, event, state before) -> state after; None is "no entry". Total.
TRANSITIONS: Final = machine_of(ORIGINAL, REPLY, events=Event, states=STATES)


# Plain numbers, as in `net.packet`.
_FIN: Final = TcpFlag.FIN.value
_SYN: Final = TcpFlag.SYN.value
_RST: Final = TcpFlag.RST.value
_ACK: Final = TcpFlag.ACK.value


def event_of(segment: Tcp, *, at_next: bool) -> Event:
    """Tell what `segment` is to the machine.

    Parameters
    ----------
    segment : Tcp
        Any combination of flags.
    at_next : bool
        For a RST: it stands exactly where the connection does (`flow.reset_is_exact`).

    """
    flags = segment.flags.value
    if flags & _RST:
        return Event.RST if at_next else Event.STRAY
    if flags & _SYN and flags & _FIN:
        return Event.ODD
    if flags & _SYN:
        return Event.SYNACK if flags & _ACK else Event.SYN
    if flags & _FIN:
        return Event.FIN
    return Event.ACK if flags & _ACK else Event.ODD

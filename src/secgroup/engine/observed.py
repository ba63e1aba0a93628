"""The layout of the connections of a capture, of what let them pass, and of what is counted.

Owns arrays, places and bits; `kernels.connections` fills them, `connections` owns their sizes.
"""

from typing import Final, NamedTuple

from secgroup.engine.columns import I4, I8, U8

#: Words of a connection, in `Observed.records`: two cache lines. First its name: two ends
#: (address hi, lo each), the lower one first unless ICMP gives them an order; PORTS: ports of both
#: ends 0-31, protocol 32-39 and the below; SCOPE: scope + 1 (high 32 bits), and of ICMP the type
#: 16-23 and code or identifier 0-15. Then MARKS: bits below, and of the first packet TCP flags
#: 8-15, ICMP type 16-23 and code 24-31, sequence number 32-63. Then numbers.
A_HI: Final = 0
A_LO: Final = 1
B_HI: Final = 2
B_LO: Final = 3
PORTS: Final = 4
SCOPE: Final = 5
MARKS: Final = 6
#: Row in `legs` of the first leg; -1 is none.
LEGS: Final = 7
LAST_NS: Final = 8
ACCEPTED: Final = 9
OCTETS: Final = 10
LATE: Final = 11
AFTER: Final = 12
AFTER_ACCEPTED: Final = 13
#: Row in `refusals`, in `legs` of the first adopted one; -1 is none.
REFUSAL: Final = 14
ADOPTED: Final = 15
CONNECTION_WORDS: Final = 16

#: Words of its birth: time and number of the first frame.
FIRST_NS: Final = 0
FIRST_FRAME: Final = 1
BIRTH_WORDS: Final = 2

#: Bits of PORTS.
IPV6_BIT: Final = 40
PORTS_BIT: Final = 41
ICMP_BIT: Final = 42

#: Bits of MARKS.
WAS_OPEN: Final = 1
HAS_ENDING: Final = 2
IS_OVER: Final = 4
FIN_OF_A: Final = 8
FIN_OF_B: Final = 16
FIRST_IS_TCP: Final = 32
FIRST_FROM_B: Final = 64
#: A packet of the other side than the first one's was accepted, before any refusal.
ANSWERED: Final = 128

#: Words of a leg, one cache line: its PLACE: interface 0-31, direction of its first packet 32,
#: reason of the last one 40-47; numbers of the rule sets that admitted the opener of its entry,
#: and that last let packets without one pass, ingress and egress; time of the last packet,
#: packets; first of the `credits` plus one (0) and, from bit 32, the rule set that was credited
#: last; next leg (-1).
LEG_PLACE: Final = 0
LEG_OPENED: Final = 1
LEG_JUDGED: Final = 2
LEG_PASSED_MS: Final = 4
LEG_PACKETS: Final = 5
LEG_CREDITS: Final = 6
LEG_NEXT: Final = 7
LEG_WORDS: Final = 8

#: Words of what names a packet's connection, before it is looked for: its ends in order, PORTS,
#: SCOPE, MARKS, hash.
TAG: Final = 7
NAME_WORDS: Final = 8

#: Words of a refusal: the packet that was rejected, where and why. PACKET has its place among
#: those ends: bit 0 from B, bit 1 ports known, bit 2 ICMP, type 8-15, code 16-23; bit 3 says that
#: what opened the connection is refused here though another interface let it pass.
REFUSED_FRAME: Final = 0
REFUSED_NS: Final = 1
REFUSED_INTERFACE: Final = 2
REFUSED_DIRECTION: Final = 3
REFUSED_REASON: Final = 4
REFUSED_RULES: Final = 5
REFUSED_ACL_RULE: Final = 6
REFUSED_BEFORE: Final = 7
REFUSED_AFTER: Final = 8
REFUSED_PACKET: Final = 9
REFUSED_POLICY: Final = 10
REFUSED_ACL: Final = 11
REFUSAL_WORDS: Final = 12

#: That bit of REFUSED_PACKET.
OPENER_REFUSED: Final = 8

#: Words of a remembered first fragment: addresses, then what else names it, then the time and
#: what names its connection, NAME_WORDS from FIRST_WHAT on.
FIRST_NAME: Final = 4
FIRST_ID: Final = 5
FIRST_MS: Final = 6
FIRST_WHAT: Final = 7
FIRST_WORDS: Final = 15

#: Places of `Observed.state`.
CONNECTIONS: Final = 0
LEGS_USED: Final = 1
REFUSALS: Final = 2
FIRSTS: Final = 3
ENTRIES: Final = 4
CLOCK_MS: Final = 5
NUMBERED_MS: Final = 6  # the clock of what has been numbered, which may be ahead
CREDITS_USED: Final = 7
STOP: Final = 8
STATE_SIZE: Final = 9

#: Why a kernel stopped before the end.
DONE: Final = 0
NO_ROOM: Final = 1
NO_ROOM_FOR_FIRSTS: Final = 2
NO_ROOM_FOR_LEGS: Final = 3
NO_ROOM_FOR_REFUSALS: Final = 4
NO_ROOM_FOR_ENTRIES: Final = 5
NO_ROOM_FOR_CREDITS: Final = 6
TO_ADOPT: Final = 7

#: Columns of an interface's counts: packets by direction and verdict (direction * 2 + accepted),
#: bytes likewise, connections.
COUNT_PACKETS: Final = 0
COUNT_OCTETS: Final = 4
COUNT_CONNECTIONS: Final = 8
COUNT_WORDS: Final = 9


class Observed(NamedTuple):
    """The connections so far.

    Attributes
    ----------
    state : int64, shape (STATE_SIZE,)
    slots : uint64, shape (a power of two,)
        0, or 32 bits of hash (high) and the number of the latest connection of that name.
    records : int64, shape (connections * CONNECTION_WORDS,)
        Connection n is the one before place n.
    births : int64, shape (connections, BIRTH_WORDS)
    legs : int64, shape (legs * LEG_WORDS,)
    credits : int32, shape (credits, 2)
        The rule sets that a leg has been counted for, and the next one's place (-1).
    refusals : int64, shape (refusals, REFUSAL_WORDS)
    firsts : int64, shape (a power of two, FIRST_WORDS)
        Remembered first fragments.
    secret : uint64, shape (SECRET_SIZE,)

    """

    state: I8
    slots: U8
    records: I8
    births: I8
    legs: I8
    credits: I4
    refusals: I8
    firsts: I8
    secret: U8


class Counted(NamedTuple):
    """What is counted besides.

    Attributes
    ----------
    reasons : int64, shape (2, 32)
        Decisions by verdict (1 is ACCEPT) and reason.
    interfaces : int64, shape (interfaces, COUNT_WORDS)
    rules : int64, shape (rule sets, 2)
        Packets that passed by a rule set, and connections.
    entries : int64, shape (a power of two, 2)
        Hash of the entries of network ACLs: (acl << 1 | direction) << 17 | rule number, plus
        one (0: nothing here), and packets.

    """

    reasons: I8
    interfaces: I8
    rules: I8
    entries: I8

"""The states of a tracked flow, of every protocol: one numbered list, as the record stores it."""

from enum import IntEnum, unique


@unique
class State(IntEnum):
    """What has been seen of a flow. Numbers are never reused.

    TCP has netfilter's states (net/netfilter/nf_conntrack_proto_tcp.c). UDP_m_n has seen m
    datagrams of the opener's side and n of the other, 2 standing for two or more.
    """

    SYN_SENT = 1
    SYN_RECV = 2
    ESTABLISHED = 3
    FIN_WAIT = 4
    CLOSE_WAIT = 5
    LAST_ACK = 6
    TIME_WAIT = 7
    SYN_SENT2 = 8
    UDP_1_0 = 16
    UDP_2_0 = 17
    UDP_1_1 = 18
    UDP_2_1 = 19
    UDP_1_2 = 20
    UDP_STREAM = 21
    ICMP_UNREPLIED = 32
    ICMP_REPLIED = 33
    OTHER_UNREPLIED = 48
    OTHER_REPLIED = 49

"""What every cell of every grid must be, written from the prose and not from the grids.

Each line: the side, the event, the states before, the state after, and the sentence that says so.
`same` stands for "the machine stays". Sources: RFC 9293, RFC 5961, the comments of Linux
net/netfilter/nf_conntrack_proto_tcp.c, and the assumptions A7 to A9 of docs/semantics.md.
"""

SAME = "same"
NONE = "none"

ALL = "SYN_SENT SYN_RECV ESTABLISHED FIN_WAIT CLOSE_WAIT LAST_ACK TIME_WAIT SYN_SENT2"
SYNCHRONIZED = "SYN_RECV ESTABLISHED FIN_WAIT CLOSE_WAIT LAST_ACK"

TCP = [
    # Only a bare SYN opens; with loose_tcp an ACK in mid-stream is picked up as established.
    ("ORIGINAL", "SYN", NONE, "SYN_SENT", "a bare SYN opens a connection"),
    ("ORIGINAL", "ACK", NONE, "ESTABLISHED", "netfilter picks up a connection in mid-stream"),
    ("ORIGINAL", "SYNACK", NONE, NONE, "a SYN-ACK answers and opens nothing"),
    ("ORIGINAL", "FIN", NONE, NONE, "a FIN opens nothing"),
    ("ORIGINAL", "RST", NONE, NONE, "a reset opens nothing"),
    ("ORIGINAL", "STRAY", NONE, NONE, "a reset opens nothing"),
    ("ORIGINAL", "ODD", NONE, NONE, "a segment of impossible flags opens nothing"),
    *(
        ("REPLY", event, NONE, NONE, "the packet that makes an entry is ORIGINAL")
        for event in ["SYN", "SYNACK", "FIN", "ACK", "RST", "STRAY", "ODD"]
    ),
    # The handshake.
    ("ORIGINAL", "SYN", "SYN_SENT", SAME, "the SYN is retransmitted"),
    ("REPLY", "SYNACK", "SYN_SENT", "SYN_RECV", "the SYN is answered"),
    ("REPLY", "SYNACK", "SYN_RECV", SAME, "the answer is retransmitted"),
    ("ORIGINAL", "ACK", "SYN_RECV", "ESTABLISHED", "the third segment of the handshake"),
    ("REPLY", "ACK", "SYN_RECV", SAME, "only the opener's ACK establishes"),
    ("ORIGINAL", "ACK", "SYN_SENT", SAME, "an ACK of nothing"),
    ("REPLY", "ACK", "SYN_SENT", SAME, "a challenge ACK of an older connection"),
    # Simultaneous open, RFC 9293 figure 7.
    ("REPLY", "SYN", "SYN_SENT", "SYN_SENT2", "a SYN from both sides"),
    ("ORIGINAL", "SYN", "SYN_SENT2", SAME, "a SYN is retransmitted"),
    ("REPLY", "SYN", "SYN_SENT2", SAME, "a SYN is retransmitted"),
    ("ORIGINAL", "SYNACK", "SYN_SENT2", "SYN_RECV", "one side answers the other's SYN"),
    ("REPLY", "SYNACK", "SYN_SENT2", "SYN_RECV", "one side answers the other's SYN"),
    ("ORIGINAL", "ACK", "SYN_SENT2", SAME, "an ACK before either SYN-ACK"),
    ("REPLY", "ACK", "SYN_SENT2", SAME, "an ACK before either SYN-ACK"),
    # A SYN inside a connection moves nothing: the host sends a challenge ACK (RFC 5961 4).
    ("ORIGINAL", "SYN", SYNCHRONIZED, SAME, "a SYN within a connection"),
    ("REPLY", "SYN", SYNCHRONIZED, SAME, "a SYN within a connection"),
    ("ORIGINAL", "SYNACK", "SYN_SENT", SAME, "an opener sends no SYN-ACK"),
    ("ORIGINAL", "SYNACK", SYNCHRONIZED, SAME, "an opener sends no SYN-ACK"),
    ("REPLY", "SYNACK", "ESTABLISHED FIN_WAIT CLOSE_WAIT LAST_ACK", SAME, "a late SYN-ACK"),
    # A finished connection, and a new one in its place (RFC 9293 3.6.1).
    ("ORIGINAL", "SYN", "TIME_WAIT", "SYN_SENT", "a new connection"),
    ("REPLY", "SYN", "TIME_WAIT", "SYN_SENT", "a new connection the other way"),
    ("ORIGINAL", "SYNACK", "TIME_WAIT", SAME, "an opener sends no SYN-ACK"),
    ("REPLY", "SYNACK", "TIME_WAIT", SAME, "a late SYN-ACK"),
    # Data and its ACKs.
    ("ORIGINAL", "ACK", "ESTABLISHED", SAME, "data"),
    ("REPLY", "ACK", "ESTABLISHED", SAME, "data"),
    # The close.
    *(
        line
        for side in ("ORIGINAL", "REPLY")
        for line in (
            (side, "FIN", "SYN_SENT", SAME, "no FIN before the SYN is answered"),
            (side, "FIN", "SYN_SENT2", SAME, "no FIN before a SYN is answered"),
            (side, "FIN", "SYN_RECV", "FIN_WAIT", "the first FIN, before the handshake's ACK"),
            (side, "FIN", "ESTABLISHED", "FIN_WAIT", "the first FIN"),
            (side, "FIN", "FIN_WAIT", "LAST_ACK", "the second FIN, the first unacknowledged"),
            (side, "FIN", "CLOSE_WAIT", "LAST_ACK", "the second FIN"),
            (side, "FIN", "LAST_ACK", SAME, "the second FIN is retransmitted"),
            (side, "FIN", "TIME_WAIT", SAME, "a FIN is retransmitted"),
            (side, "ACK", "FIN_WAIT", "CLOSE_WAIT", "the first FIN is acknowledged"),
            (side, "ACK", "CLOSE_WAIT", SAME, "data of the side that is still open"),
            (side, "ACK", "LAST_ACK", "TIME_WAIT", "the second FIN is acknowledged"),
            (side, "ACK", "TIME_WAIT", SAME, "the last ACK is retransmitted"),
            (side, "RST", ALL, NONE, "a reset in its place ends the connection at once"),
            (side, "STRAY", ALL, SAME, "a reset elsewhere in sequence space cuts nothing"),
            (side, "ODD", ALL, SAME, "impossible flags move nothing"),
        )
    ),
]

UDP = [
    ("ORIGINAL", "DATAGRAM", NONE, "UDP_1_0", "the first datagram opens the flow"),
    ("REPLY", "DATAGRAM", NONE, NONE, "the packet that makes an entry is ORIGINAL"),
    ("ORIGINAL", "DATAGRAM", "UDP_1_0", "UDP_2_0", "two asked, none answered"),
    ("ORIGINAL", "DATAGRAM", "UDP_2_0", SAME, "two stands for two or more"),
    ("ORIGINAL", "DATAGRAM", "UDP_1_1", "UDP_2_1", "two asked, one answered"),
    ("ORIGINAL", "DATAGRAM", "UDP_2_1", SAME, "two stands for two or more"),
    ("ORIGINAL", "DATAGRAM", "UDP_1_2", "UDP_STREAM", "two seen in each direction"),
    ("ORIGINAL", "DATAGRAM", "UDP_STREAM", SAME, "a stream stays one"),
    ("REPLY", "DATAGRAM", "UDP_1_0", "UDP_1_1", "one asked, one answered"),
    ("REPLY", "DATAGRAM", "UDP_2_0", "UDP_2_1", "two asked, one answered"),
    ("REPLY", "DATAGRAM", "UDP_1_1", "UDP_1_2", "one asked, two answered"),
    ("REPLY", "DATAGRAM", "UDP_2_1", "UDP_STREAM", "two seen in each direction"),
    ("REPLY", "DATAGRAM", "UDP_1_2", SAME, "two stands for two or more"),
    ("REPLY", "DATAGRAM", "UDP_STREAM", SAME, "a stream stays one"),
]


def two_states(event: str, unreplied: str, replied: str) -> list[tuple[str, str, str, str, str]]:
    return [
        ("ORIGINAL", event, NONE, unreplied, "the first packet opens the flow"),
        ("ORIGINAL", event, unreplied, SAME, "asked again"),
        ("ORIGINAL", event, replied, SAME, "once answered, a flow stays so"),
        ("REPLY", event, NONE, NONE, "the packet that makes an entry is ORIGINAL"),
        ("REPLY", event, unreplied, replied, "answered"),
        ("REPLY", event, replied, SAME, "answered again"),
    ]


ICMP = two_states("MESSAGE", "ICMP_UNREPLIED", "ICMP_REPLIED")
OTHER = two_states("PACKET", "OTHER_UNREPLIED", "OTHER_REPLIED")

#: machine -> one tuple (side, event, before, after, sentence) for each cell.
CELLS = {
    machine: [
        (side, event, before, before if after == SAME else after, sentence)
        for side, event, states, after, sentence in lines
        for before in states.split()
    ]
    for machine, lines in (("tcp", TCP), ("udp", UDP), ("icmp", ICMP), ("other", OTHER))
}

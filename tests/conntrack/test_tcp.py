import pytest

from secgroup.conntrack.tcp import Event, event_of
from secgroup.net.packet import Tcp
from secgroup.net.protocol import TcpFlag

F, S, R, P, A, U = (TcpFlag[name] for name in ("FIN", "SYN", "RST", "PSH", "ACK", "URG"))


@pytest.mark.parametrize(
    ("flags", "event"),
    [
        (S, Event.SYN),
        (S | P | U, Event.SYN),
        (S | TcpFlag.ECE | TcpFlag.CWR, Event.SYN),
        (S | A, Event.SYNACK),
        (S | A | P, Event.SYNACK),
        (F, Event.FIN),
        (F | A, Event.FIN),
        (A, Event.ACK),
        (A | P, Event.ACK),
        (S | F, Event.ODD),
        (S | F | A, Event.ODD),
        (TcpFlag(0), Event.ODD),
        (P | U, Event.ODD),
    ],
)
def test_flags_name_the_event(flags, event):
    segment = Tcp(flags=flags, sequence=1, acknowledgement=0, payload=0)
    assert event_of(segment, at_next=False) is event
    assert event_of(segment, at_next=True) is event


@pytest.mark.parametrize("others", [TcpFlag(0), A, S, F, S | F | A])
def test_reset_is_exact_or_stray_whatever_else_is_set(others):
    segment = Tcp(flags=R | others, sequence=1, acknowledgement=0, payload=0)
    assert event_of(segment, at_next=True) is Event.RST
    assert event_of(segment, at_next=False) is Event.STRAY


@pytest.mark.parametrize(
    ("flags", "payload", "sequence", "end"),
    [
        (A, 0, 10, 10),
        (A, 5, 10, 15),
        (S, 0, 10, 11),
        (F | A, 3, 10, 14),
        (S | F, 0, 10, 12),
        (S, 0, 2**32 - 1, 0),
        (A, 10, 2**32 - 4, 6),
    ],
)
def test_sequence_end_counts_syn_and_fin_and_wraps(flags, payload, sequence, end):
    segment = Tcp(flags=flags, sequence=sequence, acknowledgement=0, payload=payload)
    assert segment.sequence_end == end

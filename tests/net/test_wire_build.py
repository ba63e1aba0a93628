"""What can be constructed can be emitted, and is parsed back equal."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secgroup.errors import InputError
from secgroup.net.address import parse_address
from secgroup.net.packet import Fragment, Icmp, Packet, Tcp
from secgroup.net.protocol import ICMP_ANSWERS, ICMP_ERRORS, ICMP_QUERIES, TcpFlag
from secgroup.net.wire import build, parse

ports = st.integers(0, 0xFFFF)
words = st.integers(0, 0xFFFFFFFF)


@st.composite
def packets(draw: st.DrawFn, *, quoted: bool = False) -> Packet:
    """Make any packet that a whole, canonical sequence of bytes stands for."""
    family = draw(st.sampled_from((4, 6)))
    address = st.ip_addresses(v=family)
    icmp_protocol = 1 if family == 4 else 58
    protocol = draw(st.sampled_from((6, 17, icmp_protocol, 1, 58, 47, 50, 59)))
    header = 20 if family == 4 else 40
    fragment = None
    kind = draw(
        st.sampled_from(("whole", "whole", "first") if quoted else ("whole", "first", "later"))
    )
    if kind != "whole":
        first_protocol = protocol
        if family == 6 and kind == "first" and draw(st.booleans()):
            first_protocol = draw(st.sampled_from((0, 43, 44, 60, 135)))
            header += 8
        header += 8 if family == 6 else 0
        offset = 0 if kind == "first" else 8 * draw(st.integers(3, 8191))
        fragment = Fragment(
            identification=draw(ports if family == 4 else words),
            offset=offset,
            more=kind == "first" or draw(st.booleans()),
            protocol=first_protocol,
        )
    source_port = destination_port = tcp_header = icmp_header = None
    payload = draw(st.integers(0, 3000) | st.sampled_from((0, 65_535, 100_000)))
    if kind == "later":
        pass
    elif protocol == 6:
        source_port, destination_port = draw(ports), draw(ports)
        header += 4 * draw(st.integers(5, 15))
        if kind == "whole" and draw(st.booleans()):
            header += 8 * draw(st.integers(0, 5))
        tcp_header = Tcp(
            flags=TcpFlag(draw(st.integers(0, 255))),
            sequence=draw(words),
            acknowledgement=draw(words),
            payload=payload,
        )
    elif protocol == 17:
        source_port, destination_port = draw(ports), draw(ports)
        header += 8
    elif protocol == icmp_protocol:
        icmp_type = draw(st.integers(0, 255) | st.sampled_from((0, 3, 8, 11, 1, 2, 128, 129)))
        with_identifier = (family, icmp_type) in ICMP_QUERIES or (family, icmp_type) in ICMP_ANSWERS
        quote = None
        header += 8
        if not quoted and (family, icmp_type) in ICMP_ERRORS:
            quote = draw(st.none() | packets(quoted=True).filter(lambda p: p.family == family))
            if quote is not None:
                payload = max(payload, quote.length)
        icmp_header = Icmp(
            type=icmp_type,
            code=draw(st.integers(0, 255)),
            identifier=draw(ports) if with_identifier else None,
            quote=quote,
        )
    return Packet(
        source=draw(address),
        destination=draw(address),
        protocol=protocol,
        length=header + payload,
        hop_limit=draw(st.integers(0, 255)),
        source_port=source_port,
        destination_port=destination_port,
        tcp=tcp_header,
        icmp=icmp_header,
        fragment=fragment,
    )


@given(packets())
def test_what_is_built_is_parsed_back_equal(made: Packet) -> None:
    data = build(made)
    assert len(data) == made.length
    assert parse(data) == made


@pytest.mark.parametrize(
    "changes",
    [
        {"length": 39},
        {"tcp": None},
        {"source_port": 65_536},
        {"hop_limit": 256},
        {"fragment": Fragment(identification=1, offset=4, more=False, protocol=6)},
        {"fragment": Fragment(identification=1, offset=0, more=False, protocol=6)},
        {"destination": parse_address("::1")},
        {"icmp": Icmp(type=8, code=0, identifier=1)},
    ],
)
def test_what_no_bytes_say_is_refused(changes: dict[str, object]) -> None:
    fields = {
        "source": parse_address("10.0.0.1"),
        "destination": parse_address("10.0.0.2"),
        "protocol": 6,
        "length": 40,
        "source_port": 1,
        "destination_port": 2,
        "tcp": Tcp(flags=TcpFlag.SYN, sequence=0, acknowledgement=0, payload=0),
    }
    assert len(build(Packet(**fields))) == 40  # type: ignore[arg-type]
    with pytest.raises(InputError, match="a packet that"):
        build(Packet(**(fields | changes)))  # type: ignore[arg-type]

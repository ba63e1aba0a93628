"""Wireshark reads a capture of real programs; `wire` must read the fields that it reads."""

import subprocess
from pathlib import Path

import pytest

from secgroup.net.capture import Frame, read_capture
from secgroup.net.packet import Icmp, Packet

CAPTURE = Path(__file__).parents[2] / "examples" / "three-tier" / "traffic.pcapng.gz"

FIELDS = (
    "frame.number",
    "frame.time_epoch",
    "frame.len",
    "frame.interface_id",
    "frame.interface_name",
    "ip.src",
    "ip.dst",
    "ip.proto",
    "ip.len",
    "ip.ttl",
    "ip.frag_offset",
    "ip.flags.mf",
    "ipv6.src",
    "ipv6.dst",
    "ipv6.plen",
    "ipv6.hlim",
    "ipv6.fraghdr.offset",
    "ipv6.fraghdr.more",
    "tcp.srcport",
    "tcp.dstport",
    "tcp.seq_raw",
    "tcp.ack_raw",
    "tcp.flags",
    "tcp.len",
    "udp.srcport",
    "udp.dstport",
    "icmp.type",
    "icmp.code",
    "icmp.ident",
    "icmpv6.type",
    "icmpv6.code",
    "icmpv6.echo.identifier",
)

#: Newer versions write words.
_BOOLEANS = {"False": "0", "True": "1"}


def wireshark() -> list[dict[str, str]]:
    """Return the fields of each frame that are there, of its outermost header."""
    options = ("-o", "ip.defragment:false", "-o", "ipv6.defragment:false", "-E", "occurrence=f")
    wanted = [word for field in FIELDS for word in ("-e", field)]
    run = subprocess.run(
        ["tshark", "-n", "-r", str(CAPTURE), *options, "-T", "fields", *wanted],
        check=True,
        capture_output=True,
        text=True,
    )
    return [
        {
            field: _BOOLEANS.get(value, value)
            for field, value in zip(FIELDS, line.split("\t"), strict=True)
            if value
        }
        for line in run.stdout.splitlines()
    ]


def fields_of(frame: Frame) -> dict[str, str]:
    """Write a frame as Wireshark would."""
    fields: dict[str, object] = {
        "frame.number": frame.number,
        "frame.time_epoch": f"{frame.time_ns // 10**9}.{frame.time_ns % 10**9:09}",
        "frame.len": frame.original_length,
        "frame.interface_id": frame.interface,
    }
    if frame.interface_name is not None:
        fields["frame.interface_name"] = frame.interface_name
    packet = frame.datagram
    if isinstance(packet, Packet):
        fields |= ipv4_of(packet) if packet.family == 4 else ipv6_of(packet)
        if packet.tcp is not None:
            fields |= {
                "tcp.srcport": packet.source_port,
                "tcp.dstport": packet.destination_port,
                "tcp.seq_raw": packet.tcp.sequence,
                "tcp.ack_raw": packet.tcp.acknowledgement,
                "tcp.flags": f"0x{int(packet.tcp.flags):04x}",
                "tcp.len": packet.tcp.payload,
            }
        elif packet.source_port is not None:
            fields |= {"udp.srcport": packet.source_port, "udp.dstport": packet.destination_port}
        if packet.icmp is not None:
            fields |= icmp_of(packet.icmp, packet.family)
    return {
        field: str(int(value) if isinstance(value, bool) else value)
        for field, value in fields.items()
    }


def ipv4_of(packet: Packet) -> dict[str, object]:
    fragment = packet.fragment
    return {
        "ip.src": packet.source,
        "ip.dst": packet.destination,
        "ip.proto": packet.protocol,
        "ip.len": packet.length,
        "ip.ttl": packet.hop_limit,
        "ip.frag_offset": 0 if fragment is None else fragment.offset // 8,
        "ip.flags.mf": fragment is not None and fragment.more,
    }


def ipv6_of(packet: Packet) -> dict[str, object]:
    fields: dict[str, object] = {
        "ipv6.src": packet.source,
        "ipv6.dst": packet.destination,
        "ipv6.plen": packet.length - 40,
        "ipv6.hlim": packet.hop_limit,
    }
    if packet.fragment is not None:
        fields["ipv6.fraghdr.offset"] = packet.fragment.offset // 8
        fields["ipv6.fraghdr.more"] = packet.fragment.more
    return fields


def icmp_of(icmp: Icmp, family: int) -> dict[str, object]:
    name = "icmp" if family == 4 else "icmpv6"
    fields: dict[str, object] = {f"{name}.type": icmp.type, f"{name}.code": icmp.code}
    if icmp.identifier is not None:
        place = "icmp.ident" if family == 4 else "icmpv6.echo.identifier"
        fields[place] = icmp.identifier if family == 4 else f"0x{icmp.identifier:04x}"
    if icmp.quote is not None and icmp.quote.tcp is not None:
        fields |= {
            "tcp.srcport": icmp.quote.source_port,
            "tcp.dstport": icmp.quote.destination_port,
        }
    elif icmp.quote is not None and icmp.quote.source_port is not None:
        fields |= {
            "udp.srcport": icmp.quote.source_port,
            "udp.dstport": icmp.quote.destination_port,
        }
    return fields


@pytest.mark.needs("tshark")
def test_real_traffic_parses_to_the_fields_that_wireshark_reads() -> None:
    frames = list(read_capture(CAPTURE))
    assert len(frames) > 0
    for frame, shown in zip(frames, wireshark(), strict=True):
        read = fields_of(frame)
        quoting = isinstance(frame.datagram, Packet) and frame.datagram.is_icmp_error
        if quoting:  # of what is quoted, only the ports
            shown = {field: shown[field] for field in shown if field in read}
        assert read == shown

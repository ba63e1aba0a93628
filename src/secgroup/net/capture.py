"""Captures: the frames of a pcap or pcapng file, plain or gzip, each with what it carries.

Owns what the format of a file is, and how a record becomes a Frame; `pcap` and `pcapng` own
the formats, `link` and `wire` the bytes. Files are read forward only, in bounded memory.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

from secgroup.errors import InputError
from secgroup.net.direction import Direction
from secgroup.net.link import Link, decapsulate, link_parser
from secgroup.net.packet import Datagram
from secgroup.net.pcap import MAGICS, MODIFIED_MAGICS, read_pcap
from secgroup.net.pcapng import SECTION_HEADER, PcapngWriter, read_pcapng
from secgroup.net.record import CaptureInterface, Record
from secgroup.net.stream import ByteStream
from secgroup.net.wire import parse


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """One frame of a capture.

    Parameters
    ----------
    number : int
        From 1, as Wireshark counts: frames that are not IP count too.
    time_ns : int
        Nanoseconds since 1970-01-01 UTC.
    interface : int
        Which capture interface: its index in the file, from 0 and through all sections; in
        Linux cooked version 2 the interface index on the host.
    interface_name : str or None
        As the file names it.
    original_length : int
        Bytes of the frame before the capture cut it.
    captured : bytes
        The bytes that were kept.
    link : Link
        What stands under IP; of the inner frame when it was taken out of VXLAN.
    datagram : Packet, Malformed or None
        None when the frame is not IP, or is cut before that can be told (`link.problem`).
    direction : Direction or None
        As the capturing interface saw it, by the flags of the file, else by the link.

    """

    number: int
    time_ns: int
    interface: int
    interface_name: str | None
    original_length: int
    captured: bytes
    link: Link
    datagram: Datagram | None
    direction: Direction | None


def read_records(stream: BinaryIO, *, source: str) -> Iterator[CaptureInterface | Record]:
    """Read the interfaces and frames of a capture of any format, in file order.

    Raises
    ------
    InputError
        The stream is empty or no capture.
    CaptureError
        The capture is cut or damaged; everything before that has been yielded.

    """
    data = ByteStream(stream, source)
    yield from read_pcapng(data) if is_pcapng(data) else read_pcap(data)


def is_pcapng(data: ByteStream) -> bool:
    """Tell pcapng from pcap by its first bytes, and leave them.

    Raises
    ------
    InputError
        The stream is empty or no capture.
    CaptureError
        It is damaged before it tells.

    """
    magic = data.peek(4)
    expected = "expected a pcap or pcapng capture, plain or gzip"
    if magic in MAGICS:
        return False
    if magic == SECTION_HEADER.to_bytes(4):
        return True
    if magic in MODIFIED_MAGICS:
        raise InputError(
            "a pcap file in the 'modified' format is not read (editcap -F pcap converts it)",
            source=data.source,
        )
    if not magic:
        data.check_end()
        raise InputError(f"is empty ({expected})", source=data.source)
    raise InputError(f"is no capture: it begins with {magic!r} ({expected})", source=data.source)


def read(stream: BinaryIO, *, source: str) -> Iterator[Frame]:
    """Read the frames of a capture.

    Parameters
    ----------
    stream : BinaryIO
        Read forward only; not closed.
    source : str
        What errors call it.

    Raises
    ------
    InputError
        The stream is empty or no capture, or a frame has a link type that is not read.
    CaptureError
        The capture is cut or damaged; everything before that has been yielded.

    """
    number = 0
    parsers: dict[int, Callable[[bytes], Link]] = {}
    for record in read_records(stream, source=source):
        if isinstance(record, CaptureInterface):
            continue
        number += 1
        link_type = record.interface.link_type
        parser = parsers.get(link_type)
        if parser is None:
            parser = parsers[link_type] = link_parser(link_type, source=source)
        yield _frame(number, record, parser(record.captured))


def _frame(number: int, record: Record, link: Link) -> Frame:
    return Frame(
        number=number,
        time_ns=record.time_ns,
        interface=record.interface.index if link.interface is None else link.interface,
        interface_name=record.interface.name,
        original_length=record.original_length,
        captured=record.captured,
        link=link,
        datagram=_datagram(link, record.original_length),
        direction=link.direction if record.direction is None else record.direction,
    )


def _datagram(link: Link, original_length: int) -> Datagram | None:
    if link.ip is None:
        return None
    return parse(link.ip, original_length=original_length - link.header_length)


def read_capture(
    path: str | Path | BinaryIO, *, decapsulate: bool = False, source: str | None = None
) -> Iterator[Frame]:
    """Read the frames of a capture file: pcap or pcapng, plain or gzip.

    Parameters
    ----------
    path : str, Path or BinaryIO
        A file, or an open binary stream such as `sys.stdin.buffer`, which is not closed.
    decapsulate : bool
        Take the inner frames out of VXLAN (VPC Traffic Mirroring); others stay as they are.
    source : str, optional
        What errors call it; absent: its path, or the name that the stream has.

    Raises
    ------
    InputError
        The file cannot be opened, is empty or no capture, or has a link type that is not read.
    CaptureError
        The capture is cut or damaged; everything before that has been yielded.

    """
    if isinstance(path, str | Path):
        source = str(path) if source is None else source
        with open_capture(path) as stream:
            yield from read_capture(stream, decapsulate=decapsulate, source=source)
        return
    source = str(getattr(path, "name", "capture")) if source is None else source
    frames = read(path, source=source)
    yield from map(_decapsulated, frames) if decapsulate else frames


def open_capture(path: str | Path) -> BinaryIO:
    """Open a file for reading.

    Raises
    ------
    InputError
        It cannot be opened.

    """
    try:
        return Path(path).open("rb")
    except (OSError, ValueError) as problem:
        reason = problem.strerror if isinstance(problem, OSError) else str(problem)
        raise InputError(f"cannot be opened: {reason}", source=str(path)) from None


def _decapsulated(frame: Frame) -> Frame:
    inner = decapsulate(frame.link)
    if inner is None:
        return frame
    return replace(
        frame, link=inner, datagram=_datagram(inner, frame.original_length), direction=None
    )


def annotate(
    stream_in: BinaryIO,
    stream_out: BinaryIO,
    comments: Callable[[int], str | None],
    *,
    source: str = "capture",
) -> None:
    """Copy a capture as pcapng, with a comment on each frame that Wireshark shows.

    Interfaces, link types, snap lengths, directions and comments that are there stay; times
    are written in nanoseconds. Blocks that hold no packet are left out.

    Parameters
    ----------
    stream_in : BinaryIO
        A capture of any format that `read` knows.
    stream_out : BinaryIO
        Where pcapng is written.
    comments : callable
        Number of a frame, from 1 -> its comment, or None for none.

    Raises
    ------
    InputError, CaptureError
        As `read`; everything before the damage has been written.

    """
    writer = PcapngWriter(stream_out)
    number = 0
    for record in read_records(stream_in, source=source):
        if isinstance(record, CaptureInterface):
            writer.write_interface(record)
            continue
        number += 1
        comment = comments(number)
        if comment is not None:
            record = replace(record, comments=(*record.comments, comment))
        writer.write_record(record)

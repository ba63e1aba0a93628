"""Telling a copy of a packet, captured a second time on its way, from a retransmission.

Equal from the IP header on, on another capture interface, within a second: a copy. On the same
one it was sent again. What a hop or a network card changes is left out of the comparison: hop
limit, and the checksums of the IP, TCP and UDP headers, which offload leaves unfinished at the
sender.
"""

from collections import OrderedDict
from hashlib import blake2b
from typing import Final

from secgroup.net.capture import Frame
from secgroup.net.packet import Datagram, Malformed
from secgroup.net.protocol import TCP, UDP

WINDOW_NS: Final = 1_000_000_000

#: Packets remembered at once, however many a second there are.
_REMEMBERED: Final = 1 << 18


class Copies:
    """Remembers the packets of the last second."""

    def __init__(self) -> None:
        # Fingerprint -> where (a mirror session is a capture interface of its own), and when.
        self._seen: OrderedDict[bytes, tuple[tuple[int, int | None], int]] = OrderedDict()
        self._latest_ns = 0

    def is_copy(self, frame: Frame) -> bool:
        """Tell whether `frame` is a copy of one before it; remember it if not."""
        if frame.datagram is None or frame.link.ip is None:
            return False
        self._latest_ns = max(self._latest_ns, frame.time_ns)
        self._forget()
        key = _fingerprint(frame.link.ip, frame.datagram)
        where = (frame.interface, frame.link.vni)
        known = self._seen.get(key)
        if known is not None:
            first, time_ns = known
            if first != where and abs(frame.time_ns - time_ns) <= WINDOW_NS:
                return True
        self._seen[key] = (where, frame.time_ns)
        self._seen.move_to_end(key)
        return False

    def _forget(self) -> None:
        while self._seen:
            _, time_ns = next(iter(self._seen.values()))
            if self._latest_ns - time_ns <= WINDOW_NS and len(self._seen) < _REMEMBERED:
                return
            self._seen.popitem(last=False)


def _fingerprint(ip: bytes, packet: Datagram) -> bytes:
    """Return a digest of an IP packet, without the padding of its link and what hops change."""
    data = bytearray(ip[: packet.length] if packet.length > 0 else ip)
    version = data[0] >> 4 if data else 0
    transport = None
    if version == 4 and len(data) >= 20:
        data[8] = data[10] = data[11] = 0
        transport = (data[0] & 0x0F) * 4
    elif version == 6 and len(data) >= 40:
        data[7] = 0
        transport = 40 if data[6] in (TCP, UDP) else None
    if transport is not None and not isinstance(packet, Malformed) and not packet.is_later_fragment:
        at = transport + {TCP: 16, UDP: 6}.get(packet.protocol, len(data))
        if at + 2 <= len(data):
            data[at] = data[at + 1] = 0
    return blake2b(data, digest_size=16).digest()

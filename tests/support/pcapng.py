"""Blocks of pcapng, written from the draft and independent of secgroup.net.pcapng."""

from struct import pack


class Writing:
    """Writes blocks in one byte order."""

    def __init__(self, order: str) -> None:
        self.order = order

    def block(self, kind: int, body: bytes) -> bytes:
        body += bytes(-len(body) % 4)
        length = pack(self.order + "I", len(body) + 12)
        return pack(self.order + "I", kind) + length + body + length

    def options(self, *options: tuple[int, bytes], end: bool = True) -> bytes:
        written = b"".join(
            pack(self.order + "HH", code, len(value)) + value + bytes(-len(value) % 4)
            for code, value in options
        )
        return written + (bytes(4) if end and options else b"")

    def section(self, *, length: int = -1, major: int = 1) -> bytes:
        return self.block(0x0A0D0D0A, pack(self.order + "IHHq", 0x1A2B3C4D, major, 0, length))

    def interface(
        self, *options: tuple[int, bytes], link_type: int = 1, snap: int = 0, end: bool = True
    ) -> bytes:
        body = pack(self.order + "HHI", link_type, 0, snap)
        return self.block(1, body + self.options(*options, end=end))

    def enhanced(
        self, stamp: int, data: bytes, *options: tuple[int, bytes], interface: int = 0
    ) -> bytes:
        head = pack(
            self.order + "IIIII", interface, stamp >> 32, stamp & 0xFFFFFFFF, len(data), 1500
        )
        return self.block(6, head + data + bytes(-len(data) % 4) + self.options(*options))

    def simple(self, original: int, data: bytes) -> bytes:
        return self.block(3, pack(self.order + "I", original) + data)

    def obsolete(self, stamp: int, data: bytes, *options: tuple[int, bytes]) -> bytes:
        head = pack(
            self.order + "HHIIII", 0, 0xFFFF, stamp >> 32, stamp & 0xFFFFFFFF, len(data), 1500
        )
        return self.block(2, head + data + bytes(-len(data) % 4) + self.options(*options))


LITTLE, BIG = Writing("<"), Writing(">")

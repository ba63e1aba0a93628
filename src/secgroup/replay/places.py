"""Where the frames of each name are decided, as columns.

Owns the numbers of places, of links and of scopes; `Who` is asked elsewhere. Read first: `who`.
"""

from collections.abc import Mapping
from typing import Final

import numpy as np

from secgroup.engine import batch as packets_of
from secgroup.engine.capture import Batch
from secgroup.engine.columns import I4, U8
from secgroup.engine.frames import CARRIES_IP, NO_DIRECTION, NO_MAC
from secgroup.engine.placing import Names
from secgroup.net.capture import Frame
from secgroup.net.direction import Direction
from secgroup.net.link import Link
from secgroup.replay.who import Place, Undecided

#: Why a packet is not decided, by its number.
CAUSES: Final = tuple(Undecided)

#: Rows of `Places.columns`: rows of interfaces, number of the cause, of the scope; -1 is none.
SENDER, RECEIVER, CAUSE, SCOPE = range(4)


class Places:
    """Where the frames of each name are decided, as columns; names hold for one network."""

    def __init__(self, secret: U8) -> None:
        self._secret = secret
        self._scopes: dict[str | None, int] = {None: -1}
        self.clear()

    def clear(self) -> None:
        """Forget all but the numbers of scopes."""
        self.names = Names(self._secret)
        self.links = Names(self._secret)
        self.places: list[Place] = []
        self.columns: I4 = np.zeros((4, 1 << 10), dtype=np.int32)

    def learn(self, place: Place, rows: Mapping[str, int]) -> None:
        """Take in where the frames of the next name are decided."""
        number = len(self.places)
        if number == self.columns.shape[1]:
            self.columns = np.concatenate([self.columns, np.zeros_like(self.columns)], axis=1)
        self.places.append(place)
        sender, receiver, cause = place.sender, place.receiver, place.undecided
        scope = self._scopes.setdefault(place.scope, len(self._scopes) - 1)
        self.columns[:, number] = (
            -1 if sender is None else rows[sender.interface_id],
            -1 if receiver is None else rows[receiver.interface_id],
            -1 if cause is None else CAUSES.index(cause),
            scope,
        )


def frame_of(batch: Batch, row: int) -> Frame:
    """Return a frame as far as `Who` asks about it."""
    frames = batch.frames
    direction = int(frames.direction[row])
    carries_ip = frames.carries[row] == CARRIES_IP
    packets = packets_of.Batch(packets=batch.packets, quotes=batch.quotes)
    return Frame(
        number=int(frames.number[row]),
        time_ns=int(frames.time_ns[row]),
        interface=int(frames.interface[row]),
        interface_name=batch.interfaces[int(frames.capture_interface[row])].name,
        original_length=int(frames.original_length[row]),
        captured=b"",
        link=Link(
            ip=b"",
            header_length=0,
            source_mac=_mac(int(frames.source_mac[row])),
            destination_mac=_mac(int(frames.destination_mac[row])),
        ),
        datagram=packets.packet(row) if carries_ip else None,
        direction=None if direction == NO_DIRECTION else Direction(direction),
    )


def _mac(number: int) -> bytes | None:
    return None if number == NO_MAC else number.to_bytes(6)

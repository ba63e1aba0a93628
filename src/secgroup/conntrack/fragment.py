"""What later fragments get: the answer of their first one, for 30 seconds."""

from collections import OrderedDict
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from secgroup.net.address import Address
from secgroup.net.direction import Direction
from secgroup.net.packet import Packet

LIFETIME_MS: Final = 30_000

AnswerT = TypeVar("AnswerT")


@dataclass(frozen=True, slots=True, kw_only=True)
class FragmentKey:
    """What the fragments of one packet share, at one interface (RFC 791, RFC 8200 4.5)."""

    interface_id: str
    direction: Direction
    source: Address
    destination: Address
    protocol: int
    identification: int


def fragment_key(packet: Packet, interface_id: str, direction: Direction) -> FragmentKey | None:
    """Return the key of a fragment; None when the packet is whole."""
    if packet.fragment is None:
        return None
    return FragmentKey(
        interface_id=interface_id,
        direction=direction,
        source=packet.source,
        destination=packet.destination,
        protocol=packet.fragment.protocol,
        identification=packet.fragment.identification,
    )


class FragmentTable(Generic[AnswerT]):
    """The answers that first fragments got; times come from the flow table's clock."""

    def __init__(self) -> None:
        self._answers: OrderedDict[FragmentKey, tuple[int, AnswerT]] = OrderedDict()

    def __len__(self) -> int:
        """Count what is remembered."""
        return len(self._answers)

    def remember(self, key: FragmentKey, answer: AnswerT, now_ms: int) -> None:
        """Keep a first fragment's answer, and forget what is too old."""
        while self._answers and now_ms - next(iter(self._answers.values()))[0] >= LIFETIME_MS:
            self._answers.popitem(last=False)
        self._answers[key] = (now_ms, answer)
        self._answers.move_to_end(key)

    def recall(self, key: FragmentKey, now_ms: int) -> AnswerT | None:
        """Return the answer of the first fragment, None when there is none any more."""
        kept = self._answers.get(key)
        return kept[1] if kept is not None and now_ms - kept[0] < LIFETIME_MS else None

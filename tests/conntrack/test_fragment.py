from dataclasses import replace

import pytest

from secgroup.conntrack.fragment import LIFETIME_MS, FragmentTable, fragment_key
from secgroup.lessons.talk import datagram
from secgroup.net.direction import Direction
from secgroup.net.packet import Fragment

IN, OUT = Direction.INGRESS, Direction.EGRESS
WHOLE = datagram("203.0.113.9", "10.0.1.10", 53)
FIRST = replace(WHOLE, fragment=Fragment(identification=1, offset=0, more=True, protocol=17))
KEY = fragment_key(FIRST, "eni-1", IN)


@pytest.mark.semantics("frag-1")
def test_whole_packet_has_no_fragment_key():
    assert fragment_key(WHOLE, "eni-1", IN) is None


@pytest.mark.semantics("frag-2")
def test_fragments_of_one_packet_share_a_key_and_no_others():
    later = replace(FIRST, fragment=replace(FIRST.fragment, offset=8, more=False))
    assert fragment_key(later, "eni-1", IN) == KEY
    assert fragment_key(later, "eni-2", IN) != KEY
    assert fragment_key(later, "eni-1", OUT) != KEY
    for change in (
        replace(later, source=WHOLE.destination),
        replace(later, destination=WHOLE.source),
        replace(later, fragment=replace(later.fragment, identification=2)),
        replace(later, fragment=replace(later.fragment, protocol=6)),
    ):
        assert fragment_key(change, "eni-1", IN) != KEY


@pytest.mark.semantics("frag-3")
@pytest.mark.parametrize(
    ("idle_ms", "there"), [(0, True), (LIFETIME_MS - 1, True), (LIFETIME_MS, False)]
)
def test_answer_is_kept_for_thirty_seconds(idle_ms, there):
    assert LIFETIME_MS == 30_000
    table = FragmentTable()
    table.remember(KEY, "accepted", 1_000)
    assert table.recall(KEY, 1_000 + idle_ms) == ("accepted" if there else None)


@pytest.mark.semantics("frag-3")
def test_later_first_fragment_of_the_same_key_replaces_the_answer():
    table = FragmentTable()
    table.remember(KEY, "accepted", 0)
    table.remember(KEY, "refused", 10_000)
    assert table.recall(KEY, 39_999) == "refused"
    assert len(table) == 1


def test_what_is_too_old_is_forgotten():
    table = FragmentTable()
    keys = [replace(KEY, identification=number) for number in range(100)]
    for number, key in enumerate(keys):
        table.remember(key, number, number * 1_000)
    assert len(table) == 30
    table.remember(keys[75], "again", 100_000)
    assert table.recall(keys[76], 100_000) == 76
    table.remember(KEY, "last", 129_999)
    assert table.recall(keys[75], 129_999) == "again"
    assert len(table) == 2

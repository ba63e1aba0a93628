"""Classes by block are the classes by interval, and edits are what a change comes to."""

from ipaddress import ip_address, ip_network
from random import Random

import pytest

from secgroup.net.address import Address
from secgroup.policy.blocks import (
    EVERYTHING,
    WEIGHT_BIT,
    Block,
    BlockClasses,
    Edit,
    Tracked,
    block_of,
    blocks_of,
    first_of,
    length_of,
    rules_of,
    weight_of,
)
from secgroup.policy.classes import address_classes, addresses_of, tracked_addresses
from secgroup.policy.peers import tracked_blocks
from secgroup.policy.policy import ALWAYS_TRACKED_TYPES
from tests.support.traces.edges import addresses_of as edges_of
from tests.support.traces.networks import make_network

#: Blocks that lie in and beside each other.
BLOCKS = [
    *(f"10.0.{third}.0/24" for third in range(3)),
    *("10.0.0.0/16", "10.0.0.0/23", "10.0.0.128/25", "0.0.0.0/0", "0.0.0.0/1", "128.0.0.0/1"),
    *(f"10.0.0.{last}/32" for last in (0, 1, 127, 128, 255)),
    *("10.0.1.7/32", "255.255.255.255/32", "0.0.0.0/32"),
]
BLOCKS6 = ["::/0", "::/1", "2001:db8::/32", "2001:db8::/64", "2001:db8::1/128", "8000::/1"]


def content_at(classes: BlockClasses, address: Address) -> int:
    """The class of the longest block that holds an address."""
    width = address.max_prefixlen
    for length in range(width, 0, -1):
        first = int(address) >> (width - length) << (width - length)
        if (first << 8 | length) in classes.content:
            return classes.content[first << 8 | length]
    return classes.elsewhere


def random_sets(random: Random, family: int) -> list[tuple[int, list[Block]]]:
    texts = BLOCKS if family == 4 else BLOCKS6
    return [
        (1 << bit, [block_of(ip_network(each)) for each in random.sample(texts, 3)])
        for bit in range(random.randint(0, 70))
    ]


@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize("seed", range(8))
def test_a_block_has_the_class_of_its_interval(family: int, seed: int) -> None:
    random = Random(seed)
    network = make_network(random)
    texts = BLOCKS if family == 4 else BLOCKS6
    table = random.choice([None, *network.route_tables.values()])
    members = [
        each for each in network.interfaces.values() if each.interface_type in ALWAYS_TRACKED_TYPES
    ]
    peers = [
        [ip_network(each) for each in random.sample(texts, random.randint(0, 4))]
        for _ in range(random.randint(0, 70))
    ]
    edges = [addresses_of(family, each, ()) for each in peers]
    tracked = tracked_addresses(family, network, table, members)
    intervals = address_classes(family, edges, tracked)
    blocks = BlockClasses(
        family,
        [(1 << bit, blocks_of(family, each)) for bit, each in enumerate(peers)],
        tracked_blocks(family, network, table, members),
    )
    starts = intervals.starts.tolist()
    if family == 6:
        starts = [hi << 64 | lo for hi, lo in starts]
    asked = {int(each) for each in edges_of(network)[family]}
    asked |= {int(each[at]) for text in texts for each in [ip_network(text)] for at in (0, -1)}
    for number in asked:
        at = max(index for index, start in enumerate(starts) if start <= number)
        found = int(intervals.class_of[at])
        bits = int.from_bytes(intervals.bitmaps[found].tobytes(), "little")
        kind = type(ip_address("::" if family == 6 else "0.0.0.0"))
        content = content_at(blocks, kind(number))
        assert rules_of(content) == bits
        assert weight_of(content) == int(intervals.weights[found])


@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize("seed", range(20))
def test_edits_are_made_exactly_where_one_block_changes(family: int, seed: int) -> None:
    """And then come to what making it afresh comes to."""
    random = Random(seed)
    texts = BLOCKS if family == 4 else BLOCKS6
    sets = {bits: set(blocks) for bits, blocks in random_sets(random, family)}
    sets[1] = set()
    routed = tuple(
        (block_of(ip_network(each)), random.randint(0, 2))
        for each in random.sample(texts, random.randint(0, 2))
    )
    tracked = Tracked(routed=routed, members=(block_of(ip_network(random.choice(texts))),))
    classes = BlockClasses(family, sets.items(), tracked)
    made = 0
    for _ in range(40):
        flips: dict[Block, int] = {}
        for _ in range(random.choice((1, 1, 1, 2))):
            block, bits = block_of(ip_network(random.choice(texts))), random.choice([*sets])
            flips[block] = flips.get(block, 0) | bits
        for block, bits in flips.items():
            for each in sets:
                if bits & each:
                    sets[each] ^= {block}
        afresh = BlockClasses(family, sets.items(), tracked)
        different = [
            block
            for block in classes.content.keys() | afresh.content.keys()
            if classes.content.get(block) != afresh.content.get(block)
        ]
        may_be = len(different) <= 1 and classes.elsewhere == afresh.elsewhere
        edits = classes.edits(
            [(each, [block for block in flips if flips[block] & each]) for each in sets]
        )
        assert (edits is not None) == may_be
        if edits is None:
            classes = afresh
            continue
        made += 1
        back = []
        for edit in edits:
            content = classes.content.get(edit.block)
            direct = classes.apply(edit)
            back.append(Edit(block=edit.block, direct=direct, content=content))
        same(classes, afresh)
        if random.random() < 0.3:
            for edit in reversed(back):
                classes.apply(edit)
            for block, bits in flips.items():
                for each in sets:
                    if bits & each:
                        sets[each] ^= {block}
            same(classes, BlockClasses(family, sets.items(), tracked))
    assert made > 5


def same(one: BlockClasses, two: BlockClasses) -> None:
    assert one.content == two.content
    assert one.elsewhere == two.elsewhere
    assert list(one.order) == list(two.order)
    assert one.lengths == two.lengths


def test_a_block_is_its_first_address_and_its_length() -> None:
    block = block_of(ip_network("10.1.0.0/16"))
    assert first_of(block) == int(ip_address("10.1.0.0"))
    assert length_of(block) == 16
    assert block_of(ip_network("::/0")) == EVERYTHING
    assert block_of(ip_address("::1")) == 1 << 8 | 128
    assert weight_of(3 | 2 << WEIGHT_BIT) == 2

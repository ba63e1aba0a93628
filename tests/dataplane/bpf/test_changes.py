"""From one revision to the next: what is written in place, what beside, and what is free again."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from ipaddress import IPv6Network
from random import Random
from typing import Any

import numpy as np
import pytest

from secgroup.dataplane.bpf.forms import InterfaceForm, SectionForm
from secgroup.dataplane.bpf.layout import HOST
from secgroup.dataplane.bpf.plane import BpfPlane
from secgroup.dataplane.bpf.plans import Attached, render
from secgroup.errors import DataPlaneError
from secgroup.model.group import PrefixListReference, SecurityGroupRule
from secgroup.model.network import Network
from secgroup.policy.blocks import bits_of, length_of
from secgroup.policy.resolve import services_of
from tests.support import policy_worlds as worlds
from tests.support.plain_maps import PlainMaps
from tests.support.traces.networks import edited, make_network

PL_1 = PrefixListReference(prefix_list_id="pl-1")


def plane_of(maps: PlainMaps, **options: Any) -> BpfPlane:
    return BpfPlane(maps, wait=lambda: None, **options)


def converge(plane: BpfPlane, network: Network) -> None:
    plane.prepare({"here": network})
    plane.commit()


def enforced(network: Network, maps: PlainMaps) -> BpfPlane:
    plane = plane_of(maps)
    plane.attach("eni-1")
    converge(plane, network)
    return plane


def state(plane: BpfPlane, maps: PlainMaps) -> tuple[object, ...]:
    """All that a refused change must leave as it was."""
    hashes = [dict(each.elements) for each in (maps.hosts, maps.prefixes4, maps.prefixes6)]
    return maps.words.tolist(), plane.observe(), hashes, taken(plane)


def taken(plane: BpfPlane) -> Mapping[str, int]:
    return {name: room.taken for name, room in plane._rows.rooms.items()}


def egress(one: SecurityGroupRule) -> SecurityGroupRule:
    return replace(one, is_egress=True)


# In place


@pytest.mark.parametrize(
    ("before", "after", "in_place"),
    [
        pytest.param(
            worlds.world([worlds.rule(1, worlds.MEMBERS)], members=3),
            lambda network: worlds.with_interface(network, worlds.interface(9)),
            True,
            id="a member joins",
        ),
        pytest.param(
            worlds.world([worlds.rule(1, worlds.MEMBERS)]),
            lambda network: worlds.with_interface(network, worlds.interface(9)),
            True,
            id="the first member joins",
        ),
        pytest.param(
            worlds.world([worlds.rule(1, worlds.MEMBERS)], members=1),
            lambda network: worlds.without_interface(network, "eni-2"),
            True,
            id="the last member leaves",
        ),
        pytest.param(
            worlds.world([worlds.rule(1, worlds.MEMBERS)], members=3),
            lambda network: worlds.with_interface(network, worlds.interface(9, addresses=2)),
            False,
            id="a member with two addresses joins",
        ),
        pytest.param(
            worlds.world(
                [worlds.rule(1, worlds.MEMBERS), worlds.rule(2, "10.0.9.0/24")], members=2
            ),
            lambda network: worlds.with_interface(network, worlds.interface(9)),
            True,
            id="a member of another class joins",
        ),
        pytest.param(
            worlds.world([worlds.rule(1, worlds.MEMBERS), worlds.rule(2, "10.0.9.0/32")]),
            lambda network: worlds.with_interface(network, worlds.interface(9)),
            True,
            id="a member joins whose address another rule has",
        ),
        pytest.param(
            worlds.world(
                [
                    *(worlds.rule(1, worlds.MEMBERS), worlds.rule(2, "10.0.9.0/32")),
                    *(
                        egress(worlds.rule(3, "10.0.9.0/32")),
                        egress(worlds.rule(4, worlds.MEMBERS)),
                    ),
                ]
            ),
            lambda network: worlds.with_interface(network, worlds.interface(9)),
            False,
            id="the same in two tables",
        ),
        pytest.param(
            worlds.world([worlds.rule(1, PL_1)], lists=[worlds.a_list("203.0.113.0/24")]),
            lambda network: worlds.with_entries(network, "203.0.113.0/24", "198.51.100.0/24"),
            True,
            id="an entry joins",
        ),
        pytest.param(
            worlds.world(
                [worlds.rule(1, PL_1), worlds.rule(2, "203.0.113.7/32")],
                lists=[worlds.a_list("198.51.100.0/24")],
            ),
            lambda network: worlds.with_entries(network, "198.51.100.0/24", "203.0.113.0/24"),
            False,
            id="an entry joins around a block of another rule",
        ),
        pytest.param(
            worlds.world(
                [worlds.rule(1, PL_1), worlds.rule(2, "203.0.113.7/32")],
                lists=[worlds.a_list("198.51.100.0/24", "203.0.113.7/32")],
            ),
            lambda network: worlds.with_entries(
                network, "198.51.100.0/24", "203.0.113.7/32", "203.0.113.0/24"
            ),
            True,
            id="an entry joins around a block that its rule has",
        ),
        pytest.param(
            worlds.world([worlds.rule(1, PL_1)], lists=[worlds.a_list("203.0.113.0/24")]),
            lambda network: worlds.with_entries(network, "203.0.113.0/24", "203.0.113.9/32"),
            False,
            id="the first single address of a list joins",
        ),
        pytest.param(
            worlds.world([worlds.rule(1, PL_1)], lists=[worlds.a_list("203.0.113.0/24")]),
            lambda network: worlds.with_entries(network, "203.0.113.0/24", "0.0.0.0/0"),
            False,
            id="everything joins",
        ),
        pytest.param(
            worlds.world([worlds.rule(1, worlds.MEMBERS)], members=3),
            lambda network: worlds.with_rules(network, [worlds.rule(2, worlds.MEMBERS)]),
            False,
            id="another rule",
        ),
    ],
)
def test_one_element_is_written_in_place(
    before: Network, after: Callable[[Network], Network], in_place: bool
) -> None:
    maps = PlainMaps()
    plane = enforced(before, maps)
    words, network = maps.words.tolist(), after(before)
    converge(plane, network)
    assert (maps.words.tolist() == words) == in_place
    assert plane.observe() == render(network, [Attached(interface_id="eni-1")])
    converge(plane, before)
    assert plane.observe() == render(before, [Attached(interface_id="eni-1")])


def test_one_member_of_many_is_one_element() -> None:
    maps, network = PlainMaps(), worlds.world([worlds.rule(1, worlds.MEMBERS)], members=200)
    plane = enforced(network, maps)
    written = plane.writes
    converge(plane, worlds.with_interface(network, worlds.interface(500)))
    assert plane.writes == written + 1


def test_members_come_and_go_without_an_end_of_classes() -> None:
    """Classes that nobody has are used again, after a grace period."""
    maps, waited = PlainMaps(), []
    rules = [
        worlds.rule(1, worlds.MEMBERS),
        *(worlds.rule(2 + each, f"10.0.{each}.0/24") for each in range(10, 60)),
    ]
    network = worlds.world(rules, members=1)
    plane = BpfPlane(maps, wait=lambda: waited.append(1))
    plane.attach("eni-1")
    converge(plane, network)
    words = maps.words.tolist()
    for number in range(10, 60):
        joined = worlds.with_interface(network, worlds.interface(number))
        converge(plane, joined)
        assert plane.observe() == render(joined, [Attached(interface_id="eni-1")])
        converge(plane, network)
    assert maps.words.tolist() == words
    assert len(waited) > 1


def _differ_by_one(one: SectionForm, two: SectionForm) -> bool:
    blocks = [
        each
        for each in one.blocks.keys() | two.blocks.keys()
        if one.blocks.get(each) != two.blocks.get(each)
    ]
    return len(blocks) <= 1 and one._replace(blocks={}) == two._replace(blocks={})


def _may_be_in_place(one: InterfaceForm, two: InterfaceForm) -> bool:
    """Forms tell: the same but for at most one block in each section."""
    return one._replace(rules=(), acl=()) == two._replace(rules=(), acl=()) and all(
        map(_differ_by_one, (*one.rules, *one.acl), (*two.rules, *two.acl))
    )


def _replaced_hosts(one: InterfaceForm, two: InterfaceForm) -> int:
    """Single addresses that stay and have another class, of which a change may make one."""
    return sum(
        length_of(block) == bits_of(then.family) and now.blocks.get(block, said) != said
        for then, now in zip((*one.rules, *one.acl), (*two.rules, *two.acl), strict=True)
        for block, said in then.blocks.items()
    )


@pytest.mark.parametrize("seed", range(6))
def test_a_word_changes_exactly_where_one_element_is_not_enough(seed: int) -> None:
    random, maps = Random(seed), PlainMaps()
    plane = plane_of(maps, services=services_of)
    network = make_network(random)
    numbers = {each: plane.attach(each) for each in network.interfaces}
    converge(plane, network)
    attached = [Attached(interface_id=each) for each in numbers]
    turned = 0
    for _ in range(60):
        before, words = plane.observe(), maps.words.copy()
        network = edited(random, network)
        converge(plane, network)
        after = render(network, attached, services=services_of)
        assert plane.observe() == after
        replaced = sum(_replaced_hosts(before[each], after[each]) for each in numbers)
        for interface_id, number in numbers.items():
            is_same = bool(words[number] == maps.words[number])
            may_be = _may_be_in_place(before[interface_id], after[interface_id])
            assert is_same == may_be or (replaced > 1 and not is_same)
            turned += not is_same
    assert turned > 0


# What fails


def test_a_change_that_has_no_room_changes_nothing() -> None:
    maps = PlainMaps(hosts=50)
    network = worlds.world([worlds.rule(1, worlds.MEMBERS)], members=20)
    plane = enforced(network, maps)
    before = state(plane, maps)
    many = worlds.world([worlds.rule(2, worlds.MEMBERS)], members=40)
    with pytest.raises(DataPlaneError, match=r"map hosts: 61 elements, expected at most 50"):
        plane.prepare({"here": many})
    plane.commit()
    assert state(plane, maps) == before
    converge(plane, worlds.with_interface(network, worlds.interface(99)))
    assert plane.differences() == []


@pytest.mark.parametrize("name", ["policies", "sections", "bitmaps", "boundaries", "numbers"])
def test_every_map_may_be_full(name: str) -> None:
    """As many rows as the first policy takes, and one more of each."""
    network = worlds.world([worlds.rule(1, "203.0.113.0/24")])
    roomy = enforced(network, PlainMaps())
    spare = {"policies": 0, "bitmaps": 9}.get(name, 1)
    size = len(getattr(PlainMaps(), name)) - roomy._rows.rooms[name].free + spare
    maps = PlainMaps(**{name: size})
    plane = enforced(network, maps)
    before = state(plane, maps)
    rules = [worlds.rule(2 + each, "203.0.113.0/25", f"tcp/{each + 1}") for each in range(9)]
    acl = replace(network.acls["acl-1"], network_acl_id="acl-2")
    other = worlds.in_subnet(worlds.with_rules(network, rules), network_acl_id="acl-2")
    with pytest.raises(DataPlaneError, match=f"map {name}: no .* expected a policy that fits in"):
        plane.prepare({"here": other.revised(acls={"acl-2": acl})})
    assert state(plane, maps) == before


def test_an_element_that_the_kernel_refuses_leaves_all_as_it_was() -> None:
    """Somebody else filled the map, so that the second of two elements has no room."""
    rules = [worlds.rule(1, worlds.MEMBERS), worlds.rule(2, worlds.MEMBERS, "udp/53")]
    network = worlds.world(rules, members=3)
    network = network.revised(
        groups={
            **network.groups,
            "sg-web": worlds.group("sg-web", [*rules, egress(rules[0])]),
        }
    )
    maps = PlainMaps(hosts=64)
    plane = enforced(network, maps)
    count = maps.hosts.entries - 1 - len(maps.hosts.elements)
    foreign = np.zeros(count, HOST)
    foreign["table"], foreign["lo"] = 0xFFFFFFFF, np.arange(count)
    before = plane.observe(), maps.words.tolist()
    plane.prepare({"here": worlds.with_interface(network, worlds.interface(9))})
    maps.hosts.update(foreign, np.zeros(count, "<u4"))
    with pytest.raises(DataPlaneError, match="map hosts: full"):
        plane.commit()
    assert (plane.observe(), maps.words.tolist()) == before
    maps.hosts.delete(foreign)
    converge(plane, worlds.with_interface(network, worlds.interface(9)))
    assert plane.differences() == []
    assert plane.observe() != before[0]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        pytest.param(
            lambda network: worlds.with_rules(
                network, [worlds.rule(each, "203.0.113.0/24") for each in range(1001)]
            ),
            r"eni-1: 1001 ingress rules over IPv4, expected at most 1000",
            id="rules",
        ),
        pytest.param(
            lambda network: worlds.in_subnet(
                network,
                ipv6_blocks=tuple(IPv6Network((0x2001 << 112 | n << 64, 64)) for n in range(5)),
            ),
            r"subnet-1: 5 IPv6 blocks, expected at most 4",
            id="IPv6 blocks",
        ),
        pytest.param(
            lambda network: worlds.with_rules(network, [worlds.rule(10**130, "203.0.113.0/24")]),
            r"is a name of over 120 bytes, expected a shorter one",
            id="names",
        ),
    ],
)
def test_a_limit_that_is_exceeded_is_named(
    change: Callable[[Network], Network], message: str
) -> None:
    maps, network = PlainMaps(), worlds.world([worlds.rule(1, "203.0.113.0/24")])
    plane = enforced(network, maps)
    before = state(plane, maps)
    with pytest.raises(DataPlaneError, match=message):
        plane.prepare({"here": change(network)})
    assert state(plane, maps) == before


def test_one_interface_in_two_regions_is_refused() -> None:
    maps, network = PlainMaps(), worlds.world([worlds.rule(1, "203.0.113.0/24")])
    plane = enforced(network, maps)
    with pytest.raises(DataPlaneError, match="eni-1: is in here and there, expected in one region"):
        plane.prepare({"there": network, "here": worlds.world()})
    assert plane.differences() == []


# What is free again


def test_every_row_is_found_again() -> None:
    """After a thousand changes no more is taken than by the last one."""
    random, maps = Random(11), PlainMaps()
    plane = plane_of(maps, services=services_of)
    network = make_network(random)
    ids = list(network.interfaces)
    for each in ids:
        plane.attach(each)
    for number in range(1000):
        network = edited(random, network)
        if number % 7 == 0:
            plane.prepare({"here": edited(random, network)})
            plane.abandon()
        if number % 11 == 0:
            plane.detach(random.choice(ids))
        if number % 13 == 0:
            plane.attach(random.choice(ids))
        converge(plane, network)
    assert plane.differences() == []
    found = plane_of(maps, services=services_of)
    # A plane that has only read the maps knows of no room to spare in bitmaps.
    for name, count in taken(found).items():
        if name != "bitmaps":
            assert taken(plane)[name] == count, name
    for each in plane.attached:
        plane.detach(each)
    assert not any(taken(plane).values())
    assert not maps.hosts.elements
    assert not maps.prefixes4.elements
    assert not maps.prefixes6.elements


def test_what_was_prepared_when_the_agent_died_is_swept_up() -> None:
    maps, network = PlainMaps(), worlds.world([worlds.rule(1, worlds.MEMBERS)], members=9)
    plane = enforced(network, maps)
    before = plane.observe()
    rules = [worlds.rule(each, worlds.MEMBERS) for each in (1, 2)]
    plane.prepare({"here": worlds.with_rules(network, rules)})
    assert len(maps.hosts.elements) == 2 * 9 + 1
    again = plane_of(maps)
    assert len(maps.hosts.elements) == 9 + 1
    again.attach("eni-1")
    converge(again, network)
    assert again.observe() == before


# Starting again


def test_what_is_another_when_it_starts_again_is_put_right_alone() -> None:
    maps, network = PlainMaps(), worlds.world([worlds.rule(1, worlds.MEMBERS)], members=9)
    plane = plane_of(maps)
    numbers = {each: plane.attach(each) for each in ("eni-1", "eni-2")}
    converge(plane, network)
    words = maps.words.copy()
    again = plane_of(maps)
    for each in numbers:
        again.attach(each)
    after = worlds.with_rules(network, [worlds.rule(5, "203.0.113.0/24")])
    converge(again, after)
    assert maps.words[numbers["eni-1"]] != words[numbers["eni-1"]]
    assert maps.words[numbers["eni-2"]] == words[numbers["eni-2"]]
    assert again.observe() == render(after, [Attached(interface_id=each) for each in numbers])
    assert again.attached == numbers


def test_numbers_are_never_anothers() -> None:
    maps, network = PlainMaps(), worlds.world([worlds.rule(1, worlds.MEMBERS)], members=9)
    plane = enforced(network, maps)
    second = plane.attach("eni-3")
    plane.detach("eni-1")
    assert maps.words[1] & 0xFFFFFFFF == 0
    again = plane_of(maps)
    assert again.attach("eni-9") == second + 1
    assert again.attach("eni-1") == 1
    assert again.meanings.interface_id(second) == "eni-3"
    assert again.detach_others() == ["eni-3"]
    assert again.observe() == {}


def test_what_somebody_else_wrote_is_noticed_and_put_right() -> None:
    maps, network = PlainMaps(), worlds.world([worlds.rule(1, worlds.MEMBERS)], members=9)
    plane = enforced(network, maps)
    key = next(each for each in maps.hosts.elements if each not in (b"",))
    del maps.hosts.elements[key]
    assert plane.differences() == ["eni-1"]
    plane.restore()
    assert plane.differences() == []
    assert plane.observe() == render(network, [Attached(interface_id="eni-1")])
    written = plane.writes
    plane.restore()
    assert plane.writes == 0 < written


def test_what_cannot_be_read_leaves_the_plane_as_it_was() -> None:
    maps, network = PlainMaps(), worlds.world([worlds.rule(1, worlds.MEMBERS)], members=9)
    plane = enforced(network, maps)
    word = int(maps.words[1])
    maps.words[1] = word | 0xFFFFFFFF
    with pytest.raises(DataPlaneError):
        plane.restore()
    maps.words[1] = word
    assert plane.differences() == []
    after = worlds.with_rules(network, [worlds.rule(7, "203.0.113.0/24")])
    plane.prepare({"here": after})
    assert plane.observe() == render(network, [Attached(interface_id="eni-1")])
    plane.commit()
    assert plane.observe() == render(after, [Attached(interface_id="eni-1")])


def test_an_interface_that_the_network_loses_is_closed() -> None:
    maps, network = PlainMaps(), worlds.world([worlds.rule(1, worlds.MEMBERS)], members=2)
    plane = enforced(network, maps)
    converge(plane, worlds.without_interface(network, "eni-1"))
    assert maps.words[1] & 0xFFFFFFFF == 0
    assert plane.observe() == {}
    converge(plane, network)
    assert plane.observe() == render(network, [Attached(interface_id="eni-1")])


def test_rows_are_used_again_only_after_a_grace_period() -> None:
    """And after whoever reads logs has seen to them."""
    maps, told = PlainMaps(), []
    network = worlds.world([worlds.rule(1, worlds.MEMBERS)], members=4)

    def elements() -> int:
        return len(maps.hosts.elements)

    plane = BpfPlane(
        maps,
        wait=lambda: told.append(("grace", elements())),
        before_reuse=lambda: told.append(("logs", elements())),
    )
    plane.attach("eni-1")
    converge(plane, network)
    assert told == [("grace", 0)]
    told.clear()
    converge(plane, worlds.with_rules(network, [worlds.rule(7, worlds.MEMBERS)]))
    assert told == [("grace", 5), ("logs", 5)]
    converge(plane, worlds.with_rules(network, [worlds.rule(7, "203.0.113.0/24")]))
    assert told[2:] == [("grace", 5), ("logs", 5)]
    assert elements() == 1


def test_what_is_prepared_stays_so_when_an_interface_comes() -> None:
    maps, network = PlainMaps(), worlds.world([worlds.rule(1, worlds.MEMBERS)], members=4)
    plane = enforced(network, maps)
    after = worlds.with_rules(network, [worlds.rule(2, "203.0.113.0/24")])
    plane.prepare({"here": after})
    plane.attach("eni-2")
    plane.detach("eni-3")
    plane.restore()
    both = [Attached(interface_id=each) for each in ("eni-1", "eni-2")]
    assert plane.observe() == render(network, both)
    plane.commit()
    assert plane.observe() == render(after, both)


def test_nothing_is_written_where_a_packet_may_still_read() -> None:
    """The kernel gives the memory of an element to the next one at once."""
    maps, told = PlainMaps(), []
    network = worlds.world([worlds.rule(1, worlds.MEMBERS)], members=4)
    plane = BpfPlane(maps, wait=lambda: told.append("grace"))
    plane.attach("eni-1")
    converge(plane, network)
    told.clear()
    update, delete = maps.hosts.update, maps.hosts.delete
    maps.hosts.update = lambda *rows: (told.append("write"), update(*rows))[1]
    maps.hosts.delete = lambda rows: (told.append("delete"), delete(rows))[1]
    converge(plane, worlds.with_interface(network, worlds.interface(9)))
    assert told == ["write"]
    converge(plane, network)
    converge(plane, worlds.with_interface(network, worlds.interface(10)))
    assert told == ["write", "delete", "grace", "write"]

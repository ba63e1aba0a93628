from dataclasses import replace
from ipaddress import ip_address

import pytest

from secgroup.conntrack.flow import Flow, FlowKey
from secgroup.conntrack.state import State
from secgroup.conntrack.table import FlowTable
from secgroup.conntrack.timeout import Timeouts
from secgroup.net.direction import Direction


def flow(port=1, state=State.UDP_1_0, last_ms=0, owner="i-1", weight=1):
    key = FlowKey(
        owner=owner,
        protocol=17,
        inside=ip_address("10.0.1.10"),
        inside_port=port,
        outside=ip_address("203.0.113.9"),
        outside_port=53,
    )
    return Flow(
        key=key,
        opener=Direction.EGRESS,
        state=state,
        created_ms=last_ms,
        last_ms=last_ms,
        timeouts=Timeouts(),
        interface_id="eni-1",
        weight=weight,
    )


NOBODY = flow(port=65535).key


def table_at(time_ms, *flows):
    table = FlowTable()
    table.advance(time_ms)
    for each in flows:
        table.put(each)
    return table


@pytest.mark.semantics("time-6")
@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("start_ms", [0, 999, 123_456])
@pytest.mark.parametrize("offset_ms", [-1, 0, 1])
def test_entry_lives_while_idle_less_than_its_timeout(state, start_ms, offset_ms):
    entry = flow(state=state, last_ms=start_ms)
    table = table_at(start_ms, entry)
    table.advance(start_ms + Timeouts().of_ms(state) + offset_ms)
    assert table.get(entry.key) == (entry if offset_ms < 0 else None)
    assert list(table) == ([entry] if offset_ms < 0 else [])


@pytest.mark.semantics("time-6")
def test_renewed_entry_lives_on():
    entry = flow()
    table = table_at(0, entry)
    table.advance(29_999)
    table.renew(replace(entry, last_ms=29_999))
    table.advance(59_998)
    assert table.get(entry.key) is not None
    table.advance(59_999)
    assert table.get(entry.key) is None


@pytest.mark.semantics("time-7")
def test_clock_never_goes_back_and_counts_the_steps():
    table = table_at(5_000)
    assert table.advance(4_999) == 5_000
    assert table.advance(5_000) == 5_000
    assert table.advance(4_000) == 5_000
    assert (table.now_ms, table.stepped_back) == (5_000, 2)
    assert FlowTable().advance(17) == 17


@pytest.mark.semantics("ct-32")
@pytest.mark.parametrize("start_ms", [0, 1, 500, 999])
def test_expired_entry_counts_until_the_first_whole_second_after(start_ms):
    entry = flow(last_ms=start_ms)
    table = table_at(start_ms, entry)
    expires_ms = start_ms + 30_000
    reaped_ms = -(-expires_ms // 1000) * 1000
    for time_ms in (expires_ms - 1, expires_ms, reaped_ms - 1):
        if time_ms < reaped_ms:
            table.advance(time_ms)
            assert (len(table), table.weight_of("i-1", without=NOBODY)) == (1, 1)
    table.advance(reaped_ms)
    assert (len(table), table.weight_of("i-1", without=NOBODY)) == (0, 0)


@pytest.mark.semantics("ct-32")
def test_a_jump_reaps_as_of_the_second_it_lands_in():
    table = table_at(0, flow(port=1, last_ms=0), flow(port=2, last_ms=200))
    table.advance(30_900)  # the second port has expired, after second 30 began
    assert len(table) == 1
    assert table.get(flow(port=2).key) is None
    table.advance(31_000)
    assert len(table) == 0


@pytest.mark.semantics("ct-32")
def test_shorter_timeout_after_a_step_is_kept():
    entry = flow(state=State.ESTABLISHED)
    table = table_at(0, entry)
    table.renew(replace(entry, state=State.LAST_ACK))
    table.advance(30_000)
    assert len(table) == 0


def test_reaping_forgets_exactly_what_expired():
    entries = [flow(port=port, last_ms=port) for port in range(200)]
    table = table_at(0, *entries)
    table.renew(replace(entries[50], last_ms=5_000))
    table.remove(entries[60].key)
    table.put(replace(entries[70], last_ms=6_000))
    table.advance(31_000)
    assert {each.key.inside_port for each in table} == {50, 70}
    assert len(table) == 2
    table.advance(10**9)
    assert len(table) == 0


@pytest.mark.semantics("ct-31", "ct-33")
def test_weight_is_per_owner_and_without_the_one_replaced():
    table = table_at(0, flow(port=1), flow(port=2, weight=2), flow(port=3, owner="i-2"))
    assert table.weight_of("i-1", without=NOBODY) == 3
    assert table.weight_of("i-2", without=NOBODY) == 1
    assert table.weight_of("i-3", without=NOBODY) == 0
    assert table.weight_of("i-1", without=flow(port=2).key) == 1
    table.put(flow(port=2, weight=1))
    assert table.weight_of("i-1", without=NOBODY) == 2
    table.remove(flow(port=1).key)
    table.remove(flow(port=1).key)
    assert table.weight_of("i-1", without=NOBODY) == 1


@pytest.mark.semantics("ct-16")
def test_remove_if_forgets_what_it_is_told():
    table = table_at(0, flow(port=1), flow(port=2), flow(port=3, owner="i-2"))
    assert table.remove_if(lambda each: each.key.owner == "i-1") == 2
    assert [each.key.owner for each in table] == ["i-2"]
    assert table.weight_of("i-1", without=NOBODY) == 0


@pytest.mark.semantics("ct-32")
def test_a_jump_does_not_reap_what_expired_within_its_second():
    table = table_at(0, flow(port=1), flow(port=2))
    table.advance(200)
    table.renew(flow(port=2, last_ms=200))
    table.advance(30_900)
    assert len(table) == 1
    assert table.weight_of("i-1", without=NOBODY) == 1


@pytest.mark.semantics("ct-32")
def test_reaping_waits_for_the_second():
    table = table_at(500, flow(last_ms=500))
    table.advance(30_001)
    table.advance(30_600)
    assert len(table) == 1

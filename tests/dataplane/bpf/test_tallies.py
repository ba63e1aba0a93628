"""Differences between two looks at the table, and the flows that they are."""

from ipaddress import ip_address
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from secgroup.conntrack.state import State
from secgroup.dataplane.bpf.connections import KEY
from secgroup.dataplane.bpf.layout import ENTRY, LOG, LOG_KEY
from secgroup.dataplane.bpf.tallies import Tallies, flows_of, untallied_flows
from secgroup.decision import Reason, Verdict
from secgroup.engine.layout import OPENED_EGRESS
from secgroup.flowlog.record import Flow
from secgroup.net.direction import Direction
from tests.dataplane.bpf.entries import ECHO, ended, entry, key, table

ONE, OTHER = key("10.0.0.5", "203.0.113.9"), key("10.0.0.5", "203.0.113.10")
NOTHING = ended()
Pair = tuple[NDArray[Any], NDArray[Any]]


def grown(tallies: Tallies, *pairs: Pair, gone: NDArray[Any] = NOTHING) -> list[tuple[Any, ...]]:
    """(peer's last octet, packets, octets, is new) of what has grown."""
    found = tallies.grown(*table(*pairs), gone)
    return [
        (
            int(row["key"]["outside_lo"]) & 255,
            row["packets"].tolist(),
            row["octets"].tolist(),
            bool(row["is_new"]),
        )
        for row in found
    ]


def test_only_what_came_since_the_last_look_is_counted() -> None:
    tallies = Tallies()
    assert grown(tallies, (ONE, entry(packets=(2, 1), octets=(120, 60)))) == [
        (9, [2, 1], [120, 60], True)
    ]
    assert grown(tallies, (ONE, entry(packets=(2, 1), octets=(120, 60)))) == []
    assert grown(
        tallies,
        (ONE, entry(packets=(2, 5), octets=(120, 300))),
        (OTHER, entry(packets=(1, 0), octets=(60, 0))),
    ) == [(9, [0, 4], [0, 240], False), (10, [1, 0], [60, 0], True)]


def test_what_was_counted_before_the_beginning_is_not() -> None:
    tallies = Tallies()
    tallies.begin(*table((ONE, entry(packets=(7, 7), octets=(700, 700)))))
    assert grown(tallies, (ONE, entry(packets=(8, 7), octets=(760, 700)))) == [
        (9, [1, 0], [60, 0], False)
    ]


def test_entry_that_ended_counts_what_was_not_counted() -> None:
    tallies = Tallies()
    grown(tallies, (ONE, entry(packets=(2, 1), octets=(120, 60))))
    gone = ended((ONE, entry(packets=(3, 1), octets=(180, 60))))
    assert grown(tallies, gone=gone) == [(9, [1, 0], [60, 0], False)]
    assert grown(tallies) == []


def test_entry_that_was_in_the_table_and_ended_meanwhile_counts_once() -> None:
    tallies = Tallies()
    last = entry(packets=(3, 1), octets=(180, 60))
    found = grown(tallies, (ONE, entry(packets=(2, 1), octets=(120, 60))), gone=ended((ONE, last)))
    assert found == [(9, [3, 1], [180, 60], True)]


@pytest.mark.parametrize("later_s", [0, 5])
def test_entry_that_took_the_place_of_another_counts_from_its_beginning(later_s: int) -> None:
    tallies = Tallies()
    before = entry(packets=(9, 9), octets=(900, 900))
    grown(tallies, (ONE, before))
    fresh = entry(packets=(1, 0), octets=(60, 0), created_s=later_s)
    found = grown(tallies, (ONE, fresh), gone=ended((ONE, before)))
    # One that began in the same second waits for the next look.
    found += grown(tallies, (ONE, fresh))
    assert found == [(9, [1, 0], [60, 0], True)]


def test_packets_wrap_around() -> None:
    tallies = Tallies()
    grown(tallies, (ONE, entry(packets=((1 << 32) - 1, 0), octets=(1 << 40, 0))))
    found = grown(tallies, (ONE, entry(packets=(1, 0), octets=((1 << 40) + 120, 0))))
    assert found == [(9, [2, 0], [120, 0], False)]


def flows(grown: NDArray[Any], now_ms: int = 90_000) -> list[tuple[int, Flow]]:
    return list(flows_of(grown, now_ms, 30_000, 1_000_000, lambda number: f"sgr-{number}"))


def test_entry_is_a_flow_in_each_direction() -> None:
    memory = entry(
        last_ms=80_000,
        created_s=40,
        interface=3,
        admission=9,
        flags=OPENED_EGRESS,
        packets=(2, 1),
        octets=(120, 60),
        tcp_flags=(0x02, 0x12),
    )
    (_, out), (interface, back) = flows(Tallies().grown(*table((ONE, memory)), NOTHING))
    assert interface == 3
    assert out == Flow(
        source=ip_address("10.0.0.5"),
        destination=ip_address("203.0.113.9"),
        ports=(443, 40000),
        protocol=6,
        direction=Direction.EGRESS,
        verdict=Verdict.ACCEPT,
        reason=Reason.NEW,
        first_ms=1_040_000,
        last_ms=1_080_000,
        packets=2,
        octets=120,
        flags=2,
        rules=[("sgr-9",)],
    )
    assert (back.source, back.ports, back.direction) == (
        ip_address("203.0.113.9"),
        (40000, 443),
        Direction.INGRESS,
    )
    assert (back.reason, back.rules, back.packets, back.flags) == (Reason.ESTABLISHED, [], 1, 0x12)


def test_flow_that_went_on_began_with_the_last_look() -> None:
    tallies = Tallies()
    tallies.begin(*table((ONE, entry(packets=(1, 0), octets=(60, 0), tcp_flags=(2, 0)))))
    memory = entry(packets=(2, 0), octets=(120, 0), last_ms=50_000, tcp_flags=(0x12, 0))
    ((_, flow),) = flows(tallies.grown(*table((ONE, memory)), NOTHING))
    assert (flow.first_ms, flow.last_ms) == (1_030_000, 1_050_000)
    assert (flow.reason, flow.rules, flow.flags) == (Reason.ESTABLISHED, [], 0x10)


def test_query_of_icmp_has_no_ports() -> None:
    name = key("2001:db8::5", "2001:db8::9", inside_port=7, outside_port=0xFFF8, place=ECHO)
    memory = entry(state=State.ICMP_UNREPLIED, last_ms=90_000)
    ((_, flow),) = flows(Tallies().grown(*table((name, memory)), NOTHING))
    assert (flow.protocol, flow.ports, flow.direction) == (58, (0, 0), Direction.INGRESS)


def test_many_entries_are_told_apart() -> None:
    keys, entries = np.zeros(50_000, KEY), np.zeros(50_000, ENTRY)
    keys["outside_lo"] = np.arange(50_000)
    entries["packets"][:, 0], entries["octets"][:, 0] = 1, 60
    tallies = Tallies()
    tallies.begin(keys, entries)
    entries["packets"][::2, 0] += 1
    entries["octets"][::2, 0] += 40
    found = tallies.grown(keys[::-1], entries[::-1], NOTHING)
    assert len(found) == 25_000
    assert set(found["octets"][:, 0].tolist()) == {40}


def log_rows(**members: object) -> NDArray[Any]:
    rows = np.zeros((1, 2), LOG)
    for name, value in members.items():
        rows[name] = value
    return rows


def log_key(**members: object) -> NDArray[Any]:
    rows = np.zeros(1, LOG_KEY)
    rows["family"], rows["reason"] = 4, int(Reason.NO_MATCHING_RULE)
    rows["source_lo"], rows["destination_lo"] = 0xFFFF_CB00_7109, 0xFFFF_0A00_0005
    for name, value in members.items():
        rows[name] = value
    return rows


def test_packets_without_an_entry_are_one_flow_over_all_processors() -> None:
    name = log_key(interface=2, protocol=6, source_port=40000, destination_port=22)
    rows = log_rows(
        packets=[[1, 3]],
        octets=[[60, 180]],
        first_ms=[[5000, 4000]],
        last_ms=[[5000, 9000]],
        tcp_flags=[[2, 1]],
        section=[[0, 7]],
        port_class=[[0, 4]],
    )
    asked: list[tuple[int, int, int]] = []

    def rules_of(*what: int) -> tuple[str, ...]:
        asked.append(what)  # type: ignore[arg-type]
        return ("sgr-1", "sgr-2")

    ((interface, flow),) = untallied_flows(name, rows, 1_000_000, rules_of)
    assert (interface, asked) == (2, [(7, 0, 4)])
    assert flow == Flow(
        source=ip_address("203.0.113.9"),
        destination=ip_address("10.0.0.5"),
        ports=(40000, 22),
        protocol=6,
        direction=Direction.INGRESS,
        verdict=Verdict.REJECT,
        reason=Reason.NO_MATCHING_RULE,
        first_ms=1_004_000,
        last_ms=1_009_000,
        packets=4,
        octets=240,
        flags=3,
        rules=[("sgr-1", "sgr-2")],
    )


@pytest.mark.parametrize(
    ("members", "ports"),
    [
        ({"protocol": 17, "source_port": 53, "destination_port": 9}, (53, 9)),
        ({"protocol": 17, "reason": int(Reason.MALFORMED)}, (None, None)),
        ({"protocol": 1}, (0, 0)),
        ({"protocol": 47, "reason": int(Reason.MALFORMED)}, (0, 0)),
    ],
)
def test_ports_are_there_where_the_protocol_has_them(
    members: dict[str, int], ports: tuple[int | None, int | None]
) -> None:
    rows = log_rows(packets=[[0, 1]])
    ((_, flow),) = untallied_flows(log_key(**members), rows, 0, lambda *_: ("x",))
    assert flow.ports == ports
    assert flow.rules == []

import pytest

from secgroup.errors import InputError
from secgroup.model.network import Network
from secgroup.replay.change import Change, Schedule, parse_change, parse_time, rfc3339_ns

NOON_NS = 1_772_366_400_000_000_000


@pytest.mark.semantics("replay-23")
@pytest.mark.parametrize(
    ("text", "ns"),
    [("0", 0), ("12.5", 12_500_000_000), ("0.000000001", 1), ("1e3", 10**12)],
)
def test_seconds_from_the_first_packet(text: str, ns: int) -> None:
    time = parse_time(text, source="x")
    assert (time.ns, time.is_relative) == (ns, True)
    assert time.after(NOON_NS) == NOON_NS + ns


@pytest.mark.semantics("replay-23")
@pytest.mark.parametrize(
    ("text", "ns"),
    [
        ("2026-03-01T12:00:00Z", NOON_NS),
        ("2026-03-01t12:00:00z", NOON_NS),
        ("2026-03-01T13:00:00+01:00", NOON_NS),
        ("2026-03-01T12:00:00.123456789Z", NOON_NS + 123_456_789),
        ("2026-03-01T07:00:00.5-05:00", NOON_NS + 500_000_000),
    ],
)
def test_rfc_3339(text: str, ns: int) -> None:
    time = parse_time(text, source="x")
    assert (time.ns, time.is_relative) == (ns, False)
    assert time.after(17) == ns
    assert rfc3339_ns(text, expected="", source="") == ns


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        "-1",
        "nan",
        "inf",
        "1e99",
        "2026-03-01",
        "2026-03-01T12:00:00",
        "2026-13-01T12:00:00Z",
        "12:00:00Z",
    ],
)
def test_other_times_are_refused(text: str) -> None:
    with pytest.raises(InputError, match="expected TIME=NETWORK"):
        parse_time(text, source="x")


def test_a_change_is_a_time_and_a_name() -> None:
    time, name = parse_change("1.5=after=all.yaml")
    assert (time.text, name) == ("1.5", "after=all.yaml")


@pytest.mark.parametrize("text", ["", "12", "12=", "=x.yaml"])
def test_a_change_without_either_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="--change"):
        parse_change(text)


def change(text: str, name: str) -> Change:
    return Change(time=parse_time(text, source="x"), network=Network(), name=name)


@pytest.mark.semantics("replay-23")
def test_changes_come_in_the_order_of_their_times_each_once() -> None:
    schedule = Schedule([change("2", "c"), change("1", "a"), change("1", "b")])
    assert schedule.due(1, NOON_NS) == []
    assert [each.name for each in schedule.due(2, NOON_NS + 10**9)] == ["a", "b"]
    assert schedule.due(3, NOON_NS + 10**9) == []
    assert [each.name for each in schedule.left] == ["c"]
    assert [each.name for each in schedule.due(9, NOON_NS + 5 * 10**9)] == ["c"]
    assert [(frame, each.name) for frame, each in schedule.made] == [(2, "a"), (2, "b"), (9, "c")]


def test_without_a_packet_every_change_is_left() -> None:
    assert [each.name for each in Schedule([change("0", "a")]).left] == ["a"]

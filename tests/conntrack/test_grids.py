import pytest

from secgroup.conntrack import icmp, other, tcp, udp
from secgroup.conntrack.grid import Side, parse_grid
from secgroup.conntrack.state import State
from tests.conntrack.cells import CELLS, NONE

MACHINES = {"tcp": tcp, "udp": udp, "icmp": icmp, "other": other}
LISTED = [(machine, *cell) for machine, cells in CELLS.items() for cell in cells]


def state(name):
    return None if name == NONE else State[name]


@pytest.mark.semantics("ct-20", "ct-21", "ct-22", "ct-23", "ct-24", "ct-25")
@pytest.mark.parametrize(
    ("machine", "side", "event", "before", "after", "sentence"),
    LISTED,
    ids=["-".join(cell[:4]) for cell in LISTED],
)
def test_cell(machine, side, event, before, after, sentence):
    grid = MACHINES[machine]
    cell = grid.TRANSITIONS[Side[side], grid.Event[event], state(before)]
    assert cell is state(after), sentence


@pytest.mark.parametrize("machine", MACHINES)
def test_the_list_has_every_cell_once(machine):
    listed = [
        (Side[side], MACHINES[machine].Event[event], state(before))
        for side, event, before, _, _ in CELLS[machine]
    ]
    assert len(listed) == len(set(listed))
    assert set(listed) == set(MACHINES[machine].TRANSITIONS)
    size = 2 * len(MACHINES[machine].Event) * (1 + len(MACHINES[machine].STATES))
    assert len(listed) == size


def test_every_state_belongs_to_one_machine():
    owned = [each for machine in MACHINES.values() for each in machine.STATES.values()]
    assert sorted(owned) == sorted(State)


STATES = {"A": State.UDP_1_0}
GOOD = "         --  A\nDATAGRAM  A  A"


def test_grid_reads_a_total_text():
    assert dict(parse_grid(GOOD, events=udp.Event, states=STATES)) == {
        (udp.Event.DATAGRAM, None): State.UDP_1_0,
        (udp.Event.DATAGRAM, State.UDP_1_0): State.UDP_1_0,
    }


@pytest.mark.parametrize(
    "text",
    [
        "",
        "-- A",  # no row
        "--\nDATAGRAM A",  # a column missing
        "-- A A\nDATAGRAM A A A",  # a column doubled
        "-- A B\nDATAGRAM A A A",  # a column not known
        GOOD + "\nDATAGRAM A A",  # a row doubled
        GOOD + "\nSEGMENT A A",  # a row not known
        "-- A\nDATAGRAM A",  # a row too short
        "-- A\nDATAGRAM A A A",  # a row too long
        "-- A\nDATAGRAM A Z",  # a cell that is no state
    ],
)
def test_grid_that_is_not_total_is_refused(text):
    with pytest.raises(ValueError, match=r"states|rows|columns|zip|unpack"):
        parse_grid(text, events=udp.Event, states=STATES)

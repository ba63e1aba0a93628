"""Generated networks and traces, biased to the edges of rules: what every plane is judged by.

`make_trace(seed, packets)` is a pure function of its arguments. `python -m tests.support.traces
--seed N --packets N` prints what the traces from seed N on cover.
"""

from tests.support.traces.coverage import Coverage, Watch, coverage_of
from tests.support.traces.networks import make_network
from tests.support.traces.strange import Writer, make_trace
from tests.support.traces.trace import Arrival, Edit, Event, Trace, gone, played, steps

__all__ = [
    "Arrival",
    "Coverage",
    "Edit",
    "Event",
    "Trace",
    "Watch",
    "Writer",
    "coverage_of",
    "gone",
    "make_network",
    "make_trace",
    "played",
    "steps",
]

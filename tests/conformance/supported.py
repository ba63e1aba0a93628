"""docs/supported.md: what each subject can do, from the tests that show it.

A cell says yes because the tests that require the capability ran on that subject; where it is
closed it says why. `text` needs no run: every test of the suite is a function with a mark.
"""

import importlib
import pkgutil
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

import tests.conformance
from tests.conformance.capability import Capability
from tests.conformance.judge import TOLERATED
from tests.conformance.subjects import SUBJECTS

PAGE = Path(__file__).resolve().parents[2] / "docs" / "supported.md"

_HEAD = """# What is supported where

<!-- Written by `python -m tests.conformance`; do not edit. -->

One suite, `tests/conformance`, asks every subject the same: %s.
A capability is there when every test that requires it passes; the number says how many do.
Where there is none, the sentence below the table says why.
"""

_TRACES = """## The kernel's program beside the definition

`tests/conformance/test_traces.py` sends 200,000 packets of generated traces through the shipped
object, a test run each: both families, fragments, ICMP errors, malformed packets, extension
headers, options, tags and padding, all switches, allowances, expiry at -1, 0 and +1 ms, rules and
members and ACLs that change between two packets, an agent that starts again. Compared are the
verdict, the reason, all rule ids, the ACL and its entry, the states of every packet; the whole
table of connections, byte by byte, and what owners have taken, as each second begins; at the end
the counters, the maps of the policy, and that flow logs are fed every packet once. With
`python -m tests.conformance --packets N` it goes on for as long as one likes.

`tests/conformance/test_hostile.py` does the same with 32,000 packets that are cut, grown, flipped,
spliced and quoted: what is read of them is what `net/wire.py` reads.

A test run gives a linear frame without segments to be and without tags beside it. What differs,
and is meant to:
"""


def required() -> Mapping[Capability, int]:
    """How many test functions require each capability."""
    return Counter(
        capability
        for function in _tests()
        for mark in getattr(function, "pytestmark", ())
        if mark.name == "requires"
        for capability in mark.args
    )


def _tests() -> Iterator[object]:
    for module in pkgutil.iter_modules(tests.conformance.__path__):
        if module.name.startswith("test_"):
            found = importlib.import_module(f"tests.conformance.{module.name}")
            yield from (value for name, value in vars(found).items() if name.startswith("test_"))


def text() -> str:
    """Return the page."""
    counts = required()
    head = _HEAD % ", ".join(f"*{name}*, {about}" for name, (_, _, about) in SUBJECTS.items())
    lines = [head, f"| | tests | {' | '.join(SUBJECTS)} |", "|---|---|" + "---|" * len(SUBJECTS)]
    reasons: dict[str, int] = {}
    for capability in Capability:
        cells = []
        for subject, _, _ in SUBJECTS.values():
            why = subject.closed.get(capability)
            cells.append("yes" if why is None else f"no [{_number(reasons, why)}]")
        lines.append(f"| {capability.value} | {counts[capability]} | {' | '.join(cells)} |")
    lines.append("")
    lines += [f"{number}. {why[0].upper()}{why[1:]}." for why, number in reasons.items()]
    lines += ["", _TRACES]
    lines += [f"- *{name}*: {why}." for name, why in TOLERATED.items()]
    return "\n".join(lines) + "\n"


def _number(reasons: dict[str, int], why: str) -> int:
    return reasons.setdefault(why, len(reasons) + 1)

"""Differences made small enough to read, and kept in `tests/corpus`."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import fields, replace
from pathlib import Path

from secgroup.model.network import Network
from tests.engine.judge import Difference, compare
from tests.support.traces import Edit, Trace
from tests.support.traces.text import parsed, spelled

CORPUS = Path(__file__).resolve().parents[1] / "corpus"

Change = Callable[[Network], Network]
#: Plays a trace through two; None where they agree.
Judge = Callable[..., Difference | None]


def minimised(trace: Trace, *, judge: Judge = compare, **options: int) -> tuple[Trace, Difference]:
    """Take away events, then parts of the network, as long as the two still part."""
    different = judge(trace, **options)
    assert different is not None
    behind = different.event + options.get("largest", 700) + 1
    trace = replace(trace, events=trace.events[:behind])
    size = len(trace.events)
    while size >= 1:
        at = 0
        while at < len(trace.events):
            fewer = replace(trace, events=trace.events[:at] + trace.events[at + size :])
            again = _parting(judge, fewer, **options)
            if again is None:
                at += size
            else:
                trace, different = fewer, again
        size //= 2
    # What is at the end of a mapping may be needed by what is before it: twice.
    for _ in range(2):
        for change in list(_less(trace.network)):
            with suppress(KeyError, ValueError, StopIteration):
                smaller = _changed(trace, change)
                again = _parting(judge, smaller, **options)
                if again is not None:
                    trace, different = smaller, again
    return trace, different


def kept(trace: Trace, different: Difference, *, folder: Path = CORPUS) -> Path:
    """Write a trace into the corpus, and say in it what was different."""
    path = folder / f"seed-{trace.seed}.trace"
    said = "".join(f"# {line}\n" for line in str(different).splitlines())
    path.write_text(f"{said}{spelled(trace)}\n")
    return path


def read(path: Path) -> Trace:
    """Read a trace of the corpus."""
    return parsed(path.read_text())


def _parting(judge: Judge, trace: Trace, **options: int) -> Difference | None:
    """Compare; a trace that cannot be played parts nobody."""
    try:
        return judge(trace, **options)
    except (KeyError, ValueError, StopIteration, AttributeError):
        return None


def _changed(trace: Trace, change: Change) -> Trace:
    events = tuple(
        Edit(network=change(each.network)) if isinstance(each, Edit) else each
        for each in trace.events
    )
    return replace(trace, network=change(trace.network), events=events)


def _less(network: Network) -> Iterator[Change]:
    """What may be taken away, the largest first."""
    for field in fields(network):
        nouns = getattr(network, field.name)
        if isinstance(nouns, Mapping):
            for key in nouns:
                yield lambda known, name=field.name, key=key: replace(
                    known,
                    **{name: {k: v for k, v in getattr(known, name).items() if k != key}},
                )
    parts = (("groups", "rules"), ("acls", "entries"), ("interfaces", "group_ids"),
             ("route_tables", "routes"), ("prefix_lists", "entries"))  # fmt: skip
    for name, part in parts:
        for key, noun in getattr(network, name).items():
            for each in getattr(noun, part) or ():
                yield lambda known, name=name, part=part, key=key, each=each: _without(
                    known, name, part, key, each
                )


def _without(network: Network, name: str, part: str, key: str, gone: object) -> Network:
    nouns = dict(getattr(network, name))
    left = tuple(each for each in getattr(nouns[key], part) if each != gone)
    nouns[key] = replace(nouns[key], **{part: left})
    return replace(network, **{name: nouns})

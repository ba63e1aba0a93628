"""`secgroup replay`: a capture in, verdicts out.

Owns the options, the files and the order in which they are opened; what a replay is, `replay`
knows.
"""

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, BinaryIO, cast

import click

from secgroup.cli.interrupt import Interrupts
from secgroup.cli.options import is_strict, load_also, network_options
from secgroup.cli.replay_run import Outputs, Replay, Source, replay_by
from secgroup.errors import CaptureError, InputError

if TYPE_CHECKING:
    from secgroup.model.network import Network
    from secgroup.reference.memory import Switches
    from secgroup.replay.summary import Summary


@click.command("replay")
@network_options
@click.argument("capture", metavar="CAPTURE")
@click.option(
    "--at",
    metavar="[CAPTURE_INTERFACE=]ENI",
    multiple=True,
    help="The interface that was captured; packets are decided there only.",
)
@click.option("--vpc", metavar="VPC", help="Which VPC, when two have the same address.")
@click.option("--decapsulate", type=click.Choice(["vxlan"]), help="Look inside Traffic Mirroring.")
@click.option(
    "--change",
    "changes",
    metavar="TIME=NETWORK",
    multiple=True,
    help="Put another network in force: seconds from the first packet, or RFC 3339.",
)
@click.option("--against", metavar="NETWORK", help="List the connections it judges differently.")
@click.option("--no-adopt", is_flag=True, help="Open connections get no entries.")
@click.option(
    "--allowance", metavar="[OWNER=]N", multiple=True, help="Tracked connections per instance."
)
@click.option("--no-related-icmp", is_flag=True, help="ICMP errors: only what AWS documents.")
@click.option("--loose-tcp", is_flag=True, help="TCP in mid-stream makes an entry.")
@click.option("--strict-tcp", is_flag=True, help="TCP in mid-stream is refused.")
@click.option("--decisions", metavar="FILE", help="Every decision, as JSON Lines.")
@click.option("--connections", metavar="FILE", help="Every flow alive at the end, as JSON Lines.")
@click.option("--annotate", metavar="FILE.pcapng", help="The capture with verdicts as comments.")
@click.option("--flow-log", metavar="FILE", help="A flow log; .gz and .parquet by suffix.")
@click.option("--format", metavar="FIELDS", help="Its fields, as AWS spells them.")
@click.option("--interval", type=click.Choice(["60", "600"]), help="Its windows, in seconds.")
@click.option("--window-start", metavar="TIME", help="When a window starts (RFC 3339).")
@click.option(
    "--engine",
    type=click.Choice(["auto", "compiled", "reference"]),
    default="auto",
    help="auto: compiled; for a small file the definition, which gives the same answers.",
)
@click.option(
    "--cores",
    type=click.IntRange(min=1),
    help="From 2 on, reading and writing have threads of their own; all there are, if not said.",
)
@click.option("--json", "as_json", is_flag=True, help="The summary for machines.")
@click.option("--fail-on", type=click.Choice(["rejected"]), help="Exit 1 if there are any.")
def command(network: "Network", capture: str, **options: Any) -> int:
    """Decide every packet of CAPTURE (pcap or pcapng; - is standard input), and say why.

    NETWORK is a CloudFormation template, or a file or folder of aws ec2 describe-* output.
    """
    from secgroup.cli import BAD_INPUT, DONE, NO

    outputs = _outputs(options, capture)
    switches = _switches(options, network)
    at = _at(options["at"])
    changes = [_change(text) for text in options["changes"]]
    kept = {"switches": switches, "at": at, "vpc": options["vpc"], "adopt": not options["no_adopt"]}
    against = None
    if options["against"] is not None:
        against = f"--against {options['against']}", load_also(options["against"])
    given = click.get_current_context().params
    replay = replay_by(given, network, against, changes, kept)
    with ExitStack() as stack:
        damage: CaptureError | None = None
        source = stack.enter_context(_source(capture, twice=outputs.annotate is not None))
        # In a terminal the program that captures gets the first one too: the capture ends.
        stack.enter_context(Interrupts(spared=1 if source.size is None else 0))
        replay.open(outputs, stack)
        try:
            _go(replay, source, outputs, stack, decapsulate=options["decapsulate"] is not None)
        except CaptureError as error:
            damage = error
        summary = replay.finish(damage=None if damage is None else str(damage))
        if summary.decisions == 0 and damage is None:
            raise _nothing_decided(summary, source.name)
        _write_connections(outputs, summary, stack)
    doubts = _warn(summary)
    _show(summary, source.name, as_json=options["as_json"], against=options["against"])
    if damage is not None:
        click.echo(f"secgroup: {damage}", err=True)
        return BAD_INPUT
    if doubts and is_strict():
        noun = "warning" if doubts == 1 else "warnings"
        raise InputError(f"{doubts} {noun}, and --strict was given", source=source.name)
    return NO if options["fail_on"] == "rejected" and summary.rejected > 0 else DONE


@contextmanager
def _source(capture: str, *, twice: bool) -> Iterator[Source]:
    """Open a capture, with a second reader where it must be read twice."""
    with ExitStack() as stack:
        if capture == "-":
            name, size = "standard input", None
            if sys.stdin is None:
                raise InputError("standard input is closed (expected a capture)")
            stream = cast("BinaryIO", sys.stdin.buffer)
            if stream.isatty():
                raise InputError("standard input is a terminal (expected a capture)")
        else:
            name, path = capture, Path(capture)
            stream = stack.enter_context(_open(path, name))
            size = path.stat().st_size if path.is_file() else None
        again = None
        if twice and size is None:
            # What comes through a pipe can be read once.
            path = Path(stack.enter_context(_spooled(stream, name)))
            stream, size = stack.enter_context(_open(path, name)), path.stat().st_size
        if twice:
            again = stack.enter_context(_open(path, name))
        yield Source(name=name, stream=stream, again=again, size=size)


def _open(path: Path, name: str) -> BinaryIO:
    try:
        return path.open("rb")
    except (OSError, ValueError) as problem:
        reason = problem.strerror if isinstance(problem, OSError) else str(problem)
        raise InputError(f"cannot be opened: {reason}", source=name) from None


@contextmanager
def _spooled(stream: BinaryIO, name: str) -> Iterator[str]:
    """Copy a stream to a temporary file, and yield its path."""
    with tempfile.NamedTemporaryFile() as spool:
        try:
            with Interrupts(spared=1):
                shutil.copyfileobj(stream, spool)
                spool.flush()
        except OSError as problem:
            raise InputError(
                f"cannot be kept to be read twice: {problem.strerror}", source=name
            ) from None
        yield spool.name


def _go(
    replay: "Replay", source: Source, outputs: Outputs, stack: ExitStack, *, decapsulate: bool
) -> None:
    """Take every frame through the replay, and copy it with its comment if that is asked for."""
    from secgroup.cli.progress import Progress
    from secgroup.flowlog.write import replacing
    from secgroup.net.capture import annotate

    with Progress(source.size, source.stream.tell) as progress:
        if source.again is not None and outputs.annotate is not None:
            comments = replay.comments(source, progress, decapsulate=decapsulate)
            copy = stack.enter_context(replacing(Path(outputs.annotate)))
            # A file that grows may have more for the second reader than for the first.
            annotate(
                source.again,
                cast("BinaryIO", copy),
                lambda _number: next(comments, None),
                source=source.name,
            )
            for _ in comments:
                pass
        else:
            replay.go(source, progress, decapsulate=decapsulate)


def _write_connections(outputs: Outputs, summary: "Summary", stack: ExitStack) -> None:
    from secgroup.flowlog.write import replacing
    from secgroup.replay.live import live_lines

    if outputs.connections is not None:
        stream: IO[bytes] = stack.enter_context(replacing(Path(outputs.connections)))
        for line in live_lines(summary.firewall):
            stream.write(line.encode() + b"\n")


def _outputs(options: dict[str, Any], capture: str) -> Outputs:
    """Collect the output options, and refuse those that do not fit together."""
    names = {"flow_log": "--flow-log"} | {
        name: f"--{name}" for name in ("decisions", "connections", "annotate")
    }
    taken = {os.path.realpath(path): option for option, path in _inputs(capture)}
    for name, option in names.items():
        if options[name] == "-":
            raise click.UsageError(f"{option} - (expected a file; /dev/stdout is standard output)")
        if options[name] is not None:
            path = os.path.realpath(options[name])
            other = taken.setdefault(path, option)
            is_device = Path(path).exists() and not Path(path).is_file()
            if other != option and not is_device:
                raise click.UsageError(f"{option} and {other} are the same file: {options[name]}")
    if options["flow_log"] is None:
        for name in ("format", "interval", "window_start"):
            if options[name] is not None:
                raise click.UsageError(f"--{name.replace('_', '-')} needs --flow-log FILE")
    return Outputs(
        decisions=options["decisions"],
        connections=options["connections"],
        annotate=options["annotate"],
        flow_log=options["flow_log"],
        format=options["format"],
        interval=int(options["interval"] or 600),
        window_start=options["window_start"],
    )


def _inputs(capture: str) -> Iterator[tuple[str, str]]:
    """Yield what is read, with the option that names it."""
    given = click.get_current_context().params
    yield "NETWORK", given["network"]
    for name, option in (("also", "--with"), ("changes", "--change")):
        for text in given[name]:
            yield option, text.partition("=")[2] if name == "changes" else text
    for name, option in (("against", "--against"), ("address_file", "--addresses")):
        if given[name] is not None:
            yield option, given[name]
    if capture != "-":
        yield "CAPTURE", capture


def _switches(options: dict[str, Any], network: "Network") -> "Switches":
    from secgroup.reference.memory import Switches
    from secgroup.replay.who import interface_named

    if options["loose_tcp"] and options["strict_tcp"]:
        raise click.UsageError("--loose-tcp and --strict-tcp exclude each other")
    everyone: int | None = None
    single: dict[str, int] = {}
    for text in options["allowance"]:
        owner, equals, number = text.rpartition("=")
        if not number.isascii() or not number.isdigit() or (equals and not owner):
            raise InputError(
                "expected N or OWNER=N, a number of connections", source=f"--allowance {text}"
            )
        if equals:
            single[interface_named(network, owner).owner] = int(number)
        else:
            everyone = int(number)
    return Switches(
        related_icmp=not options["no_related_icmp"],
        loose_tcp=options["loose_tcp"],
        strict_tcp=options["strict_tcp"],
        allowance=everyone,
        allowances=single,
    )


def _at(texts: tuple[str, ...]) -> dict[str | None, str]:
    found: dict[str | None, str] = {}
    for text in texts:
        captured, equals, name = text.rpartition("=")
        key = captured if equals else None
        if key in found or not name or key == "":
            raise InputError(
                "expected ENI or CAPTURE_INTERFACE=ENI, each once", source=f"--at {text}"
            )
        found[key] = name
    return found


def _change(text: str) -> Any:
    from secgroup.replay.change import Change, parse_change

    time, name = parse_change(text)
    return Change(time=time, network=load_also(name), name=name)


def _nothing_decided(summary: "Summary", name: str) -> InputError:
    from secgroup.cli.replay_text import nothing_decided

    return InputError(nothing_decided(summary), source=name)


def _warn(summary: "Summary") -> int:
    """Write what to know before trusting the numbers, and return how much that is."""
    from secgroup.cli.replay_text import warnings

    lines = list(warnings(summary))
    for line in lines:
        click.echo(f"secgroup: warning: {line}", err=True)
    return len(lines)


def _show(summary: "Summary", name: str, *, as_json: bool, against: str | None) -> None:
    if as_json:
        from secgroup.cli.replay_json import as_text

        click.echo(as_text(summary, name))
        return
    from secgroup.cli.replay_text import show

    show(summary, name, against=against)

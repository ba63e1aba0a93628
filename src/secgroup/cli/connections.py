"""`secgroup connections`: what the kernel plane tracks now, out of its own memory.

Owns the options, the table and the lines of JSON. What is alive and what is chosen,
`dataplane.bpf.connections` knows.
"""

import json
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from secgroup.cli.plane_options import endpoint_option, plane_options, root_of
from secgroup.cli.table import draw
from secgroup.conntrack.state import State
from secgroup.errors import InputError
from secgroup.net.address import Prefix, parse_prefix
from secgroup.net.direction import Direction
from secgroup.net.protocol import PROTOCOL_NUMBERS, protocol_name

if TYPE_CHECKING:
    from secgroup.dataplane.bpf.connections import Connection, Connections, Selection
    from secgroup.dataplane.bpf.events import NameOf
    from secgroup.dataplane.bpf.pinned import Pinned

#: How many a table shows, unless more are asked for.
SHOWN: Final = 100
_SECONDS: Final = 1.0
_STATES: Final = {each.name: each for each in State}
_HEADER: Final = (
    *("interface", "direction", "protocol", "inside", "outside", "state", "age", "idle", "left"),
    *("out packets", "out bytes", "in packets", "in bytes", "rule"),
)


@click.command("connections", short_help="List what the kernel plane tracks now.")
@click.option("--interface", "interfaces", metavar="ENI", multiple=True, help="Made by this one.")
@click.option("--group", "groups", metavar="SG", multiple=True, help="Of interfaces that carry it.")
@click.option("--peer", "peers", metavar="CIDR", multiple=True, help="With a peer in this block.")
@click.option("--state", "states", metavar="STATE", multiple=True, help="ESTABLISHED, SYN_SENT ...")
@click.option("--protocol", "protocols", metavar="NAME", multiple=True, help="tcp, udp, 47 ...")
@click.option(
    "--limit", type=click.IntRange(1), help=f"Of so many.  [default: {SHOWN}; --json: all]"
)
@click.option("--summary", is_flag=True, help="Only how many there are, and what owners have left.")
@click.option("--watch", is_flag=True, help="Again every second, until interrupted.")
@click.option("--kill", is_flag=True, help="End them, as a RST would; asks for a filter.")
@click.option("--json", "as_json", is_flag=True, help="A line of JSON each.")
@endpoint_option
@plane_options
def command(
    interfaces: tuple[str, ...],
    groups: tuple[str, ...],
    peers: tuple[str, ...],
    states: tuple[str, ...],
    protocols: tuple[str, ...],
    limit: int | None,
    summary: bool,
    watch: bool,
    kill: bool,
    as_json: bool,
    endpoint: str,
    pins: Path | None,
    lab: str | None,
) -> None:
    """List the connections that the kernel plane tracks, the oldest first.

    Reads the kernel's tables: root is needed, a running server is not, but for --group.
    """
    from secgroup.dataplane.bpf.clock import kernel_ms
    from secgroup.dataplane.bpf.pinned import end, opened, pinned

    if kill and not (interfaces or groups or peers or states or protocols):
        raise InputError(
            "expected a filter too: --interface, --group, --peer, --state or --protocol",
            source="--kill",
        )
    if kill and (watch or summary):
        raise InputError("expected neither --watch nor --summary with it", source="--kill")
    root = root_of(pins, lab)
    wanted = [*interfaces, *_carrying(groups, endpoint, lab)] if interfaces or groups else None
    with opened(root) as descriptors:
        plane = pinned(root, descriptors)
        selection = _selection(plane, wanted, peers, states, protocols)
        while True:
            began_s = time.monotonic()
            everything = plane.connections(kernel_ms())
            chosen = everything.chosen(selection)
            if kill:
                click.echo(f"{end(root, chosen.keys):,} of {len(everything):,} connections ended")
                return
            if watch and sys.stdout.isatty():
                click.clear()
            _show(plane, everything, chosen, limit, summary=summary, as_json=as_json)
            sys.stdout.flush()
            if not watch:
                return
            time.sleep(max(0.0, began_s + _SECONDS - time.monotonic()))


def _carrying(groups: tuple[str, ...], endpoint: str, lab: str | None) -> list[str]:
    """Return the interfaces with a device that carry one of some groups."""
    if not groups:
        return []
    if lab is not None:
        from secgroup.lab.kept import read

        standing = (each for place in read(lab).places for each in place.interfaces)
        carried = [(each.interface_id, each.group_ids) for each in standing]
    else:
        from secgroup.api.client import ask
        from secgroup.api.devices import PATH

        devices = ask(endpoint, "GET", PATH)["devices"]
        carried = [(each["interface_id"], each["group_ids"]) for each in devices]
    return [
        interface_id for interface_id, ids in carried if interface_id and set(groups) & set(ids)
    ]


def _selection(
    plane: "Pinned",
    wanted: list[str] | None,
    peers: tuple[str, ...],
    states: tuple[str, ...],
    protocols: tuple[str, ...],
) -> "Selection":
    """Return what the options mean.

    Raises
    ------
    InputError
        One is no interface, block, state or protocol.

    """
    from secgroup.dataplane.bpf.connections import Selection
    from secgroup.dataplane.bpf.layout import NAMES
    from secgroup.dataplane.bpf.pinned import numbers_of

    chosen: list[int] | None = None
    if wanted is not None:
        numbers = numbers_of(plane.maps, NAMES["INTERFACE"])
        for each in wanted:
            if each not in numbers:
                raise InputError("is not known to the kernel plane", source=each)
        chosen = [numbers[each] for each in wanted]
    for each in states:
        if each.upper() not in _STATES:
            raise InputError(f"expected {', '.join(_STATES)}", source=f"--state {each}")
    return Selection(
        interfaces=chosen,
        peers=tuple(map(_peer, peers)),
        states=tuple(_STATES[each.upper()] for each in states),
        protocols=tuple(map(_protocol, protocols)),
    )


def _peer(text: str) -> Prefix:
    whole = text if "/" in text else f"{text}/{128 if ':' in text else 32}"
    try:
        return parse_prefix(whole)
    except InputError as error:
        raise InputError(error.problem, source="--peer") from None


def _protocol(text: str) -> int:
    number = PROTOCOL_NUMBERS.get(text.lower(), int(text) if text.isdecimal() else 256)
    if number > 255:
        raise InputError(
            f"expected {', '.join(PROTOCOL_NUMBERS)}, or 0 to 255", source=f"--protocol {text}"
        )
    return number


def _show(
    plane: "Pinned",
    everything: "Connections",
    chosen: "Connections",
    limit: int | None,
    *,
    summary: bool,
    as_json: bool,
) -> None:
    from secgroup.dataplane.bpf.pinned import names_of

    name_of = names_of(plane.maps)
    if as_json and not summary:
        shown = chosen if limit is None else chosen.first(limit)
        for each in shown:
            sys.stdout.write(json.dumps(_told(each, name_of)) + "\n")
        return
    allowances = _allowances(plane)
    if as_json:
        click.echo(json.dumps({**_counts(everything, chosen), "owners": allowances}))
        return
    if not summary:
        shown = chosen.first(SHOWN if limit is None else limit)
        draw("Connections", _HEADER, [_row(each, name_of) for each in shown])
        if len(shown) < len(chosen):
            click.echo(f"  ... and {len(chosen) - len(shown):,} more (--limit, --json)")
    else:
        draw("Owners", tuple(_OWNER), [tuple(map(str, each.values())) for each in allowances])
    click.echo(_summary(everything, chosen))


def _summary(everything: "Connections", chosen: "Connections") -> str:
    states = ", ".join(f"{count:,} {state.name}" for state, count in chosen.states().items())
    of = "" if len(chosen) == len(everything) else f" of {len(everything):,}"
    over = f"; {everything.over:,} over, not yet swept" if everything.over else ""
    return f"\n{len(chosen):,}{of} connections" + (f": {states}" if states else "") + over


def _counts(everything: "Connections", chosen: "Connections") -> dict[str, Any]:
    return {
        "connections": len(everything),
        "chosen": len(chosen),
        "over": everything.over,
        "states": {state.name: count for state, count in chosen.states().items()},
    }


_OWNER: Final = (
    *("owner", "entries", "conntrack_allowance_available", "conntrack_allowance_exceeded"),
)


def _allowances(plane: "Pinned") -> list[dict[str, Any]]:
    """Return what each owner's entries take, may still take, and have been refused."""
    from secgroup.dataplane.bpf.gauges import owners

    return [
        dict(zip(_OWNER, (each.name, each.entries, each.available, each.exceeded), strict=True))
        for each in owners(plane.maps)
    ]


def _row(each: "Connection", name_of: "NameOf") -> tuple[str, ...]:
    told = _told(each, name_of)
    brackets = each.inside.version == 6
    inside, outside = (f"[{at}]" if brackets else str(at) for at in (each.inside, each.outside))
    query = "" if each.query is None else f" {each.query}"
    return (
        str(told["interface_id"]),
        str(each.direction),
        protocol_name(each.protocol) + query,
        f"{inside}:{each.inside_port}",
        f"{outside}:{each.outside_port}",
        each.state.name,
        *(_duration(seconds) for seconds in (each.age_s, each.idle_ms / 1000, each.left_ms / 1000)),
        *(str(told[name]) for name in ("egress_packets", "egress_bytes")),
        *(str(told[name]) for name in ("ingress_packets", "ingress_bytes")),
        str(told["rule_id"] or "-"),
    )


def _told(each: "Connection", name_of: "NameOf") -> Mapping[str, Any]:
    """Return what is told of a connection."""
    from secgroup.dataplane.bpf.layout import NAMES

    into, out = Direction.INGRESS, Direction.EGRESS
    return {
        "owner": name_of(NAMES["OWNER"], each.owner),
        "interface_id": name_of(NAMES["INTERFACE"], each.interface),
        "protocol": each.protocol,
        "direction": str(each.direction),
        "inside_address": str(each.inside),
        "inside_port": each.inside_port,
        "outside_address": str(each.outside),
        "outside_port": each.outside_port,
        "icmp_type": each.query,
        "state": each.state.name,
        "age_s": each.age_s,
        "idle_s": each.idle_ms / 1000,
        "timeout_left_s": each.left_ms / 1000,
        "egress_packets": each.packets[out],
        "egress_bytes": each.octets[out],
        "ingress_packets": each.packets[into],
        "ingress_bytes": each.octets[into],
        "rule_id": name_of(NAMES["RULE"], each.admission),
    }


def _duration(seconds: float) -> str:
    """Write seconds so that three digits matter: 0.4 s, 59 s, 12 min, 4.9 d."""
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.1f} {unit}"
    return f"{seconds:.1f} s"

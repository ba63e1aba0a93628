"""`secgroup lab`: a network as namespaces of this host, a filter in front of every interface.

Owns the options and the tables. What is built, `lab` knows.
"""

import json
import os
import sys
import time
from typing import TYPE_CHECKING, Any, Final

import click

from secgroup.cli import DONE
from secgroup.cli.options import network_options
from secgroup.cli.table import draw
from secgroup.errors import DataPlaneError, InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from secgroup.lab.plan import Mtus
    from secgroup.lab.topology import Place
    from secgroup.model.network import Network

#: The version of what `lab status --json` prints.
SCHEMA: Final = 1
_PATIENCE_S: Final = 1.0

_NAME = click.option(
    "--name",
    "lab",
    default="lab",
    show_default=True,
    metavar="LAB",
    envvar="SECGROUP_LAB",
    show_envvar=True,
    help="Which lab.",
)


@click.group("lab")
def command() -> None:
    """Build a network of namespaces on this host, and try its groups with real packets.

    Needs root. Every instance or interface becomes a namespace, routed by its VPC's router, with
    its groups and ACLs in force in the kernel; `internet` is a namespace too.
    """


@command.command("up")
@network_options
@_NAME
@click.option(
    "--mtu",
    "mtus",
    metavar="[NAME=]BYTES",
    multiple=True,
    help="The MTU of all links inside of VPCs, or of one.  [default: 1500]",
)
def bring_up(network: "Network", lab: str, mtus: tuple[str, ...]) -> None:
    """Build the lab of NETWORK, or make the one that is there follow it."""
    from secgroup.lab.lab import up
    from secgroup.lab.names import checked_lab

    progress = _Steps()
    topology = up(
        network,
        checked_lab(lab),
        mtus=_mtus(mtus),
        warn=lambda text: click.echo(f"secgroup: warning: {text}", err=True),
        tell=progress.tell,
    )
    progress.end()
    hosts = sum(1 for place in topology.places if place.interfaces)
    click.echo(f"{lab}: {hosts} hosts in {len(topology.namespaces)} namespaces")


@command.command(
    "exec", context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False}
)
@_NAME
@click.argument("name", metavar="NAME")
@click.argument("arguments", metavar="[-- COMMAND...]", nargs=-1, type=click.UNPROCESSED)
def execute(lab: str, name: str, arguments: tuple[str, ...]) -> int:
    """Run COMMAND, or a shell, where NAME is.

    NAME is an interface, instance, logical id, Name tag, VPC (its router) or internet. The exit
    code is the command's.
    """
    from secgroup.lab.kept import read
    from secgroup.lab.kernel import check_root
    from secgroup.lab.names import checked_lab
    from secgroup.lab.plan import find
    from secgroup.lab.within import exit_code, run

    check_root()
    if arguments[:1] == ("--",):
        arguments = arguments[1:]
    arguments = arguments or (os.environ.get("SHELL", "/bin/sh"),)
    place = find(read(checked_lab(lab)).places, name)
    try:
        run(lab, place, arguments)
    except OSError as error:
        click.echo(f"secgroup: {arguments[0]}: {error.strerror}", err=True)
        return exit_code(error)


@command.command("status")
@_NAME
@click.argument("name", metavar="[NAME]", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print it for machines.")
def status(lab: str, name: str | None, as_json: bool) -> int:
    """Show who is in the lab, and what is in force there."""
    from secgroup.lab.kept import read
    from secgroup.lab.kernel import check_root
    from secgroup.lab.names import checked_lab
    from secgroup.lab.plan import find

    check_root()
    known = read(checked_lab(lab))
    places = known.places if name is None else (find(known.places, name),)
    rows = _rows(lab, places)
    if as_json:
        value = {
            "schema": SCHEMA,
            "lab": lab,
            "network": known.network,
            "is_whole": known.is_whole,
            "interfaces": rows,
        }
        click.echo(json.dumps(value, indent=2))
        return DONE
    state = "" if known.is_whole else " (half built: `secgroup lab up` goes on)"
    header = ("interface", "namespace", "device", "addresses", "groups", "filter", "connections")
    draw(f"Lab {lab}{state}", header, [_cells(row) for row in rows])
    return DONE


def _rows(lab: str, places: "Sequence[Place]") -> list[dict[str, Any]]:
    """Return what is told of each interface; where nothing is in force, that."""
    from secgroup.dataplane.bpf.clock import kernel_ms
    from secgroup.lab.filters import observed

    ids = [each.interface_id for place in places for each in place.interfaces]
    try:
        filtered = observed(lab, ids, kernel_ms())
    except DataPlaneError:
        filtered = {}
    rows = []
    for place in places:
        for each in place.interfaces:
            state = filtered.get(each.interface_id)
            rows.append(
                {
                    "interface_id": each.interface_id,
                    "name": each.label,
                    "vpc_id": each.vpc_id,
                    "subnet_id": each.subnet_id,
                    "namespace": place.namespace,
                    "device": each.device,
                    "router": each.router,
                    "router_device": each.router_device,
                    "mac": each.mac,
                    "addresses": list(each.addresses),
                    "public": list(each.public),
                    "group_ids": list(each.group_ids),
                    "missing": ["plane"] if state is None else list(state.missing),
                    "connections": 0 if state is None else state.connections,
                }
            )
    return rows


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    missing = ", ".join(row["missing"])
    return (
        row["name"],
        row["namespace"],
        row["device"],
        " ".join([*row["addresses"], *row["public"]]),
        " ".join(row["group_ids"]),
        f"no {missing}" if missing else "on",
        str(row["connections"]),
    )


@command.command("down")
@_NAME
def take_down(lab: str) -> None:
    """Take away the lab, also one that was left half-built, and end what runs in it."""
    from secgroup.lab.lab import down
    from secgroup.lab.names import checked_lab

    count = down(checked_lab(lab))
    click.echo(f"{lab}: {count} namespaces removed" if count else f"{lab}: nothing was there")


class _Steps:
    """What a person who waits is told of a long `up`, on standard error."""

    def __init__(self) -> None:
        self._started_s = time.monotonic()
        self._is_watched = sys.stderr.isatty()
        self._has_told = False

    def tell(self, done: int, total: int) -> None:
        """So many steps of so many are done."""
        if self._is_watched and time.monotonic() - self._started_s > _PATIENCE_S:
            # What is written next goes over this.
            click.echo(f"{done:>5} of {total} steps\r", nl=False, err=True)
            self._has_told = True

    def end(self) -> None:
        """Take away what was told."""
        if self._has_told:
            click.echo(f"{'':40}\r", nl=False, err=True)


def _mtus(texts: tuple[str, ...]) -> "Mtus":
    """Read `9001` and `NAME=1400`; the last one of a name counts."""
    from secgroup.lab.plan import GREATEST_MTU, LEAST_MTU, Mtus

    every = Mtus().every
    named: dict[str, int] = {}
    for text in texts:
        name, equals, number = text.rpartition("=")
        # At most five digits: int() itself refuses thousands of them, with an error of its own.
        is_number = number.isascii() and number.isdigit() and len(number) <= 5
        if not is_number or not LEAST_MTU <= int(number) <= GREATEST_MTU or (equals and not name):
            raise InputError(
                f"expected bytes or NAME=bytes, {LEAST_MTU}-{GREATEST_MTU}", source=f"--mtu {text}"
            )
        if equals:
            named[name] = int(number)
        else:
            every = int(number)
    return Mtus(every=every, named=named)

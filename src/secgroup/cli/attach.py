"""`secgroup attach`: put an interface's groups before a device, through the running server."""

import json
from typing import TYPE_CHECKING, Any

import click

from secgroup.cli.plane_options import endpoint_option
from secgroup.cli.table import draw
from secgroup.errors import InputError
from secgroup.net.address import parse_mac

if TYPE_CHECKING:
    from secgroup.dataplane.bpf.probe import Finding


@click.command("attach", short_help="Put an interface's groups before a device.")
@click.argument("interface", required=False, metavar="[ENI]")
@click.option("--device", metavar="NAME", help="The host's side of it: a veth, a tap ...")
@click.option("--netns", metavar="NAME", help="The network namespace that the device is in.")
@click.option("--mac", metavar="ADDRESS", help="Where it sends from, if not from its EC2 address.")
@click.option("--live", is_flag=True, help="Although the device is up, and packets have passed.")
@click.option("--list", "is_list", is_flag=True, help="List the devices of interfaces.")
@click.option("--check", "is_check", is_flag=True, help="Say what this machine has and lacks.")
@click.option("--json", "as_json", is_flag=True, help="For machines.")
@endpoint_option
def command(
    interface: str | None,
    device: str | None,
    netns: str | None,
    mac: str | None,
    live: bool,
    is_list: bool,
    is_check: bool,
    as_json: bool,
    endpoint: str,
) -> None:
    """Put the security groups of interface ENI before a network device of this machine.

    Nothing passes the device any more but what the groups let. `secgroup serve --plane bpf` must be
    running; it keeps this in its store.
    """
    if is_check:
        _check(as_json=as_json)
        return
    from secgroup.api.client import ask
    from secgroup.api.devices import PATH

    if is_list:
        _list(ask(endpoint, "GET", PATH)["devices"], as_json=as_json)
        return
    if interface is None or device is None:
        raise InputError("expected ENI and --device NAME, --list, or --check")
    if mac is not None:
        parse_mac(mac)
    asked: dict[str, Any] = {"interface_id": interface, "device": device, "live": live}
    asked |= {} if netns is None else {"netns": netns}
    asked |= {} if mac is None else {"mac": mac}
    devices = ask(endpoint, "POST", PATH, asked)["devices"]
    if as_json:
        click.echo(json.dumps(next(each for each in devices if each["interface_id"] == interface)))


def _list(devices: list[dict[str, Any]], *, as_json: bool) -> None:
    if as_json:
        for each in devices:
            click.echo(json.dumps(each))
        return
    if not devices:
        click.echo("no interface has a device")
        return
    rows = [
        (
            each["interface_id"],
            each["device"],
            each["netns"] or "-",
            each["mac"] or "-",
            each["state"],
            " ".join(each["group_ids"]) or "-",
        )
        for each in devices
    ]
    draw("Devices", ("interface", "device", "netns", "mac", "state", "groups"), rows)


def _check(*, as_json: bool) -> None:
    """Tell what the kernel plane needs and finds here; without what is needed it exits with 1."""
    from secgroup.cli import NO
    from secgroup.dataplane.bpf.probe import is_ready, probe

    findings = probe()
    if as_json:
        for each in findings:
            found = {"name": each.name, "here": each.is_here, "needed": each.is_needed}
            click.echo(json.dumps({**found, "note": each.note}))
    else:
        draw("Kernel plane", ("what", "is", "note"), [_row(each) for each in findings])
    if not is_ready(findings):
        raise click.exceptions.Exit(NO)


def _row(each: "Finding") -> tuple[str, str, str]:
    missing = "missing" if each.is_needed else "absent"
    return each.name, "here" if each.is_here else missing, each.note

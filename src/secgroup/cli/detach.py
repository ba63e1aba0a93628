"""`secgroup detach`: take an interface's groups away from its device."""

from pathlib import Path

import click

from secgroup.cli.plane_options import endpoint_option, plane_options, root_of
from secgroup.errors import InputError


@click.command("detach", short_help="Take an interface's groups away from its device.")
@click.argument("interface", required=False, metavar="[ENI]")
@click.option("--all", "is_all", is_flag=True, help="Remove the whole plane; no server may run.")
@endpoint_option
@plane_options
def command(
    interface: str | None, is_all: bool, endpoint: str, pins: Path | None, lab: str | None
) -> None:
    """Take the security groups of interface ENI away from its device, which is open then.

    With --all every device of the plane is open, and its connections are forgotten.
    """
    if is_all == (interface is not None):
        raise InputError("expected either ENI or --all")
    if is_all:
        from secgroup.dataplane.bpf.pins import Pins

        root = root_of(pins, lab)
        if not root.exists():
            raise InputError("nothing is pinned there", source=str(root))
        Pins(root).remove()
        return
    from secgroup.api.client import ask
    from secgroup.api.devices import PATH

    ask(endpoint, "DELETE", PATH, {"interface_id": interface})

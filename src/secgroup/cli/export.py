"""`secgroup export`: the state of an endpoint as describe output."""

import json
import sys
from datetime import UTC, datetime
from pathlib import Path

import click

from secgroup.cli.serve import store_file
from secgroup.errors import InputError


@click.command("export")
@click.option("--store", metavar="FILE", help="The endpoint's.  [default: in your data directory]")
@click.option("--account", metavar="ID", help="Whose resources.  [default: the only one's]")
@click.option("--region", help="Of which region.  [default: the only one]")
@click.option(
    "-o",
    "--output",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Where to write; standard output otherwise.",
)
def command(
    store: str | None, account: str | None, region: str | None, output: Path | None
) -> None:
    """Write what an endpoint keeps as one file of describe output.

    The server must not be running. Every command that takes a NETWORK reads the file back.
    """
    from secgroup.api.operations import OPERATIONS
    from secgroup.control.export import export
    from secgroup.control.opening import opened
    from secgroup.control.store import SqliteStore
    from secgroup.flowlog.write import replacing

    path = store_file(store)
    if not path.exists():
        raise InputError("is not there (expected the store of secgroup serve)", source=str(path))
    kept = SqliteStore(path)
    try:
        state = opened(kept).state
        found = [
            each
            for each in state.worlds()
            if account in (None, each[0]) and region in (None, each[1]) and each[0] != "AWS"
        ]
        if len(found) != 1:
            names = ", ".join(f"{each[0]} in {each[1]}" for each in found) or "none"
            raise InputError(
                f"has resources of {names} (expected one: --account and --region say which)",
                source=str(path),
            )
        world = state.world(*found[0], datetime.now(UTC))
        text = json.dumps(export(world, OPERATIONS), indent=2) + "\n"
    finally:
        kept.close()
    if output is None:
        sys.stdout.write(text)
        return
    with replacing(output) as stream:
        stream.write(text.encode())

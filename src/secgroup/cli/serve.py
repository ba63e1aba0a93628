"""`secgroup serve`: EC2's endpoint on this machine.

Owns the options and where the store is by default. What is served, `api` knows.
"""

import os
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final

import click

from secgroup.cli.serve_plane import Chosen, follow, plane_choice
from secgroup.errors import InputError, OutputError

if TYPE_CHECKING:
    from secgroup.control.endpoint import Caller, Endpoint
    from secgroup.control.opening import Nowhere
    from secgroup.control.state import World
    from secgroup.control.store import SqliteStore

MEMORY: Final = ":memory:"


@click.command("serve")
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen at.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=4577,
    show_default=True,
    help="0 is any that is free.",
)
@click.option(
    "--store",
    metavar="FILE",
    help="Where the state lasts; :memory: for nowhere.  [default: in your data directory]",
)
@click.option(
    "--credentials",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Who may come in, as the AWS CLI keeps credentials; without it every key may.",
)
@click.option("--account", metavar="ID", help="The account of keys that name none.")
@click.option(
    "--quotas",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Quotas that differ from AWS's: lines NAME: NUMBER.",
)
@click.option(
    "--load",
    metavar="NETWORK",
    help="What an empty store begins with: a template, or describe output.",
)
@click.option("--with", "also", metavar="FILE", multiple=True, help="More files for --load.")
@click.option(
    "--region", default="us-east-1", show_default=True, help="The region that --load is of."
)
@click.option(
    "--flow-logs",
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="Where buckets and log groups of flow logs stand.  [default: beside the store]",
)
@plane_choice
@click.option("--tls-cert", metavar="FILE", help="The certificate chain; then HTTPS is spoken.")
@click.option("--tls-key", metavar="FILE", help="Its key.")
@click.option(
    "--access-log",
    metavar="FILE",
    default="-",
    help="A line of JSON for each request; - is standard error.",
)
@click.option("--operations", is_flag=True, help="List the operations that are served, and end.")
def command(
    host: str,
    port: int,
    store: str | None,
    credentials: Path | None,
    account: str | None,
    quotas: Path | None,
    load: str | None,
    also: tuple[str, ...],
    region: str,
    flow_logs: Path | None,
    chosen: Chosen,
    tls_cert: str | None,
    tls_key: str | None,
    access_log: str,
    operations: bool,
) -> None:
    """Serve EC2's API for security groups and their neighbourhood.

    Point clients at it with AWS_ENDPOINT_URL_EC2, or with --endpoint-url.
    """
    if operations:
        _list_operations()
        return
    from secgroup.api.app import Application
    from secgroup.api.auth import DEFAULT_ACCOUNT, checked_account, read_credentials
    from secgroup.api.errors import told
    from secgroup.api.exchange import Door, prepare
    from secgroup.api.server import bound, is_loopback, serve
    from secgroup.control.endpoint import Caller
    from secgroup.control.opening import opened, read_quotas

    tls = _tls(tls_cert, tls_key)
    account_id = DEFAULT_ACCOUNT if account is None else checked_account(account, "--account")
    if credentials is None and not is_loopback(host):
        raise InputError(
            "others reach this address: expected --credentials too", source=f"--host {host}"
        )
    known = None if credentials is None else read_credentials(credentials, account_id)
    differing = None if quotas is None else read_quotas(quotas)
    with ExitStack() as stack:
        listening = stack.enter_context(bound(host, port))
        kept = _store(store)
        stack.callback(kept.close)
        endpoint = opened(kept, differing, tell=told)
        caller = Caller(account_id=account_id, region=region)
        if load is not None:
            _load(endpoint, caller, [load, *also])
        following = follow(endpoint, chosen, _flow_log_folder(kept.path, flow_logs), stack)
        prepare()
        application = Application(
            endpoint=endpoint,
            door=Door(credentials=known, account_id=account_id, loopback_only=known is None),
            plane=following.plane,
            devices=following.devices,
            gauges=following.gauges,
            log=_log(access_log, stack),
        )
        url = _url("http" if tls is None else "https", host, listening.getsockname()[1])
        serve(application, listening, tls=tls, started=lambda: _say(url))


def _load(endpoint: "Endpoint", caller: "Caller", paths: list[str]) -> None:
    """Put a network into the world of a caller, which must not have been used yet."""
    from datetime import UTC, datetime

    from secgroup.api.model import shaped
    from secgroup.control.loading import load
    from secgroup.sources.load import gather, network_of

    if (caller.account_id, caller.region) in endpoint.state.worlds():
        raise InputError(
            f"the store has resources of {caller.account_id} in {caller.region} already "
            "(expected an empty store)",
            source=f"--load {paths[0]}",
        )
    answers, templates = gather(paths)
    network = network_of(answers, templates)
    for warning in network.warnings:
        click.echo(f"warning: {warning}", err=True)

    def operation(world: "World", request: object) -> dict[str, object]:  # noqa: ARG001
        load(world, network, answers, shaped)
        return {}

    endpoint.call("Load", operation, caller, {}, datetime.now(UTC))


def _flow_log_folder(store: str, chosen: Path | None) -> Path | None:
    """Return where flow logs are written; nowhere for a store that does not last."""
    if chosen is not None or store == MEMORY:
        return chosen
    return Path(store).with_suffix(".flow-logs")


def _list_operations() -> None:
    from secgroup.api.operations import OPERATIONS

    for name in sorted(OPERATIONS):
        click.echo(name)


def _url(scheme: str, host: str, port: int) -> str:
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"


def _say(url: str) -> None:
    click.echo(
        f"secgroup serves EC2 at {url}: "
        f"export AWS_ENDPOINT_URL_EC2={url} AWS_ENDPOINT_URL_STS={url}"
    )
    sys.stdout.flush()


def _tls(certificate: str | None, key: str | None) -> tuple[str, str] | None:
    if certificate is None and key is None:
        return None
    if certificate is None or key is None:
        raise InputError("--tls-cert and --tls-key: expected both")
    return certificate, key


def _store(path: str | None) -> "SqliteStore | Nowhere":
    from secgroup.control.opening import Nowhere
    from secgroup.control.store import SqliteStore

    if path == MEMORY:
        return Nowhere()
    file = store_file(path)
    if path is None:
        try:
            file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"cannot be made: {error.strerror}", source=str(file.parent)) from None
    return SqliteStore(file)


def store_file(path: str | None) -> Path:
    """Return the file of a store: the one that was named, else the one in the data folder.

    Raises
    ------
    InputError
        The name is empty.

    """
    if path == "":
        raise InputError("is empty (expected a file, or :memory:)", source="--store")
    return data_folder() / "endpoint.sqlite" if path is None else Path(path)


def data_folder() -> Path:
    """Return the folder that the platform gives to a program's data."""
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or "~/AppData/Local").expanduser() / "secgroup"
    if sys.platform == "darwin":
        return Path("~/Library/Application Support/secgroup").expanduser()
    return Path(os.environ.get("XDG_DATA_HOME") or "~/.local/share").expanduser() / "secgroup"


def _log(path: str, stack: ExitStack) -> IO[str] | None:
    if path == "-":
        return sys.stderr
    try:
        return stack.enter_context(open(path, "a", encoding="utf-8"))
    except OSError as error:
        raise OutputError(f"{path}: cannot be written: {error.strerror}") from None

"""Options of every command that looks at a kernel plane: which one, and which server."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeVar

import click

from secgroup.errors import InputError

F = TypeVar("F", bound=Callable[..., Any])

ENDPOINT: Final = "http://127.0.0.1:4577"
_ENVIRONMENT: Final = "AWS_ENDPOINT_URL_EC2"


def endpoint_option(function: F) -> F:
    """Add --endpoint."""
    return click.option(
        "--endpoint",
        metavar="URL",
        default=lambda: os.environ.get(_ENVIRONMENT, ENDPOINT),
        show_default=f"${_ENVIRONMENT}, or {ENDPOINT}",
        help="Where secgroup serve answers.",
    )(function)


def plane_options(function: F) -> F:
    """Add --pins and --lab."""
    pins = click.option(
        "--pins",
        metavar="DIR",
        type=click.Path(path_type=Path),
        help="Where the plane is pinned.  [default: /sys/fs/bpf/secgroup]",
    )
    lab = click.option("--lab", metavar="NAME", help="The plane of a lab.")
    return pins(lab(function))


def root_of(pins: Path | None, lab: str | None) -> Path:
    """Return where the plane is pinned that options mean."""
    from secgroup.dataplane.bpf.pins import ROOT

    if pins is not None and lab is not None:
        raise InputError("expected one of --pins and --lab")
    if lab is not None:
        from secgroup.lab.names import checked_lab, pins_of

        return pins_of(checked_lab(lab))
    return ROOT if pins is None else pins

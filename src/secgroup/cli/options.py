"""The options that say which network is meant, shared by every command that reads one.

Owns their spelling, and that warnings go to standard error. What the files mean is for
`sources`.
"""

import functools
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

import click

from secgroup.errors import InputError

if TYPE_CHECKING:
    from secgroup.model.network import Network

F = TypeVar("F", bound=Callable[..., Any])

#: Where the loader of the running command is kept for `load_also`.
_LOADER: Final = "secgroup.cli.options.loader"


@dataclass(frozen=True, slots=True, kw_only=True)
class Loader:
    """How the command line says that networks are to be read."""

    also: tuple[str, ...] = ()
    parameters: Mapping[str, str]
    imports: Mapping[str, str]
    addresses: Mapping[str, str]
    hosts: tuple[str, ...] = ()
    strict: bool = False

    def load(self, path: str) -> "Network":
        """Read the network at `path`, and write its warnings to standard error.

        Raises
        ------
        InputError
            It cannot be used; or it has warnings, and `--strict` was given.

        """
        from secgroup.sources.load import load

        if not path:
            raise InputError("NETWORK is empty (expected a file or a folder)")
        network = load(
            path,
            also=self.also,
            parameters=self.parameters,
            imports=self.imports,
            addresses=self.addresses,
            hosts=self.hosts,
        )
        for warning in network.warnings:
            click.echo(f"secgroup: warning: {warning}", err=True)
        if self.strict and network.warnings:
            count = len(network.warnings)
            noun = "warning" if count == 1 else "warnings"
            raise InputError(f"{count} {noun}, and --strict was given", source=path)
        return network


#: NETWORK and its options, in the order of their help.
_OPTIONS: Final = (
    click.argument("network", metavar="NETWORK", type=click.Path()),
    click.option(
        "--with",
        "also",
        metavar="FILE",
        multiple=True,
        help="More describe output or another template, for what NETWORK only mentions.",
    ),
    click.option(
        "--parameter",
        "parameters",
        metavar="NAME=VALUE",
        multiple=True,
        help="The value of a parameter of the template.",
    ),
    click.option(
        "--import",
        "imports",
        metavar="NAME=VALUE",
        multiple=True,
        help="The value of an export that the template imports.",
    ),
    click.option(
        "--address",
        "addresses",
        metavar="ID=ADDRESS",
        multiple=True,
        help="The deployed address of a resource of the template.",
    ),
    click.option(
        "--addresses",
        "address_file",
        metavar="FILE",
        help="A file of such lines, or a JSON object.",
    ),
    click.option(
        "--host",
        "hosts",
        metavar="NAME=ADDRESS,GROUP,...",
        multiple=True,
        help="An interface that NETWORK does not have.",
    ),
    click.option("--strict", is_flag=True, help="Refuse a network that has warnings."),
)


def network_options(command: F) -> F:
    """Give a command the argument NETWORK with its options; it receives `network`, loaded.

    `load_also` reads further networks with the same options.
    """

    @functools.wraps(command)
    def with_network(
        network: str,
        also: tuple[str, ...],
        parameters: tuple[str, ...],
        imports: tuple[str, ...],
        addresses: tuple[str, ...],
        address_file: str | None,
        hosts: tuple[str, ...],
        strict: bool,
        **others: Any,
    ) -> Any:
        from_file = {} if address_file is None else read_addresses(address_file)
        loader = Loader(
            also=also,
            parameters=_pairs(parameters, "--parameter"),
            imports=_pairs(imports, "--import"),
            addresses=from_file | _pairs(addresses, "--address", "ID=ADDRESS"),
            hosts=hosts,
            strict=strict,
        )
        click.get_current_context().meta[_LOADER] = loader
        return command(network=loader.load(network), **others)

    decorated: Any = with_network
    for option in reversed(_OPTIONS):
        decorated = option(decorated)
    return cast("F", decorated)


def load_also(path: str) -> "Network":
    """Read another network with the options of the running command.

    Raises
    ------
    InputError
        As with NETWORK itself.

    """
    loader: Loader = click.get_current_context().meta[_LOADER]
    return loader.load(path)


def is_strict() -> bool:
    """Tell whether the running command was given `--strict`."""
    loader: Loader = click.get_current_context().meta[_LOADER]
    return loader.strict


def _pairs(texts: Iterable[str], option: str, form: str = "NAME=VALUE") -> dict[str, str]:
    """Read texts like `NAME=VALUE`; the last one of a name counts."""
    found = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name.strip():
            raise InputError(f"expected {form}", source=f"{option} {text}")
        found[name.strip()] = value.strip()
    return found


def read_addresses(path: str) -> dict[str, str]:
    """Read a file of deployed addresses: lines `ID=ADDRESS`, or a JSON object.

    Raises
    ------
    InputError
        The file cannot be read, or is neither.

    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text"
        raise InputError(f"cannot be read: {reason}", source=path) from None
    if text.lstrip().startswith("{"):
        return _addresses_of_json(text, path)
    found = {}
    for number, line in enumerate(text.splitlines(), 1):
        content = line.partition("#")[0].strip()
        if not content:
            continue
        name, equals, address = content.partition("=")
        if not equals or not name.strip():
            raise InputError("expected ID=ADDRESS", source=path, path=f"line {number}")
        found[name.strip()] = address.strip()
    return found


def _addresses_of_json(text: str, path: str) -> dict[str, str]:
    try:
        value = json.loads(text)
    except (json.JSONDecodeError, RecursionError) as error:
        raise InputError(f"not JSON: {error}", source=path) from None
    for name, address in value.items():
        if not isinstance(address, str):
            raise InputError("expected an address as text", source=path, path=name)
    return dict(value)

"""`secgroup explain`: one connection, there and back, as a tree or as JSON."""

import json
import re
import sys
from dataclasses import fields, is_dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any, Final, get_args

import click

from secgroup.cli import DONE, NO
from secgroup.cli.options import network_options
from secgroup.errors import InputError

if TYPE_CHECKING:
    from secgroup.model.network import Network
    from secgroup.net.ports import PortRange
    from secgroup.reference.explanation import Explanation

#: The version of what `--json` prints; it grows when a field changes its meaning or goes.
SCHEMA: Final = 1


@click.command("explain")
@network_options
@click.argument("service", default="all")
@click.option("--from", "source", required=True, metavar="WHO", help="Who opens the connection.")
@click.option("--to", "destination", required=True, metavar="WHO", help="To whom.")
@click.option("-6", "--ipv6", is_flag=True, help="Ask about IPv6 addresses.")
@click.option("--client-ports", metavar="A-B", help="The ports that answers go to.")
@click.option("--json", "as_json", is_flag=True, help="Print the answer for machines.")
def command(
    network: "Network",
    service: str,
    source: str,
    destination: str,
    client_ports: str | None,
    ipv6: bool,
    as_json: bool,
) -> int:
    """Follow one connection there and back, with the rules that decide.

    WHO is an interface, instance, name, logical id, address, group, internet or
    internet:ADDRESS. SERVICE is tcp/443, tcp/8000-8080, udp/53, icmp/8, icmp/3/4, icmpv6/128, a
    protocol number, or all.

    The exit code is 0 for yes, 1 for no or unknown.
    """
    from secgroup.reference.explain import explain

    explanation = explain(
        network,
        source=source,
        destination=destination,
        service=service,
        ipv6=ipv6,
        client_ports=None if client_ports is None else _ports(client_ports),
    )
    if as_json:
        click.echo(json.dumps({"schema": SCHEMA, **_plain(explanation)}, indent=2))
    elif sys.stdout.isatty():
        _draw(explanation)
    else:
        click.echo(str(explanation))
    return DONE if explanation else NO


def _ports(text: str) -> "PortRange":
    from secgroup.net.ports import PortRange

    numbers = text.split("-")
    # At most five digits: int() itself refuses thousands of them, with an error of its own.
    if len(numbers) > 2 or not all(re.fullmatch("[0-9]{1,5}", each) for each in numbers):
        raise InputError("expected ports like 1024-65535", source="--client-ports")
    try:
        return PortRange(first=int(numbers[0]), last=int(numbers[-1]))
    except InputError as error:
        raise InputError(error.problem, source="--client-ports") from None


def _plain(value: Any) -> Any:
    """Return a value as JSON has it; a change also says what it is and how it reads."""
    from secgroup.reference.change import Change

    if is_dataclass(value) and not isinstance(value, type):
        plain = {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
        if isinstance(value, get_args(Change)):
            return {"kind": type(value).__name__, "text": str(value), **plain}
        return plain
    if isinstance(value, Enum):
        return str(value) if isinstance(value.value, int) else value.value
    if isinstance(value, tuple):
        return [_plain(each) for each in value]
    return value if value is None or isinstance(value, (bool, int, str)) else str(value)


def _draw(explanation: "Explanation") -> None:
    """Draw the answer as a tree on a terminal."""
    from rich.console import Console
    from rich.markup import escape
    from rich.tree import Tree

    from secgroup.reference.explanation import MARKS
    from secgroup.reference.journey import Answer

    colours = {Answer.YES: "green", Answer.NO: "red", Answer.UNKNOWN: "yellow"}
    colour = colours[explanation.answer]
    title = f"[bold {colour}]{explanation.answer.value.upper()}[/]  {escape(explanation.title)}"
    tree = Tree(title, guide_style="dim")
    for text in explanation.notes:
        tree.add(f"note: {escape(text)}")
    for outcome in explanation.outcomes:
        name = explanation.title_of(outcome)
        branch = tree.add(f"[{colours[outcome.answer]}]{escape(name)}[/]") if name else tree
        for message in outcome.told:
            way = branch.add(f"{message.leg.value}: [bold]{escape(message.text)}[/]")
            for line in message.lines:
                mark = f"[{colours[line.answer]}]{MARKS[line.answer]}[/]"
                leaf = way.add(f"{mark} {escape(line.headline)}")
                for detail in line.details:
                    leaf.add(f"[dim]{escape(detail)}[/]")
    if explanation.blocks:
        refusals = tree.add("[bold]What refuses[/]")
        for block in explanation.blocks:
            leaf = refusals.add(f"{block.line.leg.value}: {escape(block.line.headline)}")
            if block.nearest is not None:
                leaf.add(f"nearest: {escape(block.nearest)}")
            change = "no single change found" if block.change is None else str(block.change)
            leaf.add(f"[cyan]change: {escape(change)}[/]")
    console = Console(highlight=False)
    console.print(tree)
    if explanation.conclusion:
        console.print(escape(explanation.conclusion))

"""Tables: drawn by rich for a person at a terminal, else aligned plain text."""

import sys
from collections.abc import Sequence

import click


def draw(title: str, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Write a table to standard output; columns that hold only numbers stand to the right."""
    if not rows:
        return
    numeric = [all(row[at].replace(",", "").isdigit() for row in rows) for at in range(len(header))]
    if sys.stdout.isatty():
        _draw_rich(title, header, rows, numeric)
        return
    click.echo(f"\n{title}")
    every = [header, *rows]
    widths = [max(len(row[at]) for row in every) for at in range(len(header))]
    for row in every:
        cells = [
            cell.rjust(width) if right else cell.ljust(width)
            for cell, width, right in zip(row, widths, numeric, strict=True)
        ]
        click.echo(("  " + "  ".join(cells)).rstrip())


def _draw_rich(
    title: str, header: Sequence[str], rows: Sequence[Sequence[str]], numeric: Sequence[bool]
) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(
        title=title,
        title_justify="left",
        title_style="bold",
        header_style="dim",
        box=None,
        pad_edge=False,
    )
    for name, right in zip(header, numeric, strict=True):
        table.add_column(name, justify="right" if right else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    console = Console(file=sys.stdout)
    console.print()
    console.print(table)

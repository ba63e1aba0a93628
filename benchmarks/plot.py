"""Line charts as SVG text: logarithmic axes, the same bytes for the same numbers."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from math import ceil, floor, log10

WIDTH, HEIGHT = 640, 360
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 150, 40, 48
_COLOURS = ("#1f5fa8", "#8a8a8a", "#b5521b")


@dataclass(frozen=True, kw_only=True)
class Line:
    """Points of one line, with its name."""

    name: str
    points: Sequence[tuple[float, float]]


def chart(title: str, x_label: str, y_label: str, lines: Sequence[Line]) -> str:
    """Return a chart of lines over logarithmic axes; each is named at its last point."""
    xs = sorted({x for line in lines for x, _ in line.points})
    ys = [y for line in lines for _, y in line.points]
    bottom, top = _step(min(ys), up=False), _step(max(ys), up=True)

    def at(x: float, y: float) -> tuple[float, float]:
        along = 0.5 if xs[0] == xs[-1] else log10(x / xs[0]) / log10(xs[-1] / xs[0])
        above = log10(y / bottom) / log10(top / bottom)
        return (
            _LEFT + along * (WIDTH - _LEFT - _RIGHT),
            HEIGHT - _BOTTOM - above * (HEIGHT - _TOP - _BOTTOM),
        )

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
        f'width="{WIDTH}" height="{HEIGHT}" font-family="sans-serif" font-size="12">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
        _text(_LEFT, 22, title, weight="bold", size=14),
        _text((_LEFT + WIDTH - _RIGHT) / 2, HEIGHT - 10, x_label, anchor="middle"),
        f'<g transform="rotate(-90)">'
        f"{_text(-(_TOP + HEIGHT - _BOTTOM) / 2, 16, y_label, anchor='middle')}</g>",
    ]
    for y in _steps(bottom, top):
        left, height = at(xs[0], y)
        parts.append(
            f'<path d="M{left:.1f} {height:.1f}H{WIDTH - _RIGHT}" stroke="#dddddd" fill="none"/>'
        )
        parts.append(_text(left - 6, height + 4, f"{y:g}", anchor="end"))
    for x in xs:
        across, low = at(x, bottom)
        parts.append(f'<path d="M{across:.1f} {low:.1f}v4" stroke="#555555" fill="none"/>')
        parts.append(_text(across, low + 18, _short(x), anchor="middle"))
    for line, colour in zip(lines, _COLOURS, strict=False):
        places = [at(x, y) for x, y in sorted(line.points)]
        path = "L".join(f"{x:.1f} {y:.1f}" for x, y in places)
        parts.append(f'<path d="M{path}" stroke="{colour}" stroke-width="2" fill="none"/>')
        for x, y in places:
            parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>')
        x, y = places[-1]
        parts.append(_text(x + 8, y + 4, line.name, fill=colour))
    return "\n".join([*parts, "</svg>", ""])


def _text(
    x: float, y: float, text: str, *, anchor: str = "start", fill: str = "#222222",
    weight: str = "normal", size: int = 12,
) -> str:  # fmt: skip
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{fill}" '
        f'font-weight="{weight}" font-size="{size}">{escape(text)}</text>'
    )


def _step(value: float, *, up: bool) -> float:
    """Return the next of 1, 2 and 5 times a power of ten, up or down."""
    power = 10.0 ** floor(log10(value))
    steps = [each * power for each in (1, 2, 5, 10)]
    if up:
        return next(each for each in steps if each >= value)
    return next(each for each in reversed(steps) if each <= value)


def _steps(bottom: float, top: float) -> list[float]:
    powers = range(floor(log10(bottom)), ceil(log10(top)) + 1)
    found = [each * 10.0**power for power in powers for each in (1, 2, 5)]
    return [each for each in found if bottom <= each <= top * 1.0001]


def _short(value: float) -> str:
    for unit, name in ((1e6, " M"), (1e3, " k")):
        if value >= unit:
            return f"{value / unit:g}{name}"
    return f"{value:g}"

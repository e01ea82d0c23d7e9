"""Charts as SVG text; colours and dashes come from the page's style sheet.

Series differ by colour and by dash, and carry their name at their end, so that no chart depends on
colour.
"""

import dataclasses
import math
from collections.abc import Sequence
from html import escape

WIDTH, HEIGHT = 560, 300
LEFT, RIGHT, TOP, BOTTOM = 48, 16, 12, 40
# Room for a line's name behind its end.
_LABEL = 112
# Room for a line of names above the bars.
_LEGEND = 22


@dataclasses.dataclass(frozen=True)
class Series:
    """A line of a chart.

    Attributes:
        name: What it shows.
        x: The places, ascending.
        y: The values.
    """

    name: str
    x: Sequence[float]
    y: Sequence[float]


@dataclasses.dataclass(frozen=True)
class Scale:
    """Maps values to positions in the picture.

    Attributes:
        low: The value at `start`.
        high: The value at `end`, above `low`.
        start: The place of `low` in pixels.
        end: The place of `high` in pixels.
    """

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        """The place of a value in pixels."""
        share = (value - self.low) / (self.high - self.low)
        return round(self.start + share * (self.end - self.start), 1)


def ticks(low: float, high: float, most: int = 6) -> list[float]:
    """Round values between two ends: steps of 1, 2 or 5 times a power of ten."""
    rough = (high - low) / most
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough * 0.999)
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [round(number * step, 10) for number in range(first, last + 1)]


def line_chart(series: Sequence[Series], *, x_name: str, y_name: str) -> str:
    """Lines over one pair of axes that start at 0 on the left-hand side."""
    left, right = min(min(s.x) for s in series), max(max(s.x) for s in series)
    x = Scale(left, right if right > left else left + 1, LEFT, WIDTH - _LABEL)
    y = _value_scale([value for s in series for value in s.y])
    parts = [_axes(x, y, x_name, y_name)]
    label_places = _apart([y(s.y[-1]) for s in series])
    for number, (s, label) in enumerate(zip(series, label_places, strict=True), start=1):
        points = " L".join(f"{x(a)} {y(b)}" for a, b in zip(s.x, s.y, strict=True))
        parts.append(f'<path class="series s{number}" d="M{points}"/>')
        parts.append(
            f'<text class="label s{number}" x="{WIDTH - _LABEL + 8}" y="{label + 4}">'
            f"{escape(s.name)}</text>"
        )
    return picture(parts, f"{y_name} over {x_name}: {', '.join(s.name for s in series)}")


def histogram(edges: Sequence[float], counts: Sequence[Series], *, x_name: str, y_name: str) -> str:
    """Counts per bin, one row of bars per series, side by side in each bin.

    Args:
        edges: The n + 1 ends of n bins.
        counts: For each series the n counts as `y`.
        x_name: What is binned.
        y_name: What is counted.
    """
    x = Scale(edges[0], edges[-1], LEFT, WIDTH - RIGHT)
    several = len(counts) > 1
    y = _value_scale([value for s in counts for value in s.y], TOP + _LEGEND * several)
    parts = [_axes(x, y, x_name, y_name)]
    for number, s in enumerate(counts, start=1):
        for low, high, value in zip(edges, edges[1:], s.y, strict=False):
            width = (x(high) - x(low)) / len(counts)
            left = x(low) + (number - 1) * width
            title = f"{s.name}: {value:g} in {low:g} to {high:g}"
            parts.append(
                f'<rect class="block s{number}" x="{left + 0.5:.1f}" y="{y(value)}" '
                f'width="{max(width - 1, 1):.1f}" height="{max(y(0) - y(value), 0):.1f}">'
                f"<title>{escape(title)}</title></rect>"
            )
    if several:
        parts += _legend([s.name for s in counts])
    return picture(parts, f"{y_name} over {x_name}")


def _legend(names: Sequence[str]) -> list[str]:
    """The series' names in one line above the bars, where none can cover it."""
    parts = []
    for number, name in enumerate(names, start=1):
        left = LEFT + 120 * (number - 1)
        parts.append(
            f'<rect class="block s{number}" x="{left}" y="{TOP - 6}" width="12" height="12"/>'
            f'<text x="{left + 18}" y="{TOP + 4}">{escape(name)}</text>'
        )
    return parts


def _value_scale(values: Sequence[float], top: float = TOP) -> Scale:
    highest = max([*values, 0.0]) or 1.0
    lowest = min([*values, 0.0])
    return Scale(lowest, highest, HEIGHT - BOTTOM, top)


def _axes(x: Scale, y: Scale, x_name: str, y_name: str) -> str:
    parts = []
    for value in ticks(y.low, y.high):
        parts.append(f'<path class="axis" d="M{x.start} {y(value)}H{x.end}"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{y(value) + 4}" text-anchor="end">{value:g}</text>')
    for value in ticks(x.low, x.high, 8):
        parts.append(
            f'<text x="{x(value)}" y="{HEIGHT - BOTTOM + 17}" text-anchor="middle">{value:g}</text>'
        )
    middle = (x.start + x.end) / 2
    parts.append(
        f'<text x="{middle}" y="{HEIGHT - 5}" text-anchor="middle">{escape(x_name)}</text>'
        f"<desc>{escape(y_name)}</desc>"
    )
    return "".join(parts)


def _apart(places: Sequence[float], distance: float = 16) -> list[float]:
    """Moves labels down until none covers another, keeping their order."""
    moved = list(places)
    previous = -math.inf
    for number in sorted(range(len(places)), key=lambda n: places[n]):
        moved[number] = previous = max(places[number], previous + distance)
    return moved


def picture(parts: Sequence[str], name: str, height: float = HEIGHT, kind: str = "plot") -> str:
    """The drawn parts as one SVG element, with a name for screen readers."""
    label = escape(name, quote=True)
    opening = f'<svg class="{kind}" viewBox="0 0 {WIDTH} {height:g}" role="img"'
    return f'{opening} aria-label="{label}">{"".join(parts)}</svg>'


def standalone(chart: str) -> str:
    """A chart as a separate file, with the colours of the page."""
    style = (
        "svg{background:#fff;font:12px system-ui,sans-serif}text{fill:#444}"
        ".axis{stroke:#ddd}.s1{--c:#0b5cad}.s2{--c:#b4560a}.s3{--c:#17703c}"
        ".series{fill:none;stroke:var(--c);stroke-width:2}.series.s2{stroke-dasharray:7 4}"
        ".series.s3{stroke-dasharray:2 4}text.label{fill:var(--c);font-weight:600}"
        ".block{fill:var(--c)}.block.s2{fill-opacity:.35;stroke:var(--c)}"
        ".dot{fill:var(--c);fill-opacity:.7}.whisker{stroke:#222;stroke-width:1.5}"
    )
    opening, rest = chart.split(">", 1)
    return f'{opening} xmlns="http://www.w3.org/2000/svg"><style>{style}</style>{rest}\n'

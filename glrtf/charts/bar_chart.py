"""Horizontal bars with names, values and intervals, as SVG text."""

from collections.abc import Sequence
from html import escape

from glrtf.charts import svg

_VALUES, _ROW = 64, 30
_LEAST_NAMES, _MOST_NAMES, _CHARACTER = 72, 256, 9
# Pictures with more room for names need smaller letters in a narrow window.
_WIDE = 180


def bar_chart(
    names: Sequence[str],
    values: Sequence[float],
    *,
    x_name: str,
    intervals: Sequence[tuple[float, float]] = (),
    digits: int = 3,
) -> str:
    """One bar per name, from 0 to its value.

    Args:
        names: The names, from top to bottom.
        values: The bars' lengths; negative ones extend to the left.
        x_name: The name of the values.
        intervals: For each bar the ends of its whisker; none draws no whiskers.
        digits: How many decimals are shown.
    """
    ends = [end for interval in intervals for end in interval]
    low, high = min([0.0, *values, *ends]), max([0.0, *values, *ends])
    room = min(max(_CHARACTER * max(map(len, names)) + 16, _LEAST_NAMES), _MOST_NAMES)
    x = svg.Scale(low, high if high > low else 1.0, room, svg.WIDTH - _VALUES)
    bottom = _ROW * len(names) + svg.TOP
    parts = [_grid(x, bottom, x_name)]
    for number, (name, value) in enumerate(zip(names, values, strict=True)):
        top = svg.TOP + _ROW * number
        left, right = sorted((x(0), x(value)))
        middle = top + _ROW / 2
        parts.append(
            f'<text x="{room - 8}" y="{middle + 4}" text-anchor="end">{escape(name)}</text>'
            f'<rect class="block s1" x="{left}" y="{top + 6}" '
            f'width="{max(right - left, 1):.1f}" height="{_ROW - 12}"/>'
        )
        furthest = right
        if intervals and intervals[number][0] < intervals[number][1]:
            start, end = (x(one) for one in intervals[number])
            furthest = max(right, end)
            parts.append(
                f'<path class="whisker" d="M{start} {middle}H{end}'
                f'M{start} {middle - 4}v8M{end} {middle - 4}v8"/>'
            )
        parts.append(f'<text x="{furthest + 6}" y="{middle + 4}">{value:.{digits}f}</text>')
    name = f"{x_name} of {', '.join(names)}"
    kind = "bars wide" if room > _WIDE else "bars"
    return svg.picture(parts, name, bottom + svg.BOTTOM, kind=kind)


def _grid(x: svg.Scale, bottom: float, x_name: str) -> str:
    parts = [
        f'<path class="axis" d="M{x(value)} {svg.TOP}V{bottom}"/>'
        f'<text x="{x(value)}" y="{bottom + 16}" text-anchor="middle">{value:g}</text>'
        for value in svg.ticks(x.low, x.high, 5)
    ]
    middle = (x.start + x.end) / 2
    name = f'<text x="{middle}" y="{bottom + 34}" text-anchor="middle">{escape(x_name)}</text>'
    return "".join([*parts, name])

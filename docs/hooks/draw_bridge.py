"""Draws docs/pictures/bridge.svg: `python docs/hooks/draw_bridge.py docs/pictures/bridge.svg`.

Numbers follow the definitions: C sums a query's two nearest train photos of a landmark,
and 0.5 more for its best one; B is the smaller of the two sides' C, divided by 3; F = D³ + B³.
"""

import sys
from pathlib import Path

INK, SOFT, LINE, DIRECT, BRIDGE = "#1d1f23", "#5c6169", "#b9b4aa", "#0b5cad", "#b4560a"
QUERY_SIMILARITIES, INDEX_SIMILARITIES = (0.80, 0.70), (0.75, 0.65)
DIRECT_SIMILARITY, BONUS, DIVISOR = 0.15, 0.5, 3


def text(
    x: float, y: float, words: str, size: int = 15, fill: str = INK, bold: bool = False
) -> str:
    """Text centred at a point."""
    weight = ' font-weight="600"' if bold else ""
    return f'<text x="{x}" y="{y}" font-size="{size}" fill="{fill}"{weight}>{words}</text>'


def facade(x: float, y: float, fill: str) -> str:
    """An outside: a gable between two towers, 90 wide and 80 high."""
    return (
        f'<path transform="translate({x} {y})" fill="{fill}" d="M0 80V20l10-15 10 15v15L45 12l25 '
        '23V20l10-15 10 15v60H55V60a10 10 0 0 0-20 0v20z"/>'
    )


def nave(x: float, y: float, fill: str) -> str:
    """An inside: arches in perspective, 90 wide and 80 high."""
    rings = "".join(
        f'<path d="M{left} 80V{20 + left}a{45 - left} {30 - left / 2} 0 0 1 {90 - 2 * left} 0V80"/>'
        for left in (2, 14, 26)
    )
    return (
        f'<g transform="translate({x} {y - 4})" fill="none" stroke="{fill}" stroke-width="5">'
        f"{rings}</g>"
    )


def card(x: float, y: float, picture: str, title: str, stroke: str) -> str:
    """A framed photo, 110 x 100, with its title below."""
    frame = f'<rect x="{x}" y="{y}" width="110" height="100" rx="8" fill="#fff" stroke="{stroke}" '
    return frame + 'stroke-width="2.5"/>' + picture + text(x + 55, y + 120, title, 14, SOFT)


def arrow(x1: float, y1: float, x2: float, y2: float, colour: str, dashed: bool = False) -> str:
    """A line between two cards."""
    dash = ' stroke-dasharray="7 5"' if dashed else ""
    ends = f'x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}"'
    return f'<line {ends} stroke="{colour}" stroke-width="2.5"{dash}/>'


def drawing() -> str:
    """The whole picture as SVG."""
    of_query = sum(QUERY_SIMILARITIES) + BONUS
    of_index = sum(INDEX_SIMILARITIES) + BONUS
    bridged = min(of_query, of_index) / DIVISOR
    final = DIRECT_SIMILARITY**3 + bridged**3
    parts = [
        '<rect x="295" y="20" width="350" height="330" rx="14" fill="#fbeed6" stroke="none"/>',
        text(470, 48, "train photos of landmark 7", 16, BRIDGE, bold=True),
        card(40, 130, facade(50, 140, INK), "query", INK),
        card(790, 130, nave(800, 142, INK), "index photo", INK),
    ]
    for row, (left, right) in enumerate(zip(QUERY_SIMILARITIES, INDEX_SIMILARITIES, strict=True)):
        y = 70 + 140 * row
        parts += [
            arrow(150, 180, 320, y + 50, BRIDGE),
            arrow(620, y + 50, 790, 180, BRIDGE),
            card(320, y, facade(330, y + 10, SOFT), f"train {2 * row + 1}", LINE),
            card(510, y, nave(520, y + 12, SOFT), f"train {2 * row + 2}", LINE),
            text(232, (180 + y + 50) / 2 + (28 if row else -8), f"{left:.2f}", 15, BRIDGE),
            text(708, (180 + y + 50) / 2 + (28 if row else -8), f"{right:.2f}", 15, BRIDGE),
        ]
    parts += [
        arrow(95, 265, 95, 385, DIRECT, dashed=True),
        arrow(95, 385, 845, 385, DIRECT, dashed=True),
        arrow(845, 385, 845, 265, DIRECT, dashed=True),
        text(470, 377, f"direct: similarity {DIRECT_SIMILARITY:.2f}", 15, DIRECT),
        text(150, 425, f"C(query, 7) = {of_query:.2f}", 15),
        text(790, 425, f"C(index, 7) = {of_index:.2f}", 15),
        text(470, 425, f"B = min / {DIVISOR} = {bridged:.2f}", 15, BRIDGE, bold=True),
        text(
            470, 455, f"F = {DIRECT_SIMILARITY:.2f}³ + {bridged:.2f}³ = {final:.2f}", 15, bold=True
        ),
    ]
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 940 475" text-anchor="middle" '
        'font-family="system-ui, DejaVu Sans, sans-serif" role="img" aria-label="A query of a '
        'façade reaches a photo of a nave through train photos of one landmark">'
        '<rect width="940" height="475" rx="12" fill="#fbfaf8"/>' + "\n".join(parts) + "</svg>\n"
    )


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(drawing())

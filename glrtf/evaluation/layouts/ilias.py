"""ILIAS (Kordopatis-Zilos et al., CVPR 2025, arXiv 2502.11748): 1,000 objects.

`ilias_core/NAME_000/query/Q000_00.jpg` are queries and `…/pos/P000_00.jpg` their relevant index
photos. `Q000_00_bbox.txt` has one box a line: x, y, width and height. The label of a photo is the
object's folder. Distractors are photos of YFCC100M; the measure is mAP@1000.
"""

import os

from glrtf.evaluation.layouts.benchmark import Benchmark, Photo, photo_names
from tfrecords_tools import pixels
from tfrecords_tools.errors import UserError
from tfrecords_tools.storage import files

_DEPTH = 1000


def read(source: str, *, crop: bool = False) -> Benchmark:
    """Reads the folder `ilias_core`, or the one that contains it.

    Args:
        source: The folder.
        crop: Whether queries are cut to the smallest box around their boxes.

    Raises:
        UserError: If there are no objects, or a box file is not of the published form.
    """
    inner = os.path.join(source, "ilias_core")
    folder = inner if os.path.isdir(inner) else source
    if not os.path.isdir(folder):
        raise UserError(f"{folder}: no such folder; expected ilias_core")
    names = sorted(
        one for one in os.listdir(folder) if os.path.isdir(os.path.join(folder, one, "query"))
    )
    if not names:
        raise UserError(f"{folder}: expected folders of objects with query and pos, found none")
    queries, index = [], []
    for name in names:
        queries += [
            Photo(f"{name}/query/{photo}", path, (name,), _box(path) if crop else None)
            for photo, path in _photos(folder, name, "query")
        ]
        index += [
            Photo(f"{name}/pos/{photo}", path, (name,))
            for photo, path in _photos(folder, name, "pos")
        ]
    return Benchmark(queries, index, depth=_DEPTH)


def _photos(folder: str, name: str, part: str) -> list[tuple[str, str]]:
    inner = os.path.join(folder, name, part)
    return [(photo, os.path.join(inner, photo)) for photo in photo_names(inner)]


def _box(photo: str) -> pixels.Box:
    """The smallest box around all boxes of a photo."""
    path = f"{os.path.splitext(photo)[0]}_bbox.txt"
    if not os.path.exists(path):
        raise UserError(f"{path}: no such file; expected the boxes of {photo}")
    lines = files.read_bytes(path).decode(errors="replace").split("\n")
    try:
        rows = [[float(number) for number in line.split()] for line in lines if line.strip()]
        lefts, uppers, widths, heights = zip(*rows, strict=True)
    except ValueError:
        raise UserError(f"{path}: expected x, y, width and height a line") from None
    rights = [left + width for left, width in zip(lefts, widths, strict=True)]
    lowers = [upper + height for upper, height in zip(uppers, heights, strict=True)]
    return min(lefts), min(uppers), max(rights), max(lowers)

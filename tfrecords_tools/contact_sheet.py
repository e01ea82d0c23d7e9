"""A contact sheet of some of the shards' images."""

import io
from collections.abc import Iterator

import numpy as np

from tfrecords_tools import schema, tfrecord
from tfrecords_tools.dataset_info import DatasetInfo
from tfrecords_tools.storage import files

_SIDE = 128
_CAPTION = 24
_MARGIN = 4


def draw(infos: list[DatasetInfo], count: int, path: str) -> int:
    """Draws images of finished shards, spread evenly over them, with id and label below each.

    Args:
        infos: The sets of shards.
        count: How many images; fewer where there are not that many.
        path: The PNG file to be written.

    Returns:
        How many images were drawn.
    """
    from PIL import Image, ImageDraw

    chosen = list(_sample(infos, count))
    columns = max(1, min(len(chosen), int(np.ceil(np.sqrt(len(chosen) * 1.5)))))
    rows = -(-len(chosen) // columns)
    cell = _SIDE + _MARGIN
    sheet = Image.new("RGB", (columns * cell, rows * (cell + _CAPTION)), "white")
    pen = ImageDraw.Draw(sheet)
    for number, (caption, encoded) in enumerate(chosen):
        x, y = number % columns * cell, number // columns * (cell + _CAPTION)
        with Image.open(io.BytesIO(encoded)) as image:
            image.thumbnail((_SIDE, _SIDE))
            left, top = (_SIDE - image.width) // 2, (_SIDE - image.height) // 2
            sheet.paste(image.convert("RGB"), (x + left, y + top))
        pen.multiline_text((x + 2, y + _SIDE), caption, fill="black", font_size=10, spacing=1)
    encoded_sheet = io.BytesIO()
    sheet.save(encoded_sheet, "PNG")
    files.write_bytes(path, encoded_sheet.getvalue())
    return len(chosen)


def _sample(infos: list[DatasetInfo], count: int) -> Iterator[tuple[str, bytes]]:
    """Yields caption and bytes of `count` images at equal distances through all shards."""
    lengths = [shard.num_examples for info in infos for shard in info.shards]
    wanted = np.linspace(0, sum(lengths) - 1, min(count, sum(lengths))).astype(int).tolist()
    first = 0
    for info in infos:
        for shard in info.shards:
            inside = {row - first for row in wanted if first <= row < first + shard.num_examples}
            first += shard.num_examples
            if inside:
                yield from _of_shard(info, shard.name, inside)


def _of_shard(info: DatasetInfo, name: str, rows: set[int]) -> Iterator[tuple[str, bytes]]:
    with files.open_read(files.join(info.folder, name)) as file:
        for row, record in enumerate(tfrecord.read_records(file)):
            if row in rows:
                values = schema.decode_example(record, info.schema)
                what = f"label {values['label']}" if info.num_classes else info.split
                yield f"{values['image_id'].decode()}\n{what}", values["encoded"]

"""Writes embeddings as files for TensorBoard's projector.

The folder has ``tensors.tsv``, ``metadata.tsv``, ``sprite.jpg`` and
``projector_config.pbtxt``: ``tensorboard --logdir FOLDER`` opens them, and
projector.tensorflow.org takes the first two.
"""

import io
import math
from collections.abc import Sequence

import numpy as np

from tfrecords_tools import image_ids
from tfrecords_tools.errors import UserError
from tfrecords_tools.storage import files

SPRITE_SIDE = 48
# The projector's limit: a sprite image of 8192 x 8192 pixels.
MOST_POINTS = (8192 // SPRITE_SIDE) ** 2

_CONFIG = """\
embeddings {{
  tensor_name: "embeddings"
  tensor_path: "tensors.tsv"
  metadata_path: "metadata.tsv"
  sprite {{
    image_path: "sprite.jpg"
    single_image_dim: {side}
    single_image_dim: {side}
  }}
}}
"""


def write_projector(
    folder: str,
    rows: np.ndarray,
    labels: Sequence[tuple[str, str, str]],
    thumbnails: Sequence[str | None],
) -> None:
    """Writes the projector's files, the configuration last.

    Args:
        folder: Where to.
        rows: (n, dimension) float, n at most `MOST_POINTS`.
        labels: For each row its image id, its kind and its landmark.
        thumbnails: For each row the path of its small picture, None for none.

    Raises:
        UserError: On an id that the files cannot represent.
    """
    # The files have no quoting; ids have no tabs and line ends.
    if unsafe := [image_id for image_id, _, _ in labels if not image_ids.is_safe(image_id)]:
        raise UserError(f"{folder}: expected image ids of {image_ids.RULE}; found {unsafe[0]!r}")
    lines = ("\t".join(f"{value:.6g}" for value in row) for row in rows)
    _write(folder, "tensors.tsv", "\n".join([*lines, ""]))
    named = ["\t".join(label) for label in (("id", "kind", "landmark"), *labels)]
    _write(folder, "metadata.tsv", "\n".join([*named, ""]))
    files.write_bytes(files.join(folder, "sprite.jpg"), sprite(thumbnails))
    _write(folder, "projector_config.pbtxt", _CONFIG.format(side=SPRITE_SIDE))


def sprite(thumbnails: Sequence[str | None]) -> bytes:
    """All small pictures in one, row by row on a square grid, as JPEG bytes.

    A picture that is missing stays grey.
    """
    from PIL import Image

    columns = math.ceil(math.sqrt(len(thumbnails)))
    grid = Image.new("RGB", (columns * SPRITE_SIDE, columns * SPRITE_SIDE), (160, 160, 160))
    for number, path in enumerate(thumbnails):
        if path is None:
            continue
        down, across = divmod(number, columns)
        with Image.open(path) as picture:
            small = picture.convert("RGB").resize((SPRITE_SIDE, SPRITE_SIDE))
        grid.paste(small, (across * SPRITE_SIDE, down * SPRITE_SIDE))
    out = io.BytesIO()
    grid.save(out, "JPEG", quality=85)
    return out.getvalue()


def _write(folder: str, name: str, text: str) -> None:
    files.write_bytes(files.join(folder, name), text.encode())

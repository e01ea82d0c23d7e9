"""GPR1200 (Schall et al., MMM 2022, arXiv 2111.13122): 1,200 classes of 10 photos in one folder.

A photo's name begins with the number of its class and `_`; 200 classes each are of one of six
domains, in this order (GPR1200.py of Visual-Computing/GPR1200). Every photo is a query for all of
them, itself included.
"""

import os

from glrtf.evaluation.layouts.benchmark import Benchmark, Photo, photo_names
from tfrecords_tools.errors import UserError

DOMAINS = ("landmarks", "nature", "sketches", "objects", "products", "faces")
_CLASSES_A_DOMAIN = 200


def read(source: str) -> Benchmark:
    """Reads the folder `images`, or the one that contains it.

    Raises:
        UserError: If there are no photos, or one is not named after a class.
    """
    inner = os.path.join(source, "images")
    folder = inner if os.path.isdir(inner) else source
    photos = []
    for name in photo_names(folder):
        number = name.partition("_")[0]
        if not (number.isascii() and number.isdigit() and "_" in name):
            raise UserError(
                f"{folder}: expected photos named after the number of their class, such as "
                f"12_name.jpg, found {name!r}"
            )
        place = int(number) // _CLASSES_A_DOMAIN
        group = DOMAINS[place] if place < len(DOMAINS) else ""
        path = os.path.join(folder, name)
        photos.append(Photo(name, path, (str(int(number)),), group=group))
    return Benchmark(photos, photos, own=True)

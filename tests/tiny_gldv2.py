"""Small sources in GLDv2's own layout, for tests of the builder."""

import csv
import hashlib
import io
import tarfile
from pathlib import Path

import numpy as np
from PIL import Image


def jpeg(seed: int = 0, size: tuple[int, int] = (40, 30), mode: str = "RGB", **save) -> bytes:
    """A small JPEG, another for each seed."""
    noise = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), np.uint8)
    image = Image.fromarray(noise).convert(mode)
    encoded = io.BytesIO()
    image.save(encoded, save.pop("format", "JPEG"), **save)
    return encoded.getvalue()


def image_id(number: int) -> str:
    """The number-th image_id of a source: spread over all 16 hex digits."""
    return hashlib.md5(f"image {number}".encode()).hexdigest()[:16]


def member(name: str) -> str:
    """Where an image_id stands in a tar."""
    return f"{name[0]}/{name[1]}/{name[2]}/{name}.jpg"


def write_tar(path: Path, members: list[tuple[str, bytes]]) -> None:
    """Writes a tar of regular files."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as tar:
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))


def write_md5(root: Path, split: str, number: int) -> None:
    """Writes the md5 file of one tar as it is now."""
    tar = root / split / f"images_{number:03d}.tar"
    path = root / "md5sum" / split / f"md5.images_{number:03d}.txt"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"{hashlib.md5(tar.read_bytes()).hexdigest()}  {tar.name}\n")


def write_csv(path: Path, header: list[str], rows: list[list[object]]) -> None:
    """Writes a CSV file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerows([header, *rows])


def write_train(root: Path, num_images: int = 24, num_tars: int = 3) -> list[str]:
    """Writes a train split: image i shows landmark 100·(i % 5) and lies in tar i % num_tars.

    Returns:
        The image ids.
    """
    ids = [image_id(number) for number in range(num_images)]
    for tar in range(num_tars):
        members = [(member(ids[i]), jpeg(i)) for i in range(tar, num_images, num_tars)]
        write_tar(root / "train" / f"images_{tar:03d}.tar", members)
        write_md5(root, "train", tar)
    rows = [[name, f"http://x/{name}", 100 * (i % 5)] for i, name in enumerate(ids)]
    write_csv(root / "metadata" / "train.csv", ["id", "url", "landmark_id"], rows)
    return ids


def write_unlabelled(root: Path, split: str, num_images: int = 6) -> list[str]:
    """Writes an index or test split of one tar.

    Returns:
        The image ids.
    """
    base = {"index": 1000, "test": 2000}[split]
    ids = [image_id(base + number) for number in range(num_images)]
    members = [(member(name), jpeg(base + i)) for i, name in enumerate(ids)]
    write_tar(root / split / "images_000.tar", members)
    write_csv(root / "metadata" / f"{split}.csv", ["id"], [[name] for name in ids])
    return ids


def files_below(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, by relative name."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }

"""Two small models, their sets of the same photos, and the tables, to make bundles of."""

import dataclasses
from pathlib import Path

import numpy as np
from photo_world import image_id
from shard_writing import photo
from tiny_descriptors import write_conv_onnx

from glrtf.embeddings import embedding_set

TRAIN, INDEX, TEST, LANDMARKS = 24, 14, 5, 4
"""Photo n of train, index and test is the same picture for the same n, drawn differently."""
_FIRST = {"train": 0, "index": 100, "test": 200}


@dataclasses.dataclass(frozen=True)
class BundleWorld:
    """Where everything lies.

    Attributes:
        folder: Holds all of it.
        models: Two ONNX files of 8 and 6 numbers; the second is embedded at two scales.
        landmarks: train.csv, with names next to it.
        photos: The test photos' files.
    """

    folder: Path
    models: tuple[str, str]
    landmarks: str
    photos: tuple[str, ...]

    def sets(self, split, *models):
        """The sets of a split, one a model; without models of both."""
        return [str(self.folder / f"sets{number}" / split) for number in models or (0, 1)]

    def flags(self, *models):
        """The flags of a bundle of these models."""
        numbers = models or (0, 1)
        return [
            "--model",
            *(self.models[number] for number in numbers),
            "--index",
            *self.sets("index", *numbers),
            "--train",
            *self.sets("train", *numbers),
            "--landmarks",
            self.landmarks,
        ]


def picture(split, number):
    """A photo's bytes: landmark n % LANDMARKS gives its colours, the split and n some noise."""
    import io

    from PIL import Image

    base = np.asarray(Image.open(io.BytesIO(photo(number % LANDMARKS)))).astype(int)
    noise = np.random.default_rng(_FIRST[split] + number).integers(-60, 60, base.shape)
    buffer = io.BytesIO()
    Image.fromarray(np.clip(base + noise, 0, 255).astype(np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


def id_of(split, number):
    return image_id(4096 * (1 + list(_FIRST).index(split)) + number)


def make_bundle_world(folder):
    """Writes models, photos, sets and tables."""
    folder = Path(folder)
    models = []
    for number, dimension in enumerate((8, 6)):
        place = folder / f"model{number}"
        place.mkdir(parents=True)
        models.append(write_conv_onnx(place / "net.onnx", dimension=dimension, seed=number))
        (place / "descriptor.yaml").write_text(f"size: {(32, 24)[number]}\nstride: 8\n")
    embed_all(folder, models)
    lines = [f"{id_of('train', n)},{100 + n % LANDMARKS}" for n in range(TRAIN)]
    tables = folder / "metadata"
    tables.mkdir()
    (tables / "train.csv").write_text("\n".join(["id,landmark_id", *lines, ""]))
    names = [f"{100 + n},http://w/Category:Tower_{n}" for n in range(LANDMARKS)]
    (tables / "train_label_to_category.csv").write_text(
        "\n".join(["landmark_id,category", *names, ""])
    )
    paths = [folder / f"{number}.png" for number in range(TEST)]
    for number, path in enumerate(paths):
        path.write_bytes(picture("test", number))
    return BundleWorld(folder, tuple(models), str(tables / "train.csv"), tuple(map(str, paths)))


def embed_all(folder, models):
    """The three splits with both models, the second at two scales and without mirrored view."""
    from glrtf.inference.embedders import load_embedder
    from glrtf.service import model_agreement
    from glrtf.service.batch_model import BatchModel
    from glrtf.service.photo_input import PhotoReader

    for number, path in enumerate(models):
        scales, views = ((1.0,), (1.0, 2.0))[number], (("plain", "hflip"), ("plain",))[number]
        embedder = load_embedder(path, any_size=number == 1)
        model = BatchModel(embedder, views, scales=scales)
        read = PhotoReader(model.specs)
        for split, count in (("train", TRAIN), ("index", INDEX), ("test", TEST)):
            rows = model([read(picture(split, n)) for n in range(count)])
            where = str(folder / f"sets{number}" / split)
            ids = [id_of(split, n) for n in range(count)]
            embedding_set.write_part(where, 0, 1, rows, ids)
            meta = model_agreement.description(embedder, views, scales)
            embedding_set.finish(where, 1, **meta)

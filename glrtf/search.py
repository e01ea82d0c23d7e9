"""Searches with single photos: ``python -m glrtf.search PHOTO… --model M --index SET``."""

import dataclasses
import json
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from glrtf.config.inference import PhotoSearchConfig
from glrtf.config.retrieval import FusionConfig, LandmarkConfig, TrainNeighborsConfig
from glrtf.embedding_rows import ArrayRows, RowSource
from glrtf.embedding_set import EmbeddingSet
from tfrecords_tools import cli, files
from tfrecords_tools.errors import UserError

if TYPE_CHECKING:
    from glrtf.inference.embedders import Embedder
    from glrtf.retrieval.landmarks import LandmarkConfidences


@dataclasses.dataclass(frozen=True)
class Found:
    """One index photo of an answer.

    Attributes:
        image_id: Which.
        final: F, by which the photos are ordered.
        direct: D, how sure from likeness alone.
        bridged: B, how sure through a landmark of the train set.
        landmark_id: That landmark; None where there is none.
    """

    image_id: str
    final: float
    direct: float
    bridged: float
    landmark_id: int | None


@dataclasses.dataclass(frozen=True)
class Answer:
    """What is known of a photo.

    Attributes:
        landmarks: Landmark ids and how sure each is, the surest first.
        images: The best index photos.
    """

    landmarks: list[tuple[int, float]]
    images: list[Found]


class PhotoSearch:
    """The steps of a retrieval for a few photos, what belongs to the index done once.

    Confidences, bridges and fusion are those of `glrtf.retrieve` with the
    published parameters, without its database-side augmentation and non-landmark
    penalty, which need a whole test set.

    Args:
        embedder: The model.
        index: What is searched.
        train: The train photos; None for a search by likeness alone.
        landmarks_csv: The train photos' landmarks.
        views: Names of views to add up.

    Raises:
        UserError: If a set was embedded with another model.
    """

    def __init__(
        self,
        embedder: "Embedder",
        index: EmbeddingSet,
        train: EmbeddingSet | None = None,
        landmarks_csv: str = "",
        views: Sequence[str] = ("plain", "hflip"),
    ) -> None:
        from glrtf.retrieval import bridge
        from glrtf.retrieval.landmarks import read_landmarks

        for one in (index, *([train] if train else [])):
            _refuse_other_model(embedder, one)
        self._embedder, self._index, self._train, self._views = embedder, index, train, views
        self._id_ranks = np.argsort(np.argsort(index.ids))
        if train:
            of_rows = read_landmarks(landmarks_csv, train)
            self._known, self._codes = np.unique(of_rows, return_inverse=True)
        self._of_index = self._landmarks(index)
        self._lists = bridge.list_by_landmark(self._of_index, self._id_ranks)

    def embed(self, photos: Sequence[bytes], names: Sequence[str]) -> np.ndarray:
        """Rows float32 (photos, d) of image files' bytes, treated as the shards' builder does.

        Raises:
            UserError: Naming the first that is no image to be taken.
        """
        import tensorflow as tf

        from glrtf.data import decoding
        from glrtf.inference.tta import embed_views
        from tfrecords_tools import images

        settings = images.ImageSettings(verify="decode")
        resized = []
        for data, name in zip(photos, names, strict=True):
            upright = images.inspect(data, settings)
            if upright.fate == images.REJECTED:
                raise UserError(f"{name}: expected a photo, found a file that is {upright.reason}")
            pixels = decoding.decode(upright.encoded)
            resized.append(decoding.resize(pixels, self._embedder.size))
        return embed_views(self._embedder.embed, tf.stack(resized), self._views).numpy()

    def answer(self, rows: np.ndarray, limit: int) -> list[Answer]:
        """Answers for embedded photos.

        Args:
            rows: Float32 (photos, d), of length 1.
            limit: How many index photos each.
        """
        from glrtf.retrieval import bridge, exact, fusion
        from glrtf.retrieval.landmarks import NO_LANDMARK

        settings = FusionConfig()
        photos = ArrayRows(rows, "photos")
        asked = self._landmarks(photos)
        near = exact.search(photos, self._index, settings.direct_k)
        ranking = fusion.fuse(
            near,
            np.clip(near.scores, 0, 1),
            bridge.bridges_of_pairs(asked, self._of_index, near.indices),
            bridge.best_bridges(
                asked, self._lists, self._id_ranks, limit + near.k, surest_first=False
            ),
            self._id_ranks,
            divisor=settings.bridge_divisor,
            direct_power=settings.direct_power,
            bridge_power=settings.bridge_power,
            surest_first=False,
            limit=limit,
        )
        answers = []
        for photo in range(len(rows)):
            pairs = zip(asked.landmarks[photo], asked.confidences[photo], strict=True)
            landmarks = [(int(mark), float(sure)) for mark, sure in pairs if mark != NO_LANDMARK]
            places = range(int((ranking.images[photo] >= 0).sum()))
            answers.append(Answer(landmarks, [self._found(ranking, photo, p) for p in places]))
        return answers

    def _found(self, ranking: Any, photo: int, place: int) -> Found:
        landmark = int(ranking.landmarks[photo, place])
        return Found(
            self._index.ids[ranking.images[photo, place]].decode(),
            float(ranking.final[photo, place]),
            float(ranking.direct[photo, place]),
            float(ranking.bridged[photo, place]),
            landmark if landmark >= 0 else None,
        )

    def _landmarks(self, images: RowSource) -> "LandmarkConfidences":
        """Which landmarks images show, as steps 2 to 4 of a retrieval."""
        from glrtf.retrieval import exact, landmarks, non_landmark
        from glrtf.retrieval.neighbors import NO_ROW

        if self._train is None:
            count = len(images.ids)
            nothing = np.full((count, 1), landmarks.NO_LANDMARK, np.int64)
            return landmarks.LandmarkConfidences(nothing, np.full((count, 1), -np.inf))
        wanted, settings = TrainNeighborsConfig(), LandmarkConfig()
        near = exact.search(images, self._train, wanted.k, wanted.per_part)
        distances = non_landmark.penalized_distances(near.scores, np.ones(near.scores.shape), 0.0)
        return landmarks.landmark_confidences(
            np.where(near.indices == NO_ROW, -1, self._codes[near.indices]),
            distances,
            self._known,
            per_landmark=settings.per_landmark,
            best_bonus=settings.best_bonus,
            keep=settings.keep,
        )


def open_search(config: PhotoSearchConfig) -> PhotoSearch:
    """Opens the sets and loads the model."""
    index = EmbeddingSet.open(config.index)
    train = EmbeddingSet.open(config.train) if config.train else None
    from glrtf.inference.embedders import load_embedder

    return PhotoSearch(
        load_embedder(config.model), index, train, config.landmarks, tuple(config.tta)
    )


def run_search(config: PhotoSearchConfig) -> None:
    """The command."""
    photos = [files.read_bytes(path) for path in config.photos]
    search = open_search(config)
    answers = search.answer(search.embed(photos, config.photos), config.limit)
    for path, answer in zip(config.photos, answers, strict=True):
        print("\n".join(_lines(path, answer)))
    if config.json:
        pairs = zip(config.photos, answers, strict=True)
        files.write_json(config.json, {path: dataclasses.asdict(a) for path, a in pairs})


def _lines(path: str, answer: Answer) -> list[str]:
    marks = ", ".join(f"{mark} ({sure:.2f})" for mark, sure in answer.landmarks) or "none known"
    lines = [f"{path}", f"  landmarks: {marks}", "  image_id          final  direct  bridged  by"]
    for one in answer.images:
        by = "" if one.landmark_id is None else str(one.landmark_id)
        lines.append(
            f"  {one.image_id:<16}{one.final:>7.3f}{one.direct:>8.3f}{one.bridged:>9.3f}  {by}"
        )
    return lines


def _refuse_other_model(embedder: "Embedder", embedded: EmbeddingSet) -> None:
    found = embedded.meta.get("model_digest")
    if found != embedder.digest:
        raise UserError(
            f"{embedded.folder}: expected a set embedded with {embedder.name} (model digest"
            f" {embedder.digest[:12]}…), found {json.dumps(found)[:14]}…; embed it with this model"
        )


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line, photos first; returns the exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if arguments and not arguments[0].startswith("-"):
        arguments.insert(0, "--photos")
    return cli.run(PhotoSearchConfig, run_search, prog="python -m glrtf.search", argv=arguments)


if __name__ == "__main__":
    sys.exit(main())

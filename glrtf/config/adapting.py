"""Settings of `glrtf adapt`."""

import dataclasses
from typing import Literal


@dataclasses.dataclass
class AdaptConfig:
    """Trains a small map on the rows of a frozen model, with the landmarks as classes.

    The map is a matrix, or a network with one hidden layer, and is trained with the heads of
    glrtf train. It starts from the whitening of glrtf whiten --landmarks, or from the rows as
    they are. It is also trained on each half of the landmarks and measured on the other half: a map
    trained on some landmarks may make the rows of others worse. OUTPUT/adapter.json is for
    --adapter of embed, search, serve and retrieve.

    Attributes:
        train: Embedding sets of the train images, one per model.
        landmarks: train.csv or train_clean.csv.
        output: Folder of the adapter, and of the sets train, query and index of mapped rows.
        query: Embedding sets of the test images to map, one per model in the same order.
        index: Embedding sets of the index images to map, likewise.
        votes: The weight of each model; equal if left out.
        kind: linear, or mlp with a hidden layer.
        dimension: Length of a mapped row; 0 keeps the length.
        hidden: Units of the hidden layer in addition to two for each number of a mapped row.
        start: whitening: within landmarks, with shrinkage; identity: the rows' main directions.
        shrinkage: Of the whitening, 0 to 1.
        head: arcface, subcenter (several centres a class) or curricular.
        scale: The head's factor s on the logits.
        margin: The head's angular margin m in radians.
        epochs: Passes over the train rows.
        batch_size: Rows of one update.
        learning_rate: Peak of Adam's rate, which falls to 0 along half a cosine.
        max_rows: The largest number of train rows to use, of whole landmarks; 0 uses all.
        measure: Whether to train on halves of the landmarks as well, which doubles the time.
        write_train: Whether to write the mapped train set too.
        seed: Seed of the order and the initial weights.
        verify: Whether the sets' files are compared with their digests once, as long as they are
            unchanged, or always.
    """

    train: list[str]
    landmarks: str
    output: str
    query: list[str] = dataclasses.field(default_factory=list)
    index: list[str] = dataclasses.field(default_factory=list)
    votes: list[float] = dataclasses.field(default_factory=list)
    kind: Literal["linear", "mlp"] = "linear"
    dimension: int = 0
    hidden: int = 512
    start: Literal["whitening", "identity"] = "whitening"
    shrinkage: float = 0.5
    head: Literal["arcface", "subcenter", "curricular"] = "arcface"
    scale: float = 30.0
    margin: float = 0.3
    epochs: int = 5
    batch_size: int = 256
    learning_rate: float = 1e-4
    max_rows: int = 0
    measure: bool = True
    write_train: bool = True
    seed: int = 0
    verify: Literal["once", "always"] = "once"

    def __post_init__(self) -> None:
        """Refuses values outside their range."""
        if not self.train:
            raise ValueError("train: expected at least one embedding set, found none")
        for name in ("epochs", "batch_size"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}: expected 1 or more, found {getattr(self, name)}")
        for name in ("dimension", "hidden", "max_rows", "margin"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name}: expected 0 or more, found {getattr(self, name):g}")
        for name in ("learning_rate", "scale"):
            if not getattr(self, name) > 0:
                raise ValueError(
                    f"{name}: expected a number above 0, found {getattr(self, name):g}"
                )
        if not 0 <= self.shrinkage <= 1:
            raise ValueError(f"shrinkage: expected 0 to 1, found {self.shrinkage:g}")

"""Settings of distillation: training towards the stored rows of another descriptor."""

from dataclasses import dataclass, field
from typing import Literal, TypeAlias

Projection: TypeAlias = Literal["none", "pca", "learned"]


@dataclass(frozen=True)
class DistillConfig:
    """How a model learns from the rows that a better descriptor gives the same photos.

    Attributes:
        rows: Embedding set of the train photos, of any model (`glrtf embed`, `glrtf rows
            import`); empty trains on labels alone.
        weight: Factor of the distance to the rows in the loss.
        label_weight: Factor of the head's loss; 0 trains the model on the rows alone. The
            head is then trained on embeddings that it does not change.
        loss: cosine: 1 - cosine of embedding and row. l2: their squared Euclidean distance.
        projection: How embedding and row get the same length. none: they have it. pca: rows
            are centred and reduced to embedding_dim directions, the widest of the set, for
            rows that are longer. learned: a linear layer, dropped after training, maps
            embeddings to rows. auto: none or pca where that is possible, else learned.
        extra_data: Shards of more photos to learn from, one split each, such as SHARDS/index.
            Their labels, if any, are not used: an extra photo has only the distance to its row.
        extra_rows: Embedding sets of the extra photos, of the same model as rows.
    """

    rows: str = ""
    weight: float = 10.0
    label_weight: float = 1.0
    loss: Literal["cosine", "l2"] = "cosine"
    projection: Literal["auto", "none", "pca", "learned"] = "auto"
    extra_data: list[str] = field(default_factory=list)
    extra_rows: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        if self.weight <= 0:
            raise ValueError(f"weight: expected more than 0, found {self.weight}")
        if self.label_weight < 0:
            raise ValueError(f"label_weight: expected 0 or more, found {self.label_weight}")
        for given, other in (("extra_data", "extra_rows"), ("extra_rows", "extra_data")):
            if getattr(self, given) and not getattr(self, other):
                raise ValueError(
                    f"{other}: expected it together with --distill.{given}, found none"
                )
        if self.extra_data and not self.rows:
            raise ValueError("rows: expected those of the train photos too, found none")

    def projection_of(self, row_width: int, embedding_dim: int) -> Projection:
        """The projection between rows and embeddings of these lengths.

        Raises:
            ValueError: If the chosen one does not fit them.
        """
        if self.projection == "auto":
            if row_width == embedding_dim:
                return "none"
            return "pca" if row_width > embedding_dim else "learned"
        if self.projection == "none" and row_width != embedding_dim:
            raise ValueError(
                f"projection: expected auto, pca or learned for rows of {row_width} numbers and"
                f" --embedding_dim {embedding_dim}, found none"
            )
        if self.projection == "pca" and row_width < embedding_dim:
            raise ValueError(
                f"projection: expected learned for rows of {row_width} numbers, which are fewer"
                f" than --embedding_dim {embedding_dim}, found pca"
            )
        return self.projection

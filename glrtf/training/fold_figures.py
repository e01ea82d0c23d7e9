"""Metrics of a held-out fold from its embeddings and losses."""

import numpy as np

from glrtf.training.engine import Score


def figures_of(
    values: np.ndarray, labels: np.ndarray, dimension: int, score: Score | None
) -> dict[str, float]:
    """`validation_loss`, `validation_accuracy`, and `validation_<name>` of each score.

    Args:
        values: `(n, dimension + 2)` float32: unit rows, then loss and accuracy of the head without
            margin, over all classes.
        labels: `(n,)` int.
        dimension: Length of an embedding.
        score: Evaluates the embeddings by a search; None skips that.
    """
    embeddings, loss, right = np.split(values, [dimension, dimension + 1], axis=1)
    figures = {"validation_loss": float(loss.mean()), "validation_accuracy": float(right.mean())}
    if score is not None:
        figures |= {
            f"validation_{name}": value for name, value in score(embeddings, labels).items()
        }
    return figures

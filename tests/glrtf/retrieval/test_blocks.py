"""Results of several blocks put together."""

import dataclasses

import numpy as np

from glrtf.retrieval.blocks import concatenated


@dataclasses.dataclass(frozen=True)
class Found:
    images: np.ndarray
    scores: np.ndarray


def test_each_field_is_concatenated_in_order():
    one = Found(np.array([[3, 1]]), np.array([0.5]))
    two = Found(np.array([[2, 0], [4, 4]]), np.array([0.25, 1.0]))
    joined = concatenated([one, two])
    assert type(joined) is Found
    assert joined.images.tolist() == [[3, 1], [2, 0], [4, 4]]
    assert joined.scores.tolist() == [0.5, 0.25, 1.0]
    assert concatenated([two]).scores.tolist() == [0.25, 1.0]

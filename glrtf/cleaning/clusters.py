"""Images of a landmark that agree with each other, and the clusters that they form.

Two images agree if one of them is more similar to the other than to the best other landmark (and
a verifier, if there is one, confirms it). Clusters are the connected components of these pairs. A
landmark may have several, such as its outside and its inside, so small clusters are not dropped
for being smaller than the largest: what counts is that at least a few images agree.
"""

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from glrtf.cleaning.margins import Margins
from glrtf.embeddings.rows import RowSource
from glrtf.retrieval.ordering import ranges
from glrtf.retrieval.rerank.verification import PhotoFiles, confirmations
from glrtf.retrieval.search.neighbors import NO_ROW, Neighbors
from tfrecords_tools.progress import Progress

NO_CLUSTER = -1

Verifier = Callable[..., Sequence[float]]
"""From an image id and others to a number for each of them; higher is more certain.

If photos are available, it also gets the path of the image's photo and a list of the others'.
"""


def agreements(
    own: Neighbors, margins: Margins, counts: npt.NDArray[np.bool_]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Pairs of images that agree.

    Args:
        own: (rows, w) neighbours of each row in its landmark.
        margins: Of all rows.
        counts: (rows,) bool, the images that may agree with others.

    Returns:
        (pairs,) rows, ascending, and (pairs,) the rows they agree with.
    """
    valid = (own.indices != NO_ROW) & counts[own.indices] & counts[:, None]
    agree = valid & (own.scores > margins.other[:, None])
    rows, places = np.nonzero(agree)
    return rows, own.indices[rows, places]


def verified(
    left: npt.NDArray[np.int64],
    right: npt.NDArray[np.int64],
    train: RowSource,
    verifier: Verifier,
    least: float,
    name: str,
    photos: PhotoFiles | None = None,
) -> npt.NDArray[np.bool_]:
    """(pairs,) bool: which agreements a verifier confirms.

    Args:
        left: (pairs,) rows, ascending.
        right: (pairs,) the rows they agree with.
        train: The train rows.
        verifier: The function.
        least: The smallest number that confirms.
        name: Its name in messages.
        photos: The photos; None if the function takes only ids.

    Raises:
        UserError: If a photo is missing, or the function fails or does not return one finite
            number per image.
    """
    if photos is not None:
        wanted = np.unique(np.concatenate([left, right]))
        photos.find({one.decode() for one in train.ids[wanted].tolist()})
    confirmed = np.zeros(len(left), bool)
    starts = np.flatnonzero(np.diff(left, prepend=-1))
    stops = np.append(starts[1:], len(left))
    with Progress("verification", len(starts), "image") as progress:
        for start, stop in zip(starts.tolist(), stops.tolist(), strict=True):
            image_id = train.ids[left[start]].decode()
            others = [one.decode() for one in train.ids[right[start:stop]].tolist()]
            numbers = confirmations(verifier, name, image_id, others, photos, "image")
            confirmed[start:stop] = numbers >= least
            progress.update()
    return confirmed


def components(
    count: int, left: npt.NDArray[np.int64], right: npt.NDArray[np.int64]
) -> npt.NDArray[np.int64]:
    """Connected components of an undirected graph.

    Every node takes the smallest number among its own and its neighbours', and then that of the
    node with this number, until nothing changes.

    Args:
        count: Number of nodes.
        left: (edges,) one end of each.
        right: (edges,) the other end.

    Returns:
        (count,) int64, the smallest node of each node's component.
    """
    names = np.arange(count)
    while True:
        lowest = names.copy()
        np.minimum.at(lowest, left, names[right])
        np.minimum.at(lowest, right, names[left])
        # That node may have a smaller number itself.
        np.minimum.at(lowest, names, lowest.copy())
        while not np.array_equal(lowest, further := lowest[lowest]):
            lowest = further
        if np.array_equal(lowest, names):
            return names
        names = lowest


def numbered_by_size(
    names: npt.NDArray[np.int64], codes: npt.NDArray[np.int64], least: int
) -> npt.NDArray[np.int64]:
    """Clusters numbered within their landmark, the largest first, ties by smallest row.

    Args:
        names: (rows,) int64, from `components`, each within one landmark.
        codes: (rows,) int64, the landmarks.
        least: The smallest number of images in a cluster.

    Returns:
        (rows,) int64 from 0; -1 for images of smaller clusters.
    """
    firsts, which, sizes = np.unique(names, return_inverse=True, return_counts=True)
    order = np.lexsort((firsts, -sizes, codes[firsts]))
    lengths = np.unique(codes[firsts], return_counts=True)[1]
    numbers = np.empty(len(firsts), np.int64)
    numbers[order] = ranges(np.zeros(len(lengths), np.int64), lengths)[0]
    numbers[sizes < least] = NO_CLUSTER
    return numbers[which]

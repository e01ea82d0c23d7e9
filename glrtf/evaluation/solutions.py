"""The ground truth: the index images, or the landmarks, that are right for a query."""

import dataclasses
from collections.abc import Iterator

from tfrecords_tools import csv_rows, image_ids
from tfrecords_tools.errors import UserError

USAGES = ("Public", "Private", "Ignored")
# Characters that printed lists leave in a field of ids; an id that contains them must be quoted.
_LIST_SIGNS = frozenset(",\"'")


@dataclasses.dataclass(frozen=True)
class RetrievalSolution:
    """The relevant index images of every query.

    Attributes:
        relevant: The relevant index ids of each scored query, at least one; queries of the same
            landmark share a set.
        usage: ``Public``, ``Private`` or ``Ignored`` for every query, also the ignored ones.
    """

    relevant: dict[str, frozenset[str]]
    usage: dict[str, str]


@dataclasses.dataclass(frozen=True)
class RecognitionSolution:
    """The landmarks of every test image.

    Attributes:
        landmarks: The landmark ids that each scored image shows; empty for an image without a
            landmark.
        usage: ``Public``, ``Private`` or ``Ignored`` for every image.
    """

    landmarks: dict[str, frozenset[int]]
    usage: dict[str, str]

    def parts(self) -> dict[str, dict[str, frozenset[int]]]:
        """The landmarks of the scored images of ``Public``, ``Private`` and ``All``.

        A part in which no image shows a landmark is left out.
        """
        found = {
            part: {
                image_id: landmarks
                for image_id, landmarks in self.landmarks.items()
                if part in ("All", self.usage[image_id])
            }
            for part in ("Public", "Private", "All")
        }
        return {part: truth for part, truth in found.items() if any(truth.values())}


def is_recognition(path: str) -> bool:
    """Whether a CSV file belongs to the recognition task (``id,landmarks``)."""
    return "landmarks" in csv_rows.read_header(path)


def read_retrieval_solution(path: str) -> RetrievalSolution:
    """Reads ``id,images,Usage``; images are ids separated by spaces.

    Raises:
        UserError: If the file lacks a column, repeats an id, has an unknown Usage, no relevant
            image for a scored query, or no scored query.
    """
    relevant: dict[str, frozenset[str]] = {}
    usage: dict[str, str] = {}
    sets: dict[str, frozenset[str]] = {}
    for line, query_id, images, use in _rows(path, "images", usage):
        if use == "Ignored":
            continue
        if images in ("", "None"):
            raise UserError(
                f"{path}, line {line}: query {query_id} has Usage {use} but no relevant image; "
                "its Usage must be Ignored"
            )
        if images not in sets:
            sets[images] = frozenset(image_ids.split_list(images))
            if mangled := next(filter(_LIST_SIGNS.intersection, image_ids.bare_words(images)), ""):
                raise UserError(
                    f"{path}, line {line}: expected ids with spaces between as images, found"
                    f" {mangled!r}; write them without commas and quotes, and an id that has"
                    " some in double quotes"
                )
        relevant[query_id] = sets[images]
    if not relevant:
        raise UserError(f"{path}: expected scored queries, found {len(usage)}, all Ignored")
    return RetrievalSolution(relevant, usage)


def read_recognition_solution(path: str) -> RecognitionSolution:
    """Reads ``id,landmarks,Usage``; landmarks are numbers separated by spaces.

    Raises:
        UserError: If the file lacks a column, repeats an id, has an unknown Usage, a landmark that
            is not a number, or no image with a landmark.
    """
    landmarks: dict[str, frozenset[int]] = {}
    usage: dict[str, str] = {}
    for line, image_id, numbers, use in _rows(path, "landmarks", usage):
        if use == "Ignored":
            continue
        known = [csv_rows.whole_number(number) for number in numbers.split()]
        if None in known:
            raise UserError(
                f"{path}, line {line}: expected landmark numbers, found {numbers[:60]!r}"
            )
        landmarks[image_id] = frozenset(number for number in known if number is not None)
    if not any(landmarks.values()):
        raise UserError(f"{path}: expected scored images with a landmark, found none")
    return RecognitionSolution(landmarks, usage)


def _rows(path: str, column: str, usage: dict[str, str]) -> Iterator[tuple[int, str, str, str]]:
    """Checks and yields the rows of a solution, and records the Usage of each."""
    for line, (image_id, values, use) in csv_rows.read_rows(path, ("id", column, "Usage")):
        if use not in USAGES:
            raise UserError(
                f"{path}, line {line}: expected Usage {', '.join(USAGES)}, found {use!r}"
            )
        if image_id in usage:
            raise UserError(f"{path}, line {line}: {image_id} is repeated")
        usage[image_id] = use
        yield line, image_id, values, use

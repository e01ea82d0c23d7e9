"""Command: say which landmark images show."""

import dataclasses
import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from glrtf.config.recognition import RecognizeConfig
from tfrecords_tools.command import cli, expected
from tfrecords_tools.command.typed_settings import checked

if TYPE_CHECKING:
    from glrtf.service.recognizing import Recognitions


@dataclasses.dataclass(frozen=True)
class RecognizeResult:
    """Recognised images.

    Attributes:
        submission: The CSV file: ``id,landmarks``.
        num_images: Images recognised.
        num_with_landmark: How many of them have a landmark in the file.
        calibrated: Whether confidences are probabilities of being right.
        calibration: What they were calibrated on, in words, and which scores are right how often.
        notes: What the user should know.
    """

    submission: str
    num_images: int
    num_with_landmark: int
    calibrated: bool
    calibration: str
    notes: tuple[str, ...]


def recognize(config: RecognizeConfig) -> RecognizeResult:
    """Recognises the images of a set and writes a submission.

    Raises:
        UserError: If sets are damaged, of different models or do not fit the table.
    """
    config = checked(config, RecognizeConfig)
    expected.new_file("--output", config.output, config)
    for option in ("landmarks", "labels"):
        if path := getattr(config, option):
            expected.file(f"--{option}", path)
    from glrtf.retrieval.bridging.landmark_confidence import NO_LANDMARK
    from glrtf.service.recognizing import recognize_rows
    from tfrecords_tools import image_ids
    from tfrecords_tools.storage import csv_files

    found = recognize_rows(config)
    image_ids.refuse_unsafe(
        config.output, found.ids, "embed photos with --photo_ids digest, or rename them"
    )
    csv_files.write(config.output, ["id", "landmarks"], _lines(found))
    curve = found.curve
    notes = []
    if curve is None:
        notes.append(
            f"too few right or wrong answers by {found.source}: confidences are sums of"
            " similarities, not probabilities, and --least does not apply"
        )
    return RecognizeResult(
        config.output,
        len(found.ids),
        int((found.landmarks != NO_LANDMARK).sum()),
        curve is not None,
        f"right in {curve.as_text()} (by {found.source})" if curve else "not known",
        tuple(notes),
    )


def _lines(found: "Recognitions") -> Iterator[tuple[str, str]]:
    """Ids in the set's order; every digit of a confidence counts in the order of GAP."""
    from glrtf.retrieval.bridging.landmark_confidence import NO_LANDMARK

    for image_id, landmark, confidence in zip(
        found.ids.tolist(), found.landmarks.tolist(), found.confidences.tolist(), strict=True
    ):
        shown = "" if landmark == NO_LANDMARK else f"{landmark} {confidence!r}"
        yield image_id.decode(), shown


def run_recognize(config: RecognizeConfig) -> None:
    """Recognises, and prints notes, the calibration and where the submission is."""
    done = recognize(config)
    for note in done.notes:
        print(f"note: {note}", file=sys.stderr)
    if done.calibrated:
        print(f"confidence: {done.calibration}")
    print(f"{done.num_with_landmark} of {done.num_images} images recognized -> {done.submission}")


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command."""
    return cli.run(RecognizeConfig, run_recognize, argv=argv)

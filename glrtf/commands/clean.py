"""Command: find train images that do not show their landmark."""

import dataclasses
import sys
from collections.abc import Callable, Sequence
from typing import Any

from glrtf.config.cleaning import CleanConfig
from tfrecords_tools.command import cli, expected
from tfrecords_tools.command.typed_settings import checked
from tfrecords_tools.errors import UserError
from tfrecords_tools.storage import files, temporary_files


@dataclasses.dataclass(frozen=True)
class CleanResult:
    """A cleaning on disk.

    Attributes:
        train_clean: train_clean.csv: ``landmark_id,images`` of the images that stay.
        images: clean.csv: a line for every train image, with the reason and score.
        description: cleaning.json: settings, digests and counts.
        sets: The train sets of the images that stay; none without --write_sets.
        page: index.html with contact sheets; empty without --images.
        counts: images, kept, landmarks, landmarks_kept, and each reason → how many.
        wrong_share: The estimated share of wrong labels.
        expected_precision: Of the images found mislabelled, how many are expected to be so;
            None if there are none.
        expected_recall: The share of labels exchanged on purpose that would be found.
        notes: What the user should know.
    """

    train_clean: str
    images: str
    description: str
    sets: tuple[str, ...]
    page: str
    counts: dict[str, int]
    wrong_share: float
    expected_precision: float | None
    expected_recall: float
    notes: tuple[str, ...]


def clean(
    config: CleanConfig, verifier: Callable[..., Sequence[float]] | None = None
) -> CleanResult:
    """Judges every train image and writes what stays, with reasons for what does not.

    Args:
        config: The settings.
        verifier: Confirms agreements, in place of the function that the settings name: gets an
            image id and a list of ids, with `images` also the photo's path and a list of paths,
            and returns a number for each.

    Raises:
        UserError: If sets are damaged, of different models or do not fit the table, or the
            verifier fails.
    """
    config = checked(config, CleanConfig)
    expected.new_folder("--output", config.output)
    expected.file("--landmarks", config.landmarks)
    if config.images:
        expected.folder("--images", config.images)
    if files.is_remote(config.output):
        raise UserError(f"--output {config.output}: expected a local folder, found a remote one")
    if verifier is None and config.verifier:
        from glrtf.models.functions import find_function

        verifier = find_function(config.verifier)
    from glrtf.cleaning import kept_sets, output
    from glrtf.cleaning.inputs import open_inputs
    from glrtf.cleaning.judging import judge
    from glrtf.retrieval.stage_cache import StageCache

    clean_file = files.join(config.output, output.CLEAN_TRAIN_FILE)
    expected.not_an_input("--output", clean_file, config)
    if config.write_sets:
        kept_sets.require_writable(config.output, config.train)
    inputs = open_inputs(config)
    cache = StageCache(files.join(config.output, "cache"))
    for folder in (config.output, cache.folder):
        temporary_files.remove_stale(folder)
    judgement = judge(inputs, config, cache, verifier)
    kept = output.kept_rows(judgement, config)
    names = (output.CLEAN_TRAIN_FILE, output.ALL_FILE, output.DESCRIPTION_FILE)
    clean_train, every, described = (files.join(config.output, name) for name in names)
    output.write_clean_train(clean_train, inputs, kept)
    output.write_all(every, inputs, judgement, kept)
    description = output.description(config, inputs, judgement, kept)
    files.write_json(described, description)
    notes = _notes(config, description["counts"])
    sets: list[str] = []
    if config.write_sets:
        sets = kept_sets.write(config.train, config.output, inputs.train.ids[kept], config.verify)
    page = ""
    if config.images:
        page, of_photos = _page(config, inputs, judgement, kept, description)
        notes = (*notes, *of_photos)
    return CleanResult(
        clean_train,
        every,
        described,
        tuple(sets),
        page,
        description["counts"],
        judgement.wrong.share,
        judgement.expected_precision,
        judgement.expected_recall,
        notes,
    )


def _page(
    config: CleanConfig, inputs: Any, judgement: Any, kept: Any, described: Any
) -> tuple[str, list[str]]:
    from glrtf.cleaning import page

    return page.write(config, inputs, judgement, kept, described)


def _notes(config: CleanConfig, counts: dict[str, int]) -> tuple[str, ...]:
    notes = []
    if missing := counts["listed_without_row"]:
        notes.append(
            f"{config.landmarks} lists {missing} images that --train has no row of; they are left"
            " out"
        )
    if not counts["kept"]:
        notes.append("no image is left; see clean.csv, and drop fewer reasons with --drop")
    return tuple(notes)


def run_clean(config: CleanConfig) -> None:
    """Cleans, and prints counts, notes and where the result is."""
    done = clean(config)
    for note in done.notes:
        print(f"note: {note}", file=sys.stderr)
    from glrtf.cleaning.judging import REASONS

    counts = done.counts
    print(f"images         {counts['images']:>9}  of {counts['landmarks']} landmarks")
    for reason in REASONS:
        dropped = "dropped" if reason in config.drop else "reported only"
        print(f"{reason:<14} {counts[reason]:>9}  {dropped}")
    print(f"kept           {counts['kept']:>9}  of {counts['landmarks_kept']} landmarks")
    print(f"labels estimated to be wrong: {done.wrong_share:.1%}".replace("%", " %"))
    if done.expected_precision is not None:
        print(
            f"expected of those found mislabelled: {done.expected_precision:.2f} are (precision);"
            f" of labels exchanged at random {done.expected_recall:.2f} are found (recall)"
        )
    for path in (done.train_clean, *done.sets, *filter(None, [done.page])):
        print(path)


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command."""
    return cli.run(CleanConfig, run_clean, argv=argv)

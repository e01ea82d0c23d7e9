"""The page of a cleaning: contact sheets of what goes and what stays."""

from typing import Any

import numpy as np
import numpy.typing as npt

from glrtf.cleaning.inputs import Inputs
from glrtf.cleaning.judging import REASONS, Judgement
from glrtf.config.cleaning import CleanConfig
from glrtf.photos import find, landmark_tables, thumbnails
from glrtf.reporting import report_text, sheets
from glrtf.reporting.page import Figure
from glrtf.reporting.sheets import Sheet, SheetPage, SheetPhoto, SheetRow
from glrtf.retrieval.search.neighbors import NO_ROW

_TEXTS = {
    "leak": "Near-duplicates of test or index images, each followed by its counterpart.",
    "mislabelled": "Each with three images of its own landmark (as labelled) and three of the "
    "landmark that it is nearer to.",
    "non_landmark": "Nearer to images without a landmark than to any landmark, or not close to "
    "two images of any landmark.",
    "conflict": "Near-duplicates of an image of another landmark, each followed by that image.",
    "isolated": "Agree with too few images of their landmark. Often another view, such as the "
    "inside.",
    "duplicate": "Near-duplicates of an image of the same landmark, each followed by that image.",
}
_TITLES = {"non_landmark": "no landmark"}
_EXAMPLES = 3
_STAYING_LANDMARKS = 12
_STAYING = 8


def write(
    config: CleanConfig,
    inputs: Inputs,
    judgement: Judgement,
    kept: npt.NDArray[np.bool_],
    described: dict[str, Any],
) -> tuple[str, list[str]]:
    """Makes the thumbnails and writes the page.

    Args:
        config: The settings.
        inputs: The inputs of the cleaning.
        judgement: The findings.
        kept: (rows,) bool, the images that stay.
        described: The content of ``cleaning.json``.

    Returns:
        The page's path, and which photos it cannot show.
    """
    drawn = _Sheets(config, inputs, judgement, kept).all()
    wanted = sheets.shown_ids(drawn)
    places = find.find_photos(config.images, wanted)
    made, refused = thumbnails.make_thumbnails(places, config.output, config.thumbnail)
    notes = report_text.photo_notes(len(wanted), sorted(wanted - set(places)), refused)
    page = SheetPage(
        "Cleaned train images",
        _figures(judgement, described["counts"]),
        notes,
        _table(config, described["counts"]),
        report_text.parameter_rows(described["parameters"]),
        drawn,
        config.thumbnail,
    )
    return sheets.write_page(page, config.output, made), notes


def _figures(judgement: Judgement, counts: dict[str, int]) -> list[Figure]:
    share = counts["kept"] / counts["images"]
    figures = [
        Figure("Stay", f"{share:.1%}", f"{counts['kept']} of {counts['images']} images"),
        Figure(
            "Landmarks left",
            str(counts["landmarks_kept"]),
            f"of {counts['landmarks']}",
        ),
        Figure("Wrong labels", f"{judgement.wrong.share:.1%}", "estimated"),
    ]
    if judgement.expected_precision is not None:
        figures.append(
            Figure(
                "Mislabelled",
                str(counts["mislabelled"]),
                f"expected precision {judgement.expected_precision:.2f}, "
                f"recall {judgement.expected_recall:.2f}",
            )
        )
    return figures


def _table(config: CleanConfig, counts: dict[str, int]) -> list[list[str]]:
    rows = [["reason", "images", ""]]
    for reason in REASONS:
        rows.append([reason, str(counts[reason]), "dropped" if reason in config.drop else "stays"])
    return rows


class _Sheets:
    """Draws the sheets of one cleaning."""

    def __init__(
        self,
        config: CleanConfig,
        inputs: Inputs,
        judgement: Judgement,
        kept: npt.NDArray[np.bool_],
    ) -> None:
        self._config, self._inputs, self._judgement, self._kept = config, inputs, judgement, kept
        codes = {*inputs.codes.tolist(), *judgement.suggested.tolist()} - {-1}
        numbers = [int(inputs.landmark_ids[code]) for code in codes]
        self._names = landmark_tables.landmark_names(config.images, numbers)

    def all(self) -> list[Sheet]:
        """A sheet for each reason that occurs, and one of what stays."""
        found = [reason for reason in REASONS if self._judgement.has(reason).any()]
        return [*map(self._of_reason, found), self._of_staying()]

    def _of_reason(self, reason: str) -> Sheet:
        rows = np.flatnonzero(self._judgement.has(reason))
        # The surest first.
        rows = rows[np.lexsort((rows, self._judgement.right[rows]))]
        shown = rows[: self._config.photos_shown]
        if reason == "mislabelled":
            drawn = [self._with_examples(row) for row in shown[: len(shown) // 2 + 1].tolist()]
        elif reason in ("leak", "conflict", "duplicate"):
            photos = [photo for row in shown.tolist() for photo in self._with_partner(row)]
            drawn = [SheetRow("", photos)]
        else:
            drawn = [SheetRow("", [self._photo(row, "wrong") for row in shown.tolist()])]
        title = _TITLES.get(reason, reason)
        fate = "dropped" if reason in self._config.drop else "reported only"
        text = f"{len(rows)} images, {fate}. {_TEXTS[reason]}"
        return Sheet(reason, f"{title[0].upper()}{title[1:]}", text, drawn)

    def _with_examples(self, row: int) -> SheetRow:
        own = int(self._inputs.codes[row])
        other = int(self._judgement.suggested[row])
        photos = [self._photo(row, "wrong"), *self._examples(own, "ignored")]
        if other >= 0:
            photos += self._examples(other, "right")
        return SheetRow(f"Labelled {self._name(own)}, nearer to {self._name(other)}", photos)

    def _examples(self, code: int, mark: str) -> list[SheetPhoto]:
        """The surest images of a landmark."""
        # Not only those that stay: a test set may repeat all of them.
        shows_it = ~self._judgement.has("mislabelled") & ~self._judgement.has("non_landmark")
        rows = np.flatnonzero((self._inputs.codes == code) & shows_it)
        surest = rows[np.lexsort((rows, -self._judgement.margins.values[rows]))]
        return [
            SheetPhoto(self._id(row), (self._name(code),), mark)
            for row in surest[:_EXAMPLES].tolist()
        ]

    def _with_partner(self, row: int) -> list[SheetPhoto]:
        partner, source = int(self._judgement.partner[row]), int(self._judgement.partner_of[row])
        photos = [self._photo(row, "wrong")]
        if partner == NO_ROW:
            return photos
        if source == 0:
            return [*photos, self._photo(partner, "ignored")]
        role = ("", "query", "index")[source]
        image_id = self._inputs.others[role].ids[partner].decode()
        return [*photos, SheetPhoto(image_id, (f"{role} image",), "ignored")]

    def _of_staying(self) -> Sheet:
        """Some landmarks as they stay, the same at every run."""
        codes = np.unique(self._inputs.codes[self._kept])
        chosen = codes[
            np.linspace(0, len(codes) - 1, min(len(codes), _STAYING_LANDMARKS)).astype(int)
        ]
        drawn = []
        for code in chosen.tolist():
            rows = np.flatnonzero((self._inputs.codes == code) & self._kept)
            shown = rows[np.linspace(0, len(rows) - 1, min(len(rows), _STAYING)).astype(int)]
            photos = [self._photo(row, "right") for row in shown.tolist()]
            drawn.append(SheetRow(f"{self._name(code)}: {len(rows)} images", photos))
        text = f"{len(chosen)} of {len(codes)} landmarks, some images of each."
        return Sheet("stay", "What stays", text, drawn)

    def _photo(self, row: int, mark: str) -> SheetPhoto:
        right = self._judgement.right[row]
        caption = (self._name(int(self._inputs.codes[row])), f"label right: {right:.0%}")
        return SheetPhoto(self._id(row), caption, mark)

    def _id(self, row: int) -> str:
        return self._inputs.train.ids[row].decode()

    def _name(self, code: int) -> str:
        if code < 0:
            return "no landmark"
        number = int(self._inputs.landmark_ids[code])
        return self._names.get(number) or f"landmark {number}"

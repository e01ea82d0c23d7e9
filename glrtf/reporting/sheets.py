"""Contact sheets: a page of photos under headings, without scripts."""

import dataclasses
from collections.abc import Sequence
from importlib import resources

from glrtf.photos import thumbnails
from glrtf.reporting.page import Figure
from tfrecords_tools.storage import files


@dataclasses.dataclass(frozen=True)
class SheetPhoto:
    """A photo of a sheet.

    Attributes:
        image_id: Which.
        caption: Lines below it.
        mark: right, wrong or ignored, which give its frame; empty for none.
    """

    image_id: str
    caption: Sequence[str] = ()
    mark: str = ""


@dataclasses.dataclass(frozen=True)
class SheetRow:
    """Photos that belong together.

    Attributes:
        title: What they are; empty for none.
        photos: The photos.
    """

    title: str
    photos: Sequence[SheetPhoto]


@dataclasses.dataclass(frozen=True)
class Sheet:
    """A part of the page.

    Attributes:
        id: Its name in the page's address.
        title: Its heading.
        text: A sentence below it.
        rows: Its photos.
    """

    id: str
    title: str
    text: str
    rows: Sequence[SheetRow]


@dataclasses.dataclass(frozen=True)
class SheetPage:
    """All that the page shows.

    Attributes:
        title: The heading.
        figures: The numbers on top.
        notes: What the reader must know, such as missing photos.
        table: Rows of texts, the header first.
        parameters: Names and values of the settings.
        sheets: The contact sheets.
        thumbnail: The longest side of the thumbnails in pixels.
    """

    title: str
    figures: Sequence[Figure]
    notes: Sequence[str]
    table: Sequence[Sequence[str]]
    parameters: Sequence[tuple[str, str]]
    sheets: Sequence[Sheet]
    thumbnail: int


def shown_ids(sheets: Sequence[Sheet]) -> set[str]:
    """Every photo that the sheets show."""
    return {photo.image_id for sheet in sheets for row in sheet.rows for photo in row.photos}


def write_page(page: SheetPage, folder: str, available: set[str]) -> str:
    """Writes ``index.html``.

    Args:
        page: What it shows.
        folder: Where it is written; thumbnails lie below it.
        available: The ids of the photos that have a thumbnail.

    Returns:
        Its path.
    """
    path = files.join(folder, "index.html")
    files.write_bytes(path, render(page, available).encode())
    return path


def render(page: SheetPage, available: set[str]) -> str:
    """The page's HTML, with its style inside; arguments as of `write_page`."""
    import jinja2
    import markupsafe

    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True
    )
    # What file names are encoded with is no hex escape of an address.
    environment.globals["path_of"] = lambda one: thumbnails.relative_path(one, page.thumbnail)
    return environment.from_string(_asset("sheets.html")).render(
        page=page, available=available, style=markupsafe.Markup(_asset("style.css"))
    )


def _asset(name: str) -> str:
    return resources.files("glrtf.reporting").joinpath("html", name).read_text("utf-8")

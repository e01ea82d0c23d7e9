"""The report's page: templates filled in, the gallery's scripts written."""

import dataclasses
from collections.abc import Mapping, Sequence
from importlib import resources
from typing import Any

from glrtf.reporting import page_data
from glrtf.reporting.bridge_photos import Bridge
from glrtf.reporting.charts import Chart
from glrtf.reporting.embedding_map import EmbeddingMap
from glrtf.reporting.gallery import QueryView
from tfrecords_tools.storage import files


@dataclasses.dataclass(frozen=True)
class Figure:
    """A headline number.

    Attributes:
        name: What it is.
        value: The number, as text.
        note: Additional text, such as its interval.
    """

    name: str
    value: str
    note: str


@dataclasses.dataclass(frozen=True)
class Section:
    """A part of the page with charts.

    Attributes:
        id: Its name in the page's address.
        title: Its heading.
        text: A sentence above the charts.
        charts: The charts.
        table: Rows of texts, the header first; empty for none.
    """

    id: str
    title: str
    text: str = ""
    charts: Sequence[Chart] = ()
    table: Sequence[Sequence[str]] = ()


@dataclasses.dataclass(frozen=True)
class Page:
    """The content of the page.

    Attributes:
        title: The heading.
        figures: The numbers on top.
        notes: Notes for the reader, such as missing photos.
        measures: The table of all measures, the header first.
        parameters: The retrieval's settings: names and values.
        sections: The parts with charts.
        gallery_text: A description of the gallery.
        views: The gallery's queries.
        train_photos: For each bridging landmark the train photos to show.
        bridges: For both ends of a bridge, the most similar train photos.
        landmark_names: The landmarks' names, where known.
        baseline_name: The name of the baseline.
        by_bridging: Whether the difference is the effect of bridging.
        embedding_map: The map of embeddings, if there is one.
        thumbnail: The longest side of the thumbnails in pixels.
    """

    title: str
    figures: Sequence[Figure]
    notes: Sequence[str]
    measures: Sequence[Sequence[str]]
    parameters: Sequence[tuple[str, str]]
    sections: Sequence[Section]
    gallery_text: str
    views: Sequence[QueryView]
    train_photos: Mapping[int, Sequence[str]]
    bridges: Mapping[Bridge, Sequence[str]]
    landmark_names: Mapping[int, str]
    baseline_name: str
    by_bridging: bool
    embedding_map: EmbeddingMap | None
    thumbnail: int


def write_page(page: Page, folder: str) -> str:
    """Writes the gallery's scripts, then ``index.html``.

    Returns:
        The path of ``index.html``.
    """
    size = page_data.QUERIES_IN_CHUNK
    for number, start in enumerate(range(0, len(page.views), size)):
        text = page_data.chunk_script(
            number, page.views[start : start + size], page.train_photos, page.bridges
        )
        files.write_bytes(files.join(folder, "data", f"queries-{number:04d}.js"), text.encode())
    path = files.join(folder, "index.html")
    files.write_bytes(path, render(page).encode())
    return path


def render(page: Page) -> str:
    """The page's HTML, with its style, script and list of queries inside."""
    import jinja2
    import markupsafe

    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True
    )
    return environment.from_string(_asset("page.html")).render(
        title=page.title,
        figures=page.figures,
        notes=page.notes,
        measures=page.measures,
        parameters=page.parameters,
        chart_sections=[
            dataclasses.replace(
                section,
                charts=[
                    dataclasses.replace(chart, svg=markupsafe.Markup(chart.svg))
                    for chart in section.charts
                ],
            )
            for section in page.sections
        ],
        sections=[
            ("summary", "Summary"),
            *((section.id, section.title) for section in page.sections),
            *([("map", "Map")] if page.embedding_map else []),
            ("gallery", "Gallery"),
        ],
        map_method=page.embedding_map.method if page.embedding_map else "",
        gallery_text=page.gallery_text,
        helped_name="Most helped by bridging" if page.by_bridging else "Most gained",
        hurt_name="Most hurt by bridging" if page.by_bridging else "Most lost",
        data=markupsafe.Markup(page_data.script_json(_report_data(page))),
        style=markupsafe.Markup(_asset("style.css")),
        script=markupsafe.Markup(_asset("app.js") + _asset("map.js") + "glrtf.start();\n"),
    )


def _report_data(page: Page) -> dict[str, Any]:
    return {
        "queries": page_data.query_list(page.views),
        "chunk": page_data.QUERIES_IN_CHUNK,
        "thumbnail": page.thumbnail,
        "landmarks": {str(number): name for number, name in page.landmark_names.items()},
        "map": page.embedding_map.as_json() if page.embedding_map else None,
        "baselineName": page.baseline_name,
        "baselineShort": "by bridging" if page.by_bridging else "against baseline",
    }


def _asset(name: str) -> str:
    return resources.files("glrtf.reporting").joinpath("html", name).read_text("utf-8")

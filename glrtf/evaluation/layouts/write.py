"""A benchmark's photos in the layout that shards are built from, and its truth in image ids."""

import os
from collections.abc import Mapping, Sequence

from glrtf.evaluation.layouts import photo_files
from glrtf.evaluation.layouts.benchmark import Benchmark, Photo
from tfrecords_tools import gldv2
from tfrecords_tools.errors import UserError
from tfrecords_tools.progress import Progress
from tfrecords_tools.storage import csv_files, files, folders


def write(benchmark: Benchmark, output: str) -> dict[str, str]:
    """Writes ``index/``, ``test/`` and ``metadata/``.

    Index photos are hard links where the disk allows them, else copies. An index photo's id is its
    place; a query has the id of the index photo that it is, or one of its own. Where all queries
    are index photos, there is no ``test/``. The truth is ``solution.csv`` (id,images), or
    ``query_labels.csv`` and ``index_labels.csv`` (id,label); of each group of queries there is a
    file more, such as ``query_labels_faces.csv``.

    Args:
        benchmark: The benchmark.
        output: The folder to be made; it appears whole or not at all.

    Returns:
        Query name -> its image id.

    Raises:
        UserError: If a photo is missing or cannot be read, or there are no queries.
    """
    if os.path.exists(output):
        raise UserError(f"{output}: already exists; choose another --output or remove it")
    _require(benchmark)
    index_ids = {one.path: gldv2.format_id(place) for place, one in enumerate(benchmark.index)}
    query_ids = {
        one.name: (None if one.box else index_ids.get(one.path))
        or gldv2.format_id(photo_files.FIRST_QUERY + place)
        for place, one in enumerate(benchmark.queries)
    }
    apart = not set(query_ids.values()) <= set(index_ids.values())
    total = len(benchmark.index) + apart * len(benchmark.queries)
    with folders.atomic_folder(output) as folder, Progress("photos", total, "photo") as progress:
        for photo in benchmark.queries if apart else ():
            photo_files.write_query(photo.path, photo.box, folder, query_ids[photo.name])
            progress.update()
        for photo in benchmark.index:
            photo_files.link(photo.path, folder, "index", index_ids[photo.path])
            progress.update()
        _write_tables(benchmark, files.join(folder, "metadata"), query_ids, index_ids, apart=apart)
    return query_ids


def _require(benchmark: Benchmark) -> None:
    for role, photos in (("queries", benchmark.queries), ("index photos", benchmark.index)):
        if not photos:
            raise UserError(f"expected {role} in the benchmark, found none")
        names = {one.name for one in photos}
        if len(names) < len(photos):
            raise UserError(f"expected {role} with different names, found one name twice")
        missing = [one.path for one in photos if not os.path.exists(one.path)]
        if missing:
            raise UserError(
                f"{missing[0]}: no such file; {len(missing)} of {len(photos)} {role} are missing"
            )


def _write_tables(
    benchmark: Benchmark,
    folder: str,
    query_ids: Mapping[str, str],
    index_ids: Mapping[str, str],
    *,
    apart: bool,
) -> None:
    def table(name: str, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        csv_files.write(files.join(folder, f"{name}.csv"), header, rows)

    named = [(index_ids[one.path], one.name) for one in benchmark.index]
    table("index", ("id", "name"), named)
    if apart:
        table("test", ("id", "name"), [(query_ids[o.name], o.name) for o in benchmark.queries])
    groups = {one.group for one in benchmark.queries}
    parts = {"": list(benchmark.queries)}
    if len(groups) > 1:
        parts |= {
            f"_{group}": [one for one in benchmark.queries if one.group == group]
            for group in sorted(groups)
            if group
        }
    if benchmark.relevant is not None:
        id_of = {one.name: index_ids[one.path] for one in benchmark.index}
        for part, queries in parts.items():
            rows = [
                (
                    query_ids[one.name],
                    " ".join(id_of[name] for name in benchmark.relevant[one.name]),
                )
                for one in queries
            ]
            table(f"solution{part}", ("id", "images"), rows)
        return
    for part, queries in parts.items():
        table(f"query_labels{part}", ("id", "label"), _labelled(queries, query_ids))
    by_name = {one.name: index_ids[one.path] for one in benchmark.index}
    table("index_labels", ("id", "label"), _labelled(benchmark.index, by_name))


def _labelled(photos: Sequence[Photo], ids: Mapping[str, str]) -> list[tuple[str, str]]:
    """A row for each label, or one without any, of each photo."""
    return [(ids[one.name], label) for one in photos for label in one.labels or ("",)]

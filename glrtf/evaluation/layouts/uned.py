"""UnED (Ypsilantis et al., ICCV 2023, arXiv 2309.01858): eight domains, one index of all.

`info_files/DOMAIN/SPLIT.json` lists `{"path", "class_id"}`; paths are below `images`, and a
photo may have several classes. A domain's queries are its `test.json`; its index photos are
`index.json` or, where there is none, the queries themselves. Measures are R@1 (here `hit@1`) and
mMP@5, each the mean over domains.
"""

import os
from collections.abc import Sequence
from typing import TypedDict

from glrtf.evaluation.layouts.benchmark import Benchmark, Photo
from tfrecords_tools.errors import UserError
from tfrecords_tools.storage import files

_DEPTH = 100


class _Info(TypedDict):
    path: str
    class_id: int | list[int]


def read(source: str, domains: Sequence[str] = ()) -> Benchmark:
    """Reads the folder that holds `info_files` and `images`.

    Args:
        source: The folder.
        domains: Their names; none takes all below `info_files`.

    Raises:
        UserError: If files are missing or not of the published form, or a domain is unknown.
    """
    infos = os.path.join(source, "info_files")
    if not os.path.isdir(infos):
        raise UserError(f"{infos}: no such folder; expected the splits of UnED")
    known = sorted(one for one in os.listdir(infos) if os.path.isdir(os.path.join(infos, one)))
    if unknown := [one for one in domains if one not in known]:
        raise UserError(
            f"--domains: expected domains of {infos} ({', '.join(known)}), found {unknown[0]!r}"
        )
    queries: list[Photo] = []
    index: list[Photo] = []
    for domain in domains or known:
        folder = os.path.join(infos, domain)
        queries += _photos(source, domain, os.path.join(folder, "test.json"))
        own_index = os.path.join(folder, "index.json")
        searched = own_index if os.path.exists(own_index) else os.path.join(folder, "test.json")
        index += _photos(source, domain, searched)
    return Benchmark(queries, index, depth=_DEPTH)


def _photos(source: str, domain: str, path: str) -> list[Photo]:
    if not os.path.exists(path):
        raise UserError(f"{path}: no such file; expected a split of UnED")
    rows = files.read_json(path)
    if not isinstance(rows, list) or not all(map(_is_info, rows)):
        raise UserError(f"{path}: expected a list of path and class_id, found something else")
    return [_photo(source, domain, row) for row in rows]


def _is_info(row: object) -> bool:
    if not isinstance(row, dict) or not isinstance(row.get("path"), str):
        return False
    classes = row.get("class_id")
    several = classes if isinstance(classes, list) else [classes]
    return all(isinstance(one, int) for one in several)


def _photo(source: str, domain: str, row: _Info) -> Photo:
    classes = row["class_id"] if isinstance(row["class_id"], list) else [row["class_id"]]
    labels = tuple(f"{domain}:{one}" for one in classes)
    path = os.path.join(source, "images", *row["path"].split("/"))
    return Photo(row["path"], path, labels, group=domain)

"""Whatever an id is: every reader gets it back from every writer, or the writer refuses it."""

import csv
import string
import tempfile
import unicodedata
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from glrtf.commands import evaluate
from glrtf.data import photo_folders
from glrtf.embeddings import embedding_set
from glrtf.embeddings.rows import ArrayRows
from glrtf.embeddings.rows_by_id import RowsById
from glrtf.evaluation import results
from glrtf.evaluation.submissions import read_index_ids, read_submission
from glrtf.photos import landmark_tables, thumbnails
from glrtf.reporting import projector
from glrtf.retrieval import output
from glrtf.retrieval.bridging import landmark_confidence, non_landmark
from glrtf.service import labels
from tfrecords_tools import image_ids
from tfrecords_tools.errors import UserError
from tfrecords_tools.storage import files

SLOW = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
ANY = st.text(st.sampled_from(string.printable + "é\u3000\u2028"), min_size=1, max_size=17)
# Spaces, commas, quotes, path separators, other scripts; some longer than arrays of 16 bytes.
SAFE = st.text(st.sampled_from("ab0 ,;\"'/\\.éß日()#=<&%\u3000"), min_size=1, max_size=40).filter(
    image_ids.is_safe
)
SEVERAL = st.lists(SAFE, min_size=2, max_size=6, unique=True)
ODD = ["a;b", "#1", "x(1)", "=1+1", "%s", "<b>&"]
TEXTS = ["None", 'a "b", c', "Köln/Dom (2).jpg", "a", "a b", "x" * 255]


def write_set(folder, ids):
    rows = np.eye(8, dtype=np.float32)[: len(ids)]
    embedding_set.write_part(folder, 0, 1, rows, np.array([i.encode() for i in ids]))
    return embedding_set.finish(folder, 1, model="drawn", size=0)


def write_retrieval(folder, ids):
    """The first id is the query; it ranks the others."""
    query, index = (np.array([i.encode() for i in split_ids]) for split_ids in (ids[:1], ids[1:]))
    images = np.arange(len(index), dtype=np.int64)[None]
    zeros = np.zeros(images.shape)
    ranking = SimpleNamespace(
        images=images, final=zeros, direct=zeros, bridged=zeros, landmarks=images * 0 - 1
    )
    output.write_submission(f"{folder}/submission.csv", query, index, images)
    output.write_evidence(f"{folder}/evidence.npz", query, index, ranking)
    output.write_description(f"{folder}/retrieval.json", {})


@SLOW
@given(SEVERAL)
@example(ODD)
@example(TEXTS)
def test_sets_retrievals_and_scores(ids):
    with tempfile.TemporaryDirectory() as folder:
        written = write_set(f"{folder}/set", ids)
        assert [image_id.decode() for image_id in written.ids] == ids
        assert read_index_ids(f"{folder}/set") == frozenset(ids)
        write_retrieval(f"{folder}/retrieval", ids)
        assert list(read_submission(f"{folder}/retrieval")) == [(ids[0], ids[1:])]
        assert results.read_result(f"{folder}/retrieval").rankings == {ids[0]: ids[1:]}
        with open(f"{folder}/solution.csv", "w", newline="") as file:
            rows = [("id", "images", "Usage"), (ids[0], image_ids.join_list(ids[1:]), "Public")]
            csv.writer(file).writerows(rows)
        flags = [f"--per_query={folder}/queries.csv", "--resamples=0", f"--index={folder}/set"]
        assert evaluate.main([f"{folder}/retrieval", f"{folder}/solution.csv", *flags]) == 0
        with open(f"{folder}/queries.csv", newline="") as file:
            [query] = csv.DictReader(file)
        assert query["id"] == ids[0] and float(query["average_precision"]) == 1


@SLOW
@given(SEVERAL)
@example(ODD)
@example(TEXTS)
def test_tables_of_landmarks_scores_and_paths(ids):
    """Every table that is keyed by ids finds them: one row an image, or a list of images."""
    with tempfile.TemporaryDirectory() as folder:
        rows = ArrayRows(np.eye(len(ids)), "train", ids)
        numbers = list(range(len(ids)))
        tables = {
            "train.csv": [("id", "landmark_id"), *zip(ids, numbers, strict=True)],
            "clean.csv": [
                ("landmark_id", "images"),
                (0, image_ids.join_list(ids[:1])),
                (1, image_ids.join_list(ids[1:])),
            ],
            "scores.csv": [("id", "non_landmark_confidence"), *zip(ids, numbers, strict=True)],
            "solution.csv": [("id", "landmarks"), *((image_id, "") for image_id in ids)],
        }
        for name, lines in tables.items():
            with open(f"{folder}/{name}", "w", newline="") as file:
                csv.writer(file).writerows(lines)
        train, clean = f"{folder}/train.csv", f"{folder}/clean.csv"
        assert landmark_confidence.read_landmarks(train, rows).tolist() == numbers
        once = [min(number, 1) for number in numbers]
        assert landmark_confidence.read_landmarks(clean, rows).tolist() == once
        assert labels.landmarks_of(clean, rows.ids).tolist() == once
        assert landmark_tables.photos_of_landmarks(clean, [1]) == {1: ids[1:]}
        assert non_landmark.read_scores(f"{folder}/scores.csv", rows).tolist() == numbers
        empty = non_landmark.rows_without_landmark(f"{folder}/solution.csv", rows)
        assert empty.tolist() == numbers
        assert RowsById(rows).known(ids) == ids
        np.testing.assert_array_equal(RowsById(rows).rows(ids), np.eye(len(ids)))


@SLOW
@given(SEVERAL)
@example(ODD)
@example(TEXTS)
def test_photo_folders_and_the_projector(ids):
    with tempfile.TemporaryDirectory() as folder:
        ids = [unicodedata.normalize("NFC", image_id) for image_id in ids]
        stems = {i for i in ids if image_ids.can_be_stem(i) and len(i.encode()) < 250}
        for image_id in stems:
            files.write_bytes(f"{folder}/photos/{image_id}.png", b"photo")
        if stems:
            photos = photo_folders.open_photos(f"{folder}/photos", "test")
            photo_folders.write_list(photos, f"{folder}/photos", folder)
            paths = {image_id: f"{image_id}.png" for image_id in stems}
            assert labels.names_of_photos(folder) == paths
        rows = [(image_id, "query", "") for image_id in ids]
        projector.write_projector(folder, np.eye(len(ids)), rows, [None] * len(ids))
        with open(f"{folder}/metadata.tsv", newline="", encoding="utf-8") as file:
            lines = file.read().split("\n")[1:-1]
        assert [line.split("\t")[0] for line in lines] == ids
        pictures = [thumbnails.relative_path(image_id, 64) for image_id in ids]
        assert len(set(pictures)) == len(ids)
        assert max(len(name) for path in pictures for name in path.split("/")) <= 204


@SLOW
@given(ANY)
@example("IMG (2)")
@example("a,b")
@example("../../a")
@example("0" * 256)
def test_every_writer_takes_or_refuses(image_id):
    with tempfile.TemporaryDirectory() as folder:
        writers = {
            "set": lambda: write_set(f"{folder}/set", [image_id, "b"]),
            "query": lambda: write_retrieval(f"{folder}/retrieval", [image_id, "b"]),
            "index": lambda: write_retrieval(f"{folder}/retrieval", ["b", image_id]),
            "projector": lambda: projector.write_projector(
                folder, np.eye(1), [(image_id, "query", "")], [None]
            ),
        }
        for name, write in writers.items():
            if image_ids.is_safe(image_id) and image_id != "b":
                write()
            elif image_id != "b":
                with pytest.raises((UserError, ValueError)):
                    write()
                assert name != "set" or not files.exists(f"{folder}/set")

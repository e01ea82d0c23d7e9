"""A service whose index changes while it answers."""

import dataclasses
import shutil
import threading
from pathlib import Path

import numpy as np
import pytest
from asking import send
from fastapi.testclient import TestClient
from photo_world import image_id
from shard_writing import photo
from tiny_models import EMBEDDING_SIZE
from waiting import wait_for

from glrtf.config.service import ServeConfig
from glrtf.embeddings import versions
from glrtf.embeddings.embedding_set import EmbeddingSet
from glrtf.service.app import make_app
from glrtf.service.live_searcher import LiveSearcher
from glrtf.service.photo_input import PhotoReader
from glrtf.service.searcher import open_searcher


@pytest.fixture
def live(world, parts, tmp_path):
    """A searcher of a copy of the index, and that copy."""
    index = shutil.copytree(world.index, tmp_path / "index")
    settings = {**world.searched, "index": str(index)}
    config = ServeConfig(**settings, cache=str(tmp_path / "cache"), watch_seconds=0.02)

    def opened():
        searcher = open_searcher(config)
        searcher.model = parts[1].model  # Traced already.
        return searcher

    return LiveSearcher(config, opened), str(index), opened


def pixels(number):
    return PhotoReader(EMBEDDING_SIZE)(photo(number))


def ids(*numbers):
    return np.array([image_id(number) for number in numbers], "S16")


def test_it_answers_as_a_searcher_opened_anew(live, world):
    searcher, index, opened_anew = live
    photos = [pixels(number) for number in (1, 9)]
    before = searcher.search(photos)
    assert not searcher.renew()
    versions.add(index, EmbeddingSet.open(world.train))
    versions.remove(index, ids(1))
    assert searcher.renew() and not searcher.renew()
    found = searcher.search(photos)
    assert found == opened_anew().search(photos) != before
    shown = [{each.image_id for each in answer.photos} for answer in found]
    assert all(image_id(1) not in answer for answer in shown)
    assert found[1].photos[0].image_id == image_id(9)
    versions.compact(index)
    searcher.renew()
    assert searcher.search(photos) == found


def test_only_new_photos_are_compared_with_the_train_set(live, world, monkeypatch):
    from glrtf.service import landmark_evidence

    searcher, index, _ = live
    looked_up = []
    plain = landmark_evidence.search_blocks

    def counted(queries, *arguments):
        looked_up.extend(queries.ids.tolist())
        return plain(queries, *arguments)

    monkeypatch.setattr(landmark_evidence, "search_blocks", counted)
    versions.remove(index, ids(2))
    versions.add(index, EmbeddingSet.open(world.train))
    assert searcher.renew()
    assert sorted(looked_up) == sorted(ids(2, 8, 9, 10, 11).tolist())


def test_what_cannot_be_opened_leaves_the_version_before(live, capsys):
    searcher, index, _ = live
    versions.remove(index, ids(1))
    [part] = Path(index).glob("embeddings-*.npy")
    data = part.read_bytes()
    part.unlink()  # What is mapped stays as it was.
    part.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    with searcher.watching(lambda: None):
        wait_for(lambda: "note: " in capsys.readouterr().err)
    assert searcher.index.generation == 0


def test_no_request_is_lost_while_a_version_is_taken_over(live, world):
    searcher, index, opened_anew = live
    addition = EmbeddingSet.open(world.train)
    expected, found, failed = [], [], []
    done = threading.Event()
    config = dataclasses.replace(searcher._config, max_requests=64, max_batch=8)
    renewed = []
    with (
        TestClient(make_app(searcher, {}, config), "http://localhost") as client,
        searcher.watching(lambda: renewed.append(searcher.index.generation)),
    ):

        def ask():
            while not done.is_set():
                answer = send(client, photo(9), limit=20)
                if answer.status_code != 200:
                    failed.append(answer.text)
                    return
                found.append([each["image_id"] for each in answer.json()["photos"]])

        clients = [threading.Thread(target=ask) for _ in range(4)]
        for thread in clients:
            thread.start()
        changes = [
            lambda: None,
            lambda: versions.add(index, addition),
            lambda: versions.remove(index, ids(9, 3)),
            lambda: versions.compact(index),
        ]
        for version, change in enumerate(changes):
            change()
            wait_for(lambda version=version: searcher.index.generation == version)
            expected.append(
                [each.image_id for each in opened_anew().search([pixels(9)], 20)[0].photos]
            )
            count = len(found)
            wait_for(lambda count=count: len(found) > count + 8 or failed)
        done.set()
        for thread in clients:
            thread.join()
        assert client.get("/healthz").json()["index_version"] == 3
    assert not failed and renewed[-1] == 3
    # Each answer is one version's, and every version's is among them.
    assert {tuple(each) for each in found} == {tuple(each) for each in expected}

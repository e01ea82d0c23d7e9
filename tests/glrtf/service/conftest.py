"""Tests here run TensorFlow on two logical CPU devices."""

import pytest
from fastapi.testclient import TestClient
from made_once import made_once
from photo_world import make_world
from tf_devices import pytest_collectstart as pytest_collectstart

from glrtf.config.service import ServeConfig
from glrtf.photos.store import open_stores
from glrtf.service.decoder_pool import DecoderPool


@pytest.fixture(scope="session")
def world(tmp_path_factory):
    """Photos, a model and its sets: see `photo_world`."""
    return made_once(tmp_path_factory, "world", make_world)


@pytest.fixture(scope="module")
def parts(world, tmp_path_factory):
    """A searcher and the photo stores, opened once."""
    from glrtf.service.searcher import open_searcher

    cache = str(tmp_path_factory.mktemp("cache"))
    config = ServeConfig(**world.searched, cache=cache, photos=str(world.folder), max_batch=8)
    searcher = open_searcher(config, config.max_batch)
    return config, searcher, open_stores(config.photos, cache)


class _LastingPool(DecoderPool):
    """Decoders that one service after another uses: starting them costs a second."""

    def close(self):
        """A service that ends leaves them running; see `end`."""

    def end(self):
        super().close()


@pytest.fixture(scope="session")
def decoders():
    pool = _LastingPool(ServeConfig.decode_threads, ServeConfig.decode_seconds)
    yield pool
    pool.end()


@pytest.fixture
def client_with(parts, world, decoders, monkeypatch):
    """Makes a client of a service with some settings changed.

    Services with the default settings of decoders share them; others start their own.
    """
    from glrtf.service import app

    def pool_of(size, cpu_seconds):
        usual = (ServeConfig.decode_threads, ServeConfig.decode_seconds)
        return decoders if (size, cpu_seconds) == usual else DecoderPool(size, cpu_seconds)

    monkeypatch.setattr(app, "DecoderPool", pool_of)
    config, searcher, stores = parts
    opened = []

    def make(raising=True, **settings):
        changed = ServeConfig(**{**world.searched, "cache": config.cache, **settings})
        client = TestClient(
            app.make_app(searcher, stores, changed),
            "http://localhost",
            raise_server_exceptions=raising,
        )
        opened.append(client)
        return client.__enter__()

    yield make
    for client in opened:
        client.__exit__(None, None, None)

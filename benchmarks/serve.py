"""Throughput of the web service on loopback, relative to the model alone.

    python benchmarks/serve.py rates  [--size 224] [--seconds 20]
    python benchmarks/serve.py steady [--size 224] [--requests 10000]

A v2b0 with random weights (speed does not depend on the weights), 2,000 synthetic
photos of 800 x 600 as index and train set with four landmarks each, exact search. The
service runs in a separate process; clients are coroutines of this one, each sending
its next photo when the last is answered. `offline` reads, resizes and embeds the same
files with the same model in batches of 32, without HTTP and search. `steady` counts
failures and the server's resident memory over many requests of 32 clients.
"""

import argparse
import asyncio
import csv
import itertools
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from synthetic import photos as synthetic_photos

PHOTOS, INDEX_ROWS, LANDMARKS = 32, 2000, 500


def make_world(folder: Path, size: int) -> None:
    """Exports a network and writes sets of random rows described as made with it."""
    from glrtf.config.training import TrainConfig
    from glrtf.embeddings import embedding_set
    from glrtf.inference import serving
    from glrtf.models.retrieval_model import embedding_model_from_config

    model = embedding_model_from_config(TrainConfig(backbone="v2b0", size=size))
    serving.export(model, size, str(folder / "model"), {})
    digest = serving.weights_digest(model)
    generator = np.random.default_rng(0)
    for split in ("index", "train"):
        rows = generator.standard_normal((INDEX_ROWS, 512)).astype(np.float32)
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        ids = [f"{n:016x}" for n in range(INDEX_ROWS)]
        embedding_set.write_part(str(folder / split), 0, 1, rows, ids)
        embedding_set.finish(str(folder / split), 1, model_digest=digest)
    with open(folder / "train.csv", "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "landmark_id"])
        writer.writerows([f"{n:016x}", n % LANDMARKS] for n in range(INDEX_ROWS))


def flags(folder: Path) -> list[str]:
    """The flags of a search in these sets."""
    names = {"model": "model", "index": "index", "train": "train", "landmarks": "train.csv"}
    return [f"--{name}={folder / place}" for name, place in names.items()]


def offline_rate(folder: Path, photos: list[bytes], seconds: float) -> float:
    """Photos per second from file bytes to rows, with two threads and the model."""
    from concurrent.futures import ThreadPoolExecutor

    from glrtf.config.inference import VIEWS
    from glrtf.inference.embedders import load_embedder
    from glrtf.service.batch_model import BatchModel
    from glrtf.service.photo_input import PhotoReader

    model = BatchModel(load_embedder(str(folder / "model")), VIEWS)
    read = PhotoReader(model.embedder.size)
    with ThreadPoolExecutor(4) as threads:
        model(list(threads.map(read, photos)))
        began, done = time.monotonic(), 0
        batch = [threads.submit(read, each) for each in photos]
        while time.monotonic() - began < seconds:
            pixels = [each.result() for each in batch]
            batch = [threads.submit(read, each) for each in photos]
            model(pixels)
            done += len(pixels)
        return done / (time.monotonic() - began)


class Server:
    """The service in a separate process."""

    def __init__(self, folder: Path) -> None:
        command = [sys.executable, "-m", "glrtf.serve", *flags(folder), "--port=0"]
        self._process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        assert self._process.stderr
        for line in self._process.stderr:
            if "answering on" in line:
                self.port = int(line.rstrip("/\n").rpartition(":")[2])
                return
        raise SystemExit("the server did not start")

    def resident_mb(self) -> float:
        """The server's current resident memory."""
        text = Path(f"/proc/{self._process.pid}/statm").read_text()
        return int(text.split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6

    def stop(self) -> int:
        """Stops the server and returns its exit code."""
        self._process.send_signal(signal.SIGTERM)
        return self._process.wait(60)


async def request(port: int, head: bytes, body: bytes) -> tuple[int, bytes]:
    """One request on a connection of its own; status and body."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(head + body)
    answer = await reader.read()
    writer.close()
    status, _, rest = answer.partition(b"\r\n")
    return int(status.split()[1]), rest.partition(b"\r\n\r\n")[2]


def search_request(photo: bytes) -> tuple[bytes, bytes]:
    """Headers and body of a search."""
    body = b'--b\r\nContent-Disposition: form-data; name="photo"; filename="x"\r\n\r\n'
    body += photo + b"\r\n--b--\r\n"
    head = (
        "POST /search HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
        f"Content-Type: multipart/form-data; boundary=b\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode(), body


async def load(
    server: Server, photos: list[bytes], clients: int, seconds: float, requests: int
) -> dict[str, float]:
    """Asks with that many clients until time or requests run out."""
    searches = itertools.cycle([search_request(each) for each in photos])
    taken: list[float] = []
    memory: list[float] = []
    failed = started = 0
    began = time.monotonic()

    async def client() -> None:
        nonlocal failed, started
        while started < requests and time.monotonic() - began < seconds:
            started += 1
            sent = time.monotonic()
            status, body = await request(server.port, *next(searches))
            good = status == 200 and len(json.loads(body)["photos"]) == 20
            failed += not good
            taken.append(time.monotonic() - sent)
            if len(taken) % max(1, min(requests, 10_000) // 10) == 0:
                memory.append(server.resident_mb())

    await asyncio.gather(*(client() for _ in range(clients)))
    p50, p99 = np.percentile(taken, [50, 99]) * 1000
    rate = len(taken) / (time.monotonic() - began)
    return {"p50": p50, "p99": p99, "rate": rate, "failed": failed, "memory": memory}


def rates(folder: Path, photos: list[bytes], seconds: float) -> None:
    """Prints the table over 1, 8 and 32 clients."""
    offline = offline_rate(folder, photos, seconds)
    server = Server(folder)
    print(f"offline: {offline:.1f} photos/s\n")
    print("clients  p50 ms  p99 ms  photos/s  of offline  failed")
    for clients in (1, 8, 32):
        asyncio.run(load(server, photos, clients, 2.0, 10**9))
        found = asyncio.run(load(server, photos, clients, seconds, 10**9))
        print(
            f"{clients:>7}{found['p50']:>8.0f}{found['p99']:>8.0f}{found['rate']:>10.1f}"
            f"{found['rate'] / offline:>12.2f}{found['failed']:>8}"
        )
    print(f"exit code {server.stop()}")


def steady(folder: Path, photos: list[bytes], requests: int) -> None:
    """Prints failures and memory of a long run."""
    server = Server(folder)
    asyncio.run(load(server, photos, 32, 10**9, 200))
    before = server.resident_mb()
    found = asyncio.run(load(server, photos, 32, 10**9, requests))
    print(f"{requests} requests, {found['failed']} failed, {found['rate']:.1f} photos/s")
    print(f"resident MB: {before:.0f} after 200 requests, then", end=" ")
    print(" ".join(f"{each:.0f}" for each in found["memory"]))
    print(f"exit code {server.stop()}")


def main() -> None:
    """Runs one benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["rates", "steady"])
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--requests", type=int, default=10_000)
    given = parser.parse_args()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    with tempfile.TemporaryDirectory() as name:
        photos = synthetic_photos(PHOTOS)
        make_world(Path(name), given.size)
        if given.what == "rates":
            rates(Path(name), photos, given.seconds)
        else:
            steady(Path(name), photos, given.requests)


if __name__ == "__main__":
    main()

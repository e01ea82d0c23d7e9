"""CPU seconds and memory of `glrtf clean` on random clusters.

    python benchmarks/cleaning_scale.py --images 100000 --dimension 512 --folder /tmp/scale

Landmarks have 1 to 2,000 images, 20 on average, in the proportions of GLDv2's long tail; 5 % of the
labels are exchanged. The set is written once. Memory is the process's own (RssAnon), without
pages of mapped files, which the system may drop. The search of all images costs by far the most,
and its time is quadratic; with --made_up, its result is drawn at random, to measure the rest.
"""

import argparse
import os
import threading
import time

import numpy as np

from glrtf.cleaning import output
from glrtf.cleaning.inputs import open_inputs
from glrtf.cleaning.judging import judge
from glrtf.config.cleaning import CleanConfig
from glrtf.embeddings.embedding_set import finish, write_part
from glrtf.embeddings.info import INFO_FILE
from glrtf.embeddings.rows import normalized
from glrtf.retrieval.search.cached import CachedSearch
from glrtf.retrieval.search.neighbors import Neighbors
from glrtf.retrieval.stage_cache import StageCache

ROWS_A_PART = 50_000


class Peak:
    """The most memory that the process had, looked up ten times a second."""

    def __init__(self):
        self.bytes = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join()

    def _watch(self):
        while not self._stop.wait(0.1):
            with open("/proc/self/status") as file:
                line = next(line for line in file if line.startswith("RssAnon"))
            self.bytes = max(self.bytes, 1024 * int(line.split()[1]))


def write_world(folder, images, dimension):
    """Writes a set and its table."""
    rng = np.random.default_rng(0)
    sizes = np.minimum(1 + rng.pareto(1.1, images // 4), 2000).astype(int)
    codes = np.repeat(np.arange(len(sizes)), sizes)[:images]
    codes = np.concatenate([codes, rng.integers(0, codes.max() + 1, images - len(codes))])
    codes = rng.permutation(codes)
    centres = normalized(rng.normal(size=(codes.max() + 1, dimension)))
    parts = -(-images // ROWS_A_PART)
    for part in range(parts):
        start, stop = part * ROWS_A_PART, min((part + 1) * ROWS_A_PART, images)
        noise = 0.8 * rng.normal(size=(stop - start, dimension)) / dimension**0.5
        rows = normalized(centres[codes[start:stop]] + noise).astype(np.float32)
        ids = np.array([f"{number:016x}".encode() for number in range(start, stop)])
        write_part(folder, part, parts, rows, ids)
    said = codes.copy()
    wrong = rng.random(images) < 0.05
    said[wrong] = rng.permutation(codes[wrong])
    with open(f"{folder}.csv", "w") as file:
        file.write("id,landmark_id\n")
        file.writelines(f"{number:016x},{code}\n" for number, code in enumerate(said))
    np.save(f"{folder}.npy", said != codes)
    finish(folder, parts, model="random clusters")


def made_up_neighbors(path, images, k):
    """Neighbours drawn at random, with the image itself first, as a search leaves them: mapped."""
    rng = np.random.default_rng(1)
    arrays = []
    for name, dtype in (("indices", np.int64), ("scores", np.float64)):
        mapped = np.lib.format.open_memmap(f"{path}-{name}.npy", "w+", dtype, (images, k))
        for start in range(0, images, ROWS_A_PART):
            rows = np.arange(start, min(start + ROWS_A_PART, images))
            if name == "indices":
                values = (rows[:, None] + rng.integers(1, images, (len(rows), k))) % images
                values[:, 0] = rows
            else:
                values = 0.5 + 0.45 * np.sort(rng.random((len(rows), k)))[:, ::-1]
                values[:, 0] = 1.0
            mapped[rows] = values
        mapped.flush()
        arrays.append(np.load(f"{path}-{name}.npy", mmap_mode="r"))
    return Neighbors(*arrays)


def main():
    """Cleans and prints seconds and memory."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=100_000)
    parser.add_argument("--dimension", type=int, default=512)
    parser.add_argument("--folder", default="/tmp/cleaning_scale")
    parser.add_argument("--made_up", action="store_true", help="neighbours at random")
    options = parser.parse_args()
    folder = os.path.join(options.folder, f"{options.images}_{options.dimension}")
    if not os.path.exists(os.path.join(folder, INFO_FILE)):
        write_world(folder, options.images, options.dimension)
    config = CleanConfig(train=[folder], landmarks=f"{folder}.csv", output=f"{folder}_clean")
    cache = StageCache(f"{folder}_clean/cache")
    if options.made_up:
        made_up = made_up_neighbors(folder, options.images, config.neighbors + 1)
        CachedSearch.neighbors = lambda *_, **__: made_up
    began, clock = time.process_time(), time.monotonic()
    with Peak() as peak:
        inputs = open_inputs(config)
        opened = time.process_time()
        judgement = judge(inputs, config, cache)
        judged = time.process_time()
        kept = output.kept_rows(judgement, config)
        output.write_clean_train(f"{folder}_clean/train_clean.csv", inputs, kept)
        output.write_all(f"{folder}_clean/clean.csv", inputs, judgement, kept)
    wrong, found = np.load(f"{folder}.npy"), judgement.has("mislabelled")
    print(
        f"{options.images} x {options.dimension}, {len(inputs.landmark_ids)} landmarks: CPU s "
        f"opening {opened - began:.1f}, judging {judged - opened:.1f} (search by the clock "
        f"{cache.seconds.get('overall_neighbors', 0):.1f}{', reused' if cache.reused else ''}"
        f"{', made up' if options.made_up else ''}), writing "
        f"{time.process_time() - judged:.1f}; {time.monotonic() - clock:.1f} s by the clock; peak "
        f"{peak.bytes / 1e6:.0f} MB; precision {(found & wrong).sum() / max(1, found.sum()):.3f}, "
        f"recall {(found & wrong).sum() / wrong.sum():.3f}"
    )


if __name__ == "__main__":
    main()

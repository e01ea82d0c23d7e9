"""Small embedding sets with known landmarks, and their CSVs, to tune and ablate on."""

import numpy as np

from glrtf.embeddings import embedding_set

LANDMARKS, DIMENSION = 8, 12


def write_inputs(folder, seed=0):
    """Writes test, index and train sets, train.csv and both solutions.

    Every landmark has two faces; test and index photos show one of them, train
    photos a mixture, so that bridging has something to do.

    Returns:
        The flags of glrtf.retrieve that name the inputs.
    """
    generator = np.random.default_rng(seed)
    faces = generator.normal(size=(LANDMARKS, 2, DIMENSION))
    counts = {"test": 4, "index": 6, "train": 10}
    ids = {}
    for split, count in counts.items():
        marks = np.repeat(np.arange(LANDMARKS), count)
        share = np.tile(np.linspace(0, 1, count), LANDMARKS)[:, None]
        if split != "train":
            share = np.round(share)
        rows = (1 - share) * faces[marks, 0] + share * faces[marks, 1]
        rows += generator.normal(scale=0.45, size=rows.shape)
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        ids[split] = [f"{split[0].encode().hex()}{n:014x}" for n in range(len(rows))]
        where = str(folder / split)
        embedding_set.write_part(where, 0, 1, rows.astype(np.float32), np.array(ids[split], "S16"))
        embedding_set.finish(where, 1, model="drawn", size=0)
    _write_csvs(folder, ids, counts)
    flags: list[str] = []
    for name, split in (("query", "test"), ("index", "index"), ("train", "train")):
        flags += [f"--{name}", str(folder / split)]
    return [*flags, "--landmarks", str(folder / "train.csv")]


def _write_csvs(folder, ids, counts):
    train = [f"{i},u,{100 + n // counts['train']}" for n, i in enumerate(ids["train"])]
    (folder / "train.csv").write_text("\n".join(["id,url,landmark_id", *train, ""]))
    lines = ["id,images,Usage"]
    for number, query_id in enumerate(ids["test"]):
        first = number // counts["test"] * counts["index"]
        relevant = " ".join(ids["index"][first : first + counts["index"]])
        lines.append(f"{query_id},{relevant},{'Public' if number % 3 else 'Private'}")
    (folder / "solution.csv").write_text("\n".join([*lines, ""]))

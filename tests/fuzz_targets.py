"""The readers of foreign files, each with whole inputs to begin with."""

import io
import json
import tarfile
from pathlib import Path

import numpy as np
from fuzzing import Target
from shard_writing import record
from tiny_gldv2 import image_id, jpeg, member

from glrtf.embeddings import embedding_set
from glrtf.evaluation import solutions, submissions
from tfrecords_tools import labels, schema, tars, tfrecord
from tfrecords_tools.errors import UserError
from tfrecords_tools.storage import files


def csv_target(folder: Path) -> Target:
    """The published CSVs: train, clean and index lists, solutions, submissions."""
    metadata = folder / "metadata"
    metadata.mkdir(parents=True)
    ids = [image_id(number) for number in range(6)]
    train = "id,url,landmark_id\n" + "".join(f'{i},"http://x/a,b",{n}\n' for n, i in enumerate(ids))
    clean = f"landmark_id,images\n7,{ids[0]} {ids[1]}\n9,{ids[2]}\n"
    solution = f"id,images,Usage\n{ids[0]},{ids[1]} {ids[2]},Public\n{ids[3]},None,Ignored\n"
    readers = {
        "train.csv": lambda path: labels.read_labels(str(folder), "train", "full"),
        "train_clean.csv": lambda path: labels.read_labels(str(folder), "train", "clean"),
        "index.csv": lambda path: labels.read_labels(str(folder), "index", "full"),
        "solution.csv": solutions.read_retrieval_solution,
        "submission.csv": lambda path: list(submissions.read_submission(path)),
        "recognitions.csv": submissions.read_recognitions,
    }

    def read(data: bytes) -> None:
        for name, reader in readers.items():
            path = metadata / name
            path.write_bytes(data)
            try:
                reader(str(path))
            except UserError as error:
                # The reader whose kind of file it is has the last word.
                if data.startswith(_HEADERS[name]):
                    raise
                assert str(path) in str(error)

    seeds = [text.encode() for text in (train, clean, solution, "id\n" + "\n".join(ids) + "\n")]
    seeds.append(f"id,landmarks\n{ids[0]},7 0.5\n{ids[1]},\n".encode())
    return Target("csv", seeds, read, (UserError,))


_HEADERS = {
    "train.csv": b"id,url",
    "train_clean.csv": b"landmark_id,images\n",
    "index.csv": b"id\n",
    "solution.csv": b"id,images,Usage",
    "submission.csv": b"id,images\n",
    "recognitions.csv": b"id,landmarks",
}


def tar_target(folder: Path) -> Target:
    """Tars: plain, GNU long names, pax headers."""
    seeds = []
    for kind in (tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
        whole = io.BytesIO()
        with tarfile.open(fileobj=whole, mode="w", format=kind) as tar:
            names = [member(image_id(0)), "a" * 120 + ".jpg" if kind else "b.jpg", "../é.jpg"]
            for number, name in enumerate(names):
                data = jpeg(number, (8, 8))
                info = tarfile.TarInfo(name)
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))
        seeds.append(whole.getvalue())

    def read(data: bytes) -> None:
        index = tars.index_tar(lambda offset, length: data[offset : offset + length], len(data))
        for _, offset, length in index.members.tolist():
            assert offset >= 0 and offset + length <= len(data)

    return Target("tar", seeds, read, (tars.DamagedTarError,))


def record_target(folder: Path) -> Target:
    """TFRecord files and the records in them, checksums made right so that parsing is reached."""
    framed = []
    for number in range(2):
        data = record(number, number)
        head, tail = tfrecord.frame(data)
        framed.append(head + data + tail)

    def read(data: bytes) -> None:
        if data[:1] != framed[0][:1]:
            schema.decode_example(data)
            return
        for each in tfrecord.read_records(io.BytesIO(data)):
            schema.decode_example(each)

    return Target("record", [b"".join(framed), record(3, 1)], read, (ValueError,))


def set_target(folder: Path) -> Target:
    """Embedding sets: each of the three kinds of file in turn."""
    place = folder / "set"
    rows = np.eye(5, 4, dtype=np.float32) + np.eye(5, 4, -4, dtype=np.float32)
    embedding_set.write_part(str(place), 0, 1, rows, [image_id(n) for n in range(5)])
    embedding_set.finish(str(place), 1, model="m")
    whole = {path: path.read_bytes() for path in sorted(place.iterdir())}
    described = place / "embedding_set.json"
    arrays = [path for path in whole if path != described]

    def read(data: bytes) -> None:
        targets = [described] if data[:1] == b"{" else arrays
        refusals = []
        for target in targets:
            target.write_bytes(data)
            try:
                opened = embedding_set.EmbeddingSet.open(str(place))
                opened.read(0, 0, opened.part_lengths[0])
            except UserError as error:
                refusals.append(error)
            finally:
                target.write_bytes(whole[target])
        if len(refusals) == len(targets):
            raise refusals[0]

    # Written by hand, without a checksum: what it says is looked at.
    unsealed = json.loads(whole[described])
    del unsealed[files.SEAL]
    seeds = [*whole.values(), json.dumps(unsealed, indent=2).encode()]
    return Target("embedding set", seeds, read, (UserError,))


TARGETS = (csv_target, tar_target, record_target, set_target)

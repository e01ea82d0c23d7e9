"""A small retrieval folder, its solution and its photos, for tests to read.

Two landmarks: 7 (queries q1, q2) and 8 (query q3); q4 shows none. Index images
a, b, c are of the first, d of the second, x of neither. q1 finds b over a bridge.
"""

import io
import json
import tarfile

import numpy as np
from PIL import Image

QUERY_IDS = ["01" + 14 * "0", "02" + 14 * "0", "03" + 14 * "0", "04" + 14 * "0"]
A, B, C, D, X = (letter + 15 * "0" for letter in "abcdf")
TRAIN = ["e" + f"{number:015x}" for number in range(4)]
RANKINGS = [[A, X, B], [X, C], [D], [X]]
DIRECT = [[0.9, 0.6, 0.0], [0.7, 0.2], [0.5], [0.4]]
BRIDGED = [[0.0, 0.0, 0.5], [0.0, 0.0], [0.6], [0.0]]
LANDMARK = [[-1, -1, 7], [-1, -1], [8], [-1]]
SOLUTION = (
    "id,images,Usage\n"
    f"{QUERY_IDS[0]},{A} {B} {C},Public\n"
    f"{QUERY_IDS[1]},{A} {B} {C},Private\n"
    f"{QUERY_IDS[2]},{D},Private\n"
    f"{QUERY_IDS[3]},None,Ignored\n"
)


def jpeg(width, height, colour):
    out = io.BytesIO()
    Image.new("RGB", (width, height), colour).save(out, "JPEG")
    return out.getvalue()


def write_retrieval(folder):
    """submission.csv, evidence.npz, retrieval.json."""
    folder.mkdir(parents=True)
    lines = [f"{q},{' '.join(r)}" for q, r in zip(QUERY_IDS, RANKINGS, strict=True)]
    (folder / "submission.csv").write_text("\n".join(["id,images", *lines, ""]))
    shape = (4, 100)
    arrays = {name: np.zeros(shape, np.float32) for name in ("final", "direct", "bridged")}
    index_ids = np.zeros(shape, "S16")
    landmark_id = np.full(shape, -1, np.int64)
    for row, ranking in enumerate(RANKINGS):
        length = len(ranking)
        index_ids[row, :length] = [image_id.encode() for image_id in ranking]
        landmark_id[row, :length] = LANDMARK[row]
        arrays["direct"][row, :length] = DIRECT[row]
        arrays["bridged"][row, :length] = BRIDGED[row]
    arrays["final"] = arrays["direct"] ** 3 + arrays["bridged"] ** 3
    np.savez(
        folder / "evidence.npz",
        query_ids=np.array(QUERY_IDS, "S16"),
        index_ids=index_ids,
        landmark_id=landmark_id,
        **arrays,
    )
    (folder / "retrieval.json").write_text(
        json.dumps({"preset": "fifth_place", "seconds": {"bridge": 1.25}})
    )
    return folder


def write_source(folder):
    """Photos of all ids in GLDv2's layout; one index photo is broken, one is missing."""
    splits = {"test": QUERY_IDS, "index": [A, B, D, X], "train": TRAIN}
    for split, ids in splits.items():
        (folder / split).mkdir(parents=True)
        with tarfile.open(folder / split / "images_000.tar", "w") as tar:
            for number, image_id in enumerate(ids):
                data = b"<html>gone</html>" if image_id == D else jpeg(64, 32, (40 * number, 9, 99))
                member = tarfile.TarInfo("/".join([*image_id[:3], f"{image_id}.jpg"]))
                member.size = len(data)
                tar.addfile(member, io.BytesIO(data))
    metadata = folder / "metadata"
    metadata.mkdir()
    rows = [f"{i},https://example.invalid/x,{7 + n // 2}" for n, i in enumerate(TRAIN)]
    (metadata / "train.csv").write_text("\n".join(["id,url,landmark_id", *rows, ""]))
    (metadata / "train_label_to_category.csv").write_text(
        "landmark_id,category\n7,http://commons.wikimedia.org/wiki/Category:Arc_de_Triomphe\n"
    )
    (metadata / "solution.csv").write_text(SOLUTION)
    return folder

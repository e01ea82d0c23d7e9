"""Wrong paths and choices are reported before anything heavy is loaded, by every command."""

import json
import subprocess
import sys

import pytest
from shard_writing import write_split

# Runs each command line of a JSON list where neither TensorFlow nor Keras can be loaded.
_RUN = """
import contextlib, importlib, io, json, sys
sys.modules["tensorflow"] = sys.modules["keras"] = None
answers = []
for module, *argv in json.loads(sys.argv[1]):
    error = io.StringIO()
    with contextlib.redirect_stderr(error), contextlib.redirect_stdout(io.StringIO()):
        try:
            code = importlib.import_module(module).main(argv)
        except ImportError as missing:
            code = f"loaded {missing}"
    answers.append([code, error.getvalue().partition(": error: ")[2].strip()])
heavy = "annoy apache_beam fastapi faiss google.cloud.storage matplotlib onnxruntime optuna pandas"
heavy = [*heavy.split(), "sklearn", "uvicorn"]
print(json.dumps([answers, [name for name in heavy if name in sys.modules]]))
"""

TO_FILE = "--output file: expected a folder to write to, found a file"
IN_FILE = "expected {}/file to be a folder, found a file"
NONE = "expected a folder, found none of that name"
NO_SET = "expected a folder with embedding_set.json, found"
CASES = [
    ("glrtf.train --data none", f"--data none: {NONE}"),
    ("glrtf.train --data file", "--data file: expected a folder, found a file"),
    ("glrtf.train --data .", ".: expected dataset_info.json there or in train/"),
    ("glrtf.train --data shards/index", "expected the split train, found index"),
    ("glrtf.train --data shards --workdir file", "--workdir file: expected a folder to write to"),
    ("glrtf.train --workdir file/run", f"--workdir file/run: {IN_FILE}"),
    ("glrtf.train --data shards --weights no.npz", "--weights no.npz: expected none, imagenet or"),
    ("glrtf.train --data shards --init_from empty", "expected a workdir with checkpoints"),
    ("glrtf.train --data shards --plot_schedule .", "--plot_schedule .: expected a file to write"),
    ("glrtf.train --backbone v2q", "expected one of v2s, v2m"),
    ("glrtf.export --workdir none", f"--workdir none: {NONE}"),
    ("glrtf.export --workdir empty", "expected a workdir of glrtf train, found no config.yaml"),
    ("glrtf.export --workdir run", "expected a workdir with checkpoints, found none"),
    ("glrtf.export --workdir run --format onxx", "did you mean onnx?"),
    ("glrtf.embed --model none --data shards --output new", f"--model none: {NONE}"),
    ("glrtf.embed --model empty --data shards --output new", "found a folder that is none of them"),
    ("glrtf.embed --model file --data shards --output new", "file, found a file of another kind"),
    ("glrtf.embed --model export --data none --output new", f"--data none: {NONE}"),
    ("glrtf.embed --model export --data shards --output file", TO_FILE),
    ("glrtf.embed --model export --data shards --output new --also none=b", f"--also none: {NONE}"),
    ("glrtf.search none.jpg --model export --index set", "none.jpg: no such file"),
    ("glrtf.search empty --model export --index set", "empty: expected a file, found a folder"),
    ("glrtf.search file --model none --index set", f"--model none: {NONE}"),
    ("glrtf.search file --model export --index none", f"--index none: {NO_SET} none"),
    ("glrtf.search file --model export --index empty", f"--index empty: {NO_SET} a folder without"),
    ("glrtf.search file --model export --index file", f"--index file: {NO_SET} a file"),
    ("glrtf.search file --model export --index set --json .", "--json .: expected a file to write"),
    ("glrtf.serve --model none --index set", f"--model none: {NONE}"),
    ("glrtf.serve --model export --index none", f"--index none: {NO_SET} none"),
    (
        "glrtf.serve --model export --index set --train none --landmarks file",
        f"--train none: {NO_SET} none",
    ),
    (
        "glrtf.serve --model export --index set --train set --landmarks none",
        "--landmarks none: expected a file, found none",
    ),
    ("glrtf.serve --model export --index set --cache file", "--cache file: expected a folder to"),
    ("glrtf.serve --model export --index set --photos none", f"--photos none: {NONE}"),
    (
        "glrtf.weights --checkpoint none --backbone v2s --output a.npz",
        "efficientnetv2-s-21k.tgz and unpack it there",
    ),
    (
        "glrtf.train --data shards --backbone v2m --size 640",
        "--weights weights/v2m_21k.npz: expected none, imagenet or a file, found no file of that "
        "name; fetch https://storage.googleapis.com/cloud-tpu-checkpoints/efficientnet/v2/"
        "efficientnetv2-m-21k.tgz, unpack it and run glrtf weights --checkpoint "
        "efficientnetv2-m-21k --backbone v2m --output weights/v2m_21k.npz, or give --weights ",
    ),
    (
        "glrtf.train --data shards --backbone v2xl --size 640 --weights imagenet",
        "--weights imagenet: Keras has none of v2xl; fetch https://",
    ),
    ("glrtf.train --data shards --weights imagnet", "did you mean imagenet?"),
    ("glrtf.weights --checkpoint . --backbone v2s --output file/a.npz", IN_FILE),
    ("glrtf.plan --tpu v9-8", "unknown TPU 'v9-8'"),
    ("glrtf.plan --json .", "--json .: expected a file to write, found a folder"),
    ("glrtf.data.preview --data none", f"--data none: {NONE}"),
    ("glrtf.data.preview --data shards --output file/a.png", f"--output file/a.png: {IN_FILE}"),
    ("glrtf.demo --output file", TO_FILE),
    ("glrtf.demo --settings none", "--settings none: expected a file, found none of that name"),
    ("glrtf.retrieve --query set --index set --preset direct --output file", TO_FILE),
    ("glrtf.tune --query set --index set --preset direct --solution file --output file", TO_FILE),
    ("glrtf.ablate --query set --index set --preset direct --solution file --output file", TO_FILE),
    ("glrtf.report --retrieval empty --solution file --source empty --output file", TO_FILE),
    ("glrtf.whiten --train set --dimension 8 --output file", TO_FILE),
    ("glrtf.recognize --query set --train set --landmarks file --output .", "--output .: expected"),
    (
        "glrtf.recognize --query set --train set --landmarks file --output ./file",
        "--output ./file: expected a file of its own to write, found that of --landmarks; name",
    ),
    (
        "glrtf.evaluate other file --json file",
        "--json file: expected a file of its own to write, found that of --solution",
    ),
    (
        "glrtf.evaluate other file --json new.json --per_query ./new.json",
        "--json new.json: expected a file of its own to write, found that of --per_query",
    ),
    (
        "glrtf.retrieve --query s3://bucket/q --index set --preset direct --output new",
        "s3://bucket/q: expected a path on this machine or gs://BUCKET/NAME, found another URL",
    ),
    (
        "glrtf.retrieve --query set --index set --preset direct --output file:///tmp/new",
        "file:///tmp/new: expected a path on this machine or gs://BUCKET/NAME, found another URL",
    ),
    (
        "glrtf.rows_export --sets set/embedding_set.json --output x.npy",
        "expected an embedding set, a folder, found a file; name the folder it is in",
    ),
    ("glrtf.rows_export --sets file --output x.npy", "an embedding set, a folder, found a file"),
    ("glrtf.clean --train set --landmarks file --output file", TO_FILE),
    ("glrtf.evaluate file file --json .", "--json .: expected a file to write, found a folder"),
    ("tfrecords_tools.build --source empty --output file", TO_FILE),
    ("tfrecords_tools.build --source empty --output file/a", IN_FILE),
    (
        "tfrecords_tools.build --source empty --output new --splits train,index",
        "found 'train,index'; separate them with spaces: train index",
    ),
    ("tfrecords_tools.check shards --sheet .", "--sheet .: expected a file to write"),
    ("tfrecords_tools.check file", "file: expected a folder, found a file"),
]


@pytest.fixture(scope="module")
def answers(tmp_path_factory):
    """Folder; of each command line, exit code and message; heavy modules that were loaded."""
    folder = tmp_path_factory.mktemp("paths")
    for split in ("train", "index"):
        write_split(folder / "shards" / split, [2], split=split)
    for name, file in {
        "empty": "",
        "run": "config.yaml",
        "export": "glrtf_export.json",
        "saved": "saved_model.pb",
        "set": "embedding_set.json",
    }.items():
        (folder / name).mkdir()
        if file:
            (folder / name / file).write_text("{}\n")
    (folder / "file").write_text("x")
    lines = json.dumps([line.split() for line, _ in CASES])
    done = subprocess.run(
        [sys.executable, "-c", _RUN, lines], cwd=folder, check=True, capture_output=True, text=True
    )
    return folder, *json.loads(done.stdout)


@pytest.mark.parametrize("number", range(len(CASES)), ids=[line for line, _ in CASES])
def test_it_is_reported_at_once(answers, number):
    folder, answered, _ = answers
    code, message = answered[number]
    assert CASES[number][1].format(folder) in message
    assert code == 2


def test_nothing_heavy_is_loaded(answers):
    """Importing FastAPI takes a second, Matplotlib and scikit-learn more."""
    assert answers[2] == []

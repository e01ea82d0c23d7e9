"""How a test runs the commands of each page, and which ones it does not run and why.

A command is run unchanged, in a folder for its page. Files that the page assumes exist there
under the names that the page uses (`PLACES`); expensive settings are reduced (`SMALL`).
"""

import re

from documented import Documented

SAMPLE = "gldv2"
"""A small embedded sample."""
README = "README.md/runs/v2m_640"
"""Output of README's commands: model, sets, ranking."""

PLACES: dict[str, dict[str, str]] = {
    "README.md": {"ROOT": SAMPLE},
    "docs/evaluation.md": {
        "runs/retrieval": f"{README}/retrieval",
        "a": f"{README}/retrieval",
        "b": f"{README}/retrieval",
        "metadata": f"{SAMPLE}/metadata",
        "train": f"{SAMPLE}/train",
        "index": f"{SAMPLE}/index",
        "test": f"{SAMPLE}/test",
        "train.csv": f"{SAMPLE}/metadata/train.csv",
        "retrieval_solution_v2.1.csv": f"{SAMPLE}/metadata/retrieval_solution_v2.1.csv",
        "GLDV2_ROOT": SAMPLE,
        "MODEL": f"{README}/export",
        "E": README,
    },
    "docs/inference.md": {
        "SHARDS": "README.md/SHARDS",
        "runs/v2m_640/checkpoints": f"{README}/checkpoints",
        "runs/v2m_640/config.yaml": f"{README}/config.yaml",
        "train.csv": f"{SAMPLE}/metadata/train.csv",
    },
    "docs/input-pipeline.md": {"SHARDS": "README.md/SHARDS"},
    "docs/plan.md": {"configs": "configs"},
    "docs/gldv2-on-tpu.md": {
        "configs": "configs",
        "ROOT": SAMPLE,
        **{
            f"sets/{model}/{split}": f"{README}/{split}"
            for model in ("v2m_640", "v2s_800")
            for split in ("train", "index", "test")
        },
    },
    "docs/cleaning.md": {"sets": README, "ROOT": SAMPLE},
    "docs/recognition.md": {"sets": README, "ROOT": SAMPLE},
    "docs/retrieval.md": {
        "SETS": README,
        "a": README,
        "b": README,
        "train.csv": f"{SAMPLE}/metadata/train.csv",
    },
    "docs/sample.md": {"MINIGLD": SAMPLE},
    "docs/serving.md": {
        "runs/v2m_640": README,
        "sets/v2m_640": README,
        "ROOT": SAMPLE,
    },
    "docs/tfrecords.md": {"GLDV2": SAMPLE},
    "docs/training.md": {"GLDV2": SAMPLE, "MINIGLD": SAMPLE},
    "docs/tuning.md": {"sets": README, "ROOT": SAMPLE},
    "docs/tutorial.md": {"configs": "configs"},
}
"""Page -> name in its folder before its first command -> the file or folder it links to."""

SMALL: dict[str, list[str]] = {
    "tfrecords_tools.sample": ["--num_landmarks=3", "--photos_per_landmark=9"],
    "tfrecords_tools.build": ["--workers=1"],
    "glrtf.train": [
        "--size=32",
        "--epochs=1",
        "--warmup_epochs=0",
        "--batch_size=12",
        "--accumulation_steps=1",
        "--weights=none",
    ],
    "glrtf.data.preview": ["--size=64", "--photos=2", "--steps=1"],
    "glrtf.tune": ["--trials=2", "--workers=1"],
    "glrtf.whiten": ["--dimension=16"],
}
"""Command -> flags that make it quick."""

NOT_RUN: dict[str, str] = {
    r"gs://": "needs a bucket; tests of remote shards, sets and workdirs use an emulator",
    r"runner=(Dataflow|Flink|Spark)Runner": "needs a cluster",
    r"runner=FnApiRunner": "Beam's processes are slow; run by test_runners_beam.py and others",
    r"--strategy (tpu|multiworker)|--tpu slice": "needs a TPU or several hosts",
    r"docs/gpu\.md: glrtf\.plan": "as in plan.md, for GPUs; run by test_plan.py on a small model",
    r"glrtf\.train --engine jax": (
        "a process keeps its engine; test_jax_engine.py trains in processes of its own"
    ),
    r"--compile\b": "compiles for a TPU with packages of another environment, for minutes",
    r": glrtf\.weights ": "needs a published checkpoint; test_weights.py writes one",
    r": glrtf\.completion ": "run in a shell by test_completion.py",
    r": glrtf\.demo ": "is all of tutorial.md at once; run by test_demo.py",
    r"docs/your-own-photos\.md: glrtf|docs/your-own-photos\.md: tfr": (
        "run by test_your_own_photos.py"
    ),
    r"docs/descriptors\.md: glrtf": (
        "needs models and rows of other programs; run by their own tests"
    ),
    r"docs/living-index\.md: glrtf": "changes a set that other pages use; run by test_index.py",
    r"docs/training\.md: glrtf\.train --config configs/stage": (
        "trains four large networks; their settings are read by test_stage_configs.py"
    ),
    r"docs/training\.md: .*(teacher|second|third)": (
        "needs rows of a better descriptor; run by test_extra_photos.py and test_searcher.py"
    ),
    r"docs/bundle\.md: glrtf": "needs two models and tuned settings; run by test_bundle.py",
    r"docs/reranking\.md: glrtf\.retrieve": "run by test_reranking.py and test_verifiers.py",
    r"docs/reranking\.md: glrtf\.export": "run by test_serving.py",
    r": benchmarks/": "measures, for minutes",
    r"tests/faults/campaign\.py": "kills processes, for minutes",
    r"tests/faults/storage_campaign\.py": "runs for minutes; some faults by test_storage_faults.py",
    r"tests/faults/fuzz\.py": "takes ten minutes per reader; test_fuzz.py runs it for seconds",
    r": pip-audit ": "queries a database on the network",
    r": (pip|(plan|gpu)/bin/pip|apt) |python -m venv": "installs from the network",
    r": make |\.venv/bin/pre-commit|source \.venv": "installs, or runs the tests",
    r": python -m build": "builds packages with tools from the network",
    r": (gcloud|docker) |: export ": "for other machines",
    r": tensorboard ": "runs until it is stopped",
    r": curl ": "the test sends the same request in Python",
    r": docs/hooks/draw_bridge\.py": "run by test_commands.py",
}
"""Pattern of commands that these tests do not run -> reason."""

GIVEN: dict[str, str] = {
    "docs/evaluation.md: glrtf.retrieve --config": (
        "--query E/test --index E/index --train E/train --landmarks train.csv --output tuned"
    ),
    "docs/inference.md: glrtf.search": "photo.jpg",
}
"""Command with an ellipsis -> the arguments that replace it."""


def reason_not_run(command: Documented) -> str:
    """Why a command is not run; empty if it is run."""
    if not command.arguments:
        return "named in passing"
    if command.arguments[0].isupper() and not command.arguments[0].startswith("SHARDS"):
        return "lists the arguments only"
    return next((why for what, why in NOT_RUN.items() if re.search(what, f"{command} ")), "")

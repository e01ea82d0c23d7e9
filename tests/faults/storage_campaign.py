"""Puts one fault between a command and Cloud Storage, many times over, and counts what follows.

    PYTHONPATH=.:tests python tests/faults/storage_campaign.py --trials 200

Prints a table in Markdown, and every trial that ended in a traceback or with other files. Exits
with 1 where there was one.
"""

import argparse
import contextlib
import os
import sys
import tempfile
from pathlib import Path

import storage_emulator
import storage_faults

from tfrecords_tools.storage import remote

_WORKS = ("build", "retrieve", "embed", "rows_import", "whiten", "index_add")


def main() -> int:
    """Runs the campaign."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--works", nargs="+", choices=_WORKS, default=_WORKS)
    parser.add_argument("--trials", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    remote.FIRST_DELAY = 0.01
    bad: list[storage_faults.Outcome] = []
    print("| command | trials | equal | one line | traceback | wrong |\n|---|---|---|---|---|---|")
    with storage_emulator.running() as gate, tempfile.TemporaryDirectory() as folder:
        os.environ["TFRECORDS_TOOLS_CACHE"] = str(Path(folder) / "copies")
        for name in arguments.works:
            place = Path(folder) / name
            place.mkdir()
            work = getattr(storage_faults, name)(place)
            root = f"gs://{storage_emulator.BUCKET}/{name}-out"
            with contextlib.redirect_stdout(sys.stderr):  # Commands say what they wrote.
                outcomes = []
                for each in storage_faults.trials(
                    work, gate, root, arguments.trials, arguments.seed
                ):
                    outcomes.append(each)
                    print(f"{name} {len(outcomes)}: {each.kind}", flush=True)
            counts = storage_faults.counted(outcomes)
            print(f"| {name} | {len(outcomes)} | {' | '.join(map(str, counts.values()))} |")
            sys.stdout.flush()
            bad += [each for each in outcomes if each.kind in ("traceback", "wrong")]
    for each in bad:
        print(f"{each.kind}: {each.fault} at {each.request}\n{each.message}")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())

"""Fuzzes the readers of foreign files for as long as it is told.

    PYTHONPATH=.:tests python tests/faults/fuzz.py --seconds 600

Prints a table in Markdown; stops at the first fault, with the input.
"""

import argparse
import sys
import tempfile
from pathlib import Path

import fuzz_targets
import fuzzing


def main() -> int:
    """Fuzzes one reader after the other."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=600, help="for each reader")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    print("| reader | inputs | refused | kinds of answer | corpus | slowest |")
    print("|---|---|---|---|---|---|", flush=True)
    for make in fuzz_targets.TARGETS:
        with tempfile.TemporaryDirectory(prefix="glrtf-fuzz-") as folder:
            target = make(Path(folder))
            found = fuzzing.fuzz(target, seed=arguments.seed, seconds=arguments.seconds)
            size = sum(map(len, found.corpus))
            print(
                f"| {target.name} | {found.runs:,} | {found.refused:,} | {len(found.answers)} "
                f"| {len(found.corpus)} inputs, {size:,} bytes | {found.slowest:.3f} s |",
                flush=True,
            )
    return 0


if __name__ == "__main__":
    sys.exit(main())

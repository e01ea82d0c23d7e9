"""Fuzzes the readers of foreign files for a given time.

    PYTHONPATH=.:tests python tests/faults/fuzz.py --seconds 600

Prints a table in Markdown; stops at the first fault, with the input.
"""

import argparse
import sys
import tempfile
from pathlib import Path

import fuzz_targets
import fuzzing

# Seconds that no small file should take.
_SLOW = 1.0


def main() -> int:
    """Fuzzes one reader after the other."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=600, help="for each reader")
    names = [make.__name__.removesuffix("_target") for make in fuzz_targets.TARGETS]
    parser.add_argument("--readers", nargs="+", choices=names, default=names)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    print("| reader | inputs | refused | kinds of answer | corpus | slowest |")
    print("|---|---|---|---|---|---|", flush=True)
    for name in arguments.readers:
        make = getattr(fuzz_targets, f"{name}_target")
        with tempfile.TemporaryDirectory(prefix="glrtf-fuzz-") as folder:
            target = make(Path(folder))
            found = fuzzing.fuzz(target, seed=arguments.seed, seconds=arguments.seconds)
            size = sum(map(len, found.corpus))
            print(
                f"| {target.name} | {found.runs:,} | {found.refused:,} | {len(found.answers)} "
                f"| {len(found.corpus)} inputs, {size:,} bytes | {found.slowest:.3f} s |",
                flush=True,
            )
            if found.slowest > _SLOW:
                print(f"the slowest input of {name}: {found.slowest_input!r}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())

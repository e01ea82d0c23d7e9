"""Kills and stops every long command at random moments and compares the final outputs.

    PYTHONPATH=.:tests python tests/faults/campaign.py --kills 25

Prints a table in Markdown, and the exit codes after each kind of signal; stops at the first output
that differs.
"""

import argparse
import sys
import tempfile
from pathlib import Path

import fault_works
import kills

_WORKS = ("build", "retrieve", "embed", "export", "train", "tune")
_WORKS += ("embed_elsewhere", "index_add", "whiten", "adapt", "bundle")


def main() -> int:
    """Runs the campaign."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--works", nargs="+", choices=_WORKS, default=_WORKS)
    parser.add_argument("--kills", type=int, default=25)
    parser.add_argument("--in_a_row", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    print("| command | kills | of them after the first write | finished, all equal | undisturbed |")
    print("|---|---|---|---|---|", flush=True)
    with tempfile.TemporaryDirectory(prefix="glrtf-faults-") as folder:
        inputs = Path(folder) / "inputs"
        inputs.mkdir()
        for name in arguments.works:
            place = Path(folder) / name
            place.mkdir()
            work = getattr(fault_works, name)(inputs)
            done = kills.campaign(work, place, arguments.kills, arguments.in_a_row, arguments.seed)
            print(
                f"| {done.name} | {done.kills} | {done.after_first_write} | {done.finished} "
                f"| {done.seconds:.1f} s |",
                flush=True,
            )
            codes = ", ".join(f"{way} {count}x" for way, count in sorted(done.outcomes.items()))
            print(f"<!-- {codes} -->", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())

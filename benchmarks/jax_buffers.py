"""Memory of a JAX update on absent TPUs, without generating its machine code.

    PYTHONPATH=. plan/bin/python benchmarks/jax_buffers.py v2s_800 v5e:2x4

`glrtf plan --engine jax --compile` waits for the whole compilation. Most of that is machine code,
which needs longer the larger the images are; memory is assigned before. Here libtpu writes its
intermediate results to a folder (`xla_dump_to`), and the process ends once memory is assigned.
The figure, arguments and temporary memory, is an upper bound of the peak.
"""

import argparse
import dataclasses
import os
import re
import sys
import tempfile
import threading
import time
from pathlib import Path

from glrtf.planning.program_text import count_collectives
from glrtf.planning.tpu_compiler import ENVIRONMENT

_CONFIGS = ("v2s_800", "v2m_640", "v2m_732", "v2l_720", "v2xl_640")
# Written when memory is assigned; those of the update are the only ones for a TPU.
_ASSIGNED = "*.after_optimizations_after_buffer_assignment.txt"
_REPORT = "*[0-9].after_optimizations-memory-usage-report.txt"


def main() -> int:
    """Compiles a configuration up to machine code and prints its memory."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("config", choices=_CONFIGS)
    parser.add_argument("topology", help="of one host, as libtpu names it: v5e:2x4, v6e:2x4, …")
    arguments = parser.parse_args()
    os.environ.update(ENVIRONMENT)
    from glrtf.config import keras_backend

    keras_backend.use("jax")
    import jax
    from jax.experimental import topologies

    from glrtf.config.planning import PlanConfig
    from glrtf.planning.jax_compiler import settings_of, traced_update
    from tfrecords_tools.command import cli

    jax.config.update("jax_default_matmul_precision", "highest")
    config = cli.parse(
        PlanConfig, [f"--config=configs/{arguments.config}.yaml"], prog="jax_buffers"
    )
    largest = max(config.sizes, default=config.size)
    config = dataclasses.replace(config, size=largest, sizes=[], stage_epochs=[])
    devices = topologies.get_topology_desc(arguments.topology, "tpu").devices
    lowered = traced_update(settings_of(config, config.num_classes), devices).lower()
    with tempfile.TemporaryDirectory(prefix="glrtf-buffers-") as folder:
        compiling = threading.Thread(
            target=lowered.compile,
            kwargs={"compiler_options": {"xla_dump_to": folder}},
            daemon=True,
        )
        compiling.start()
        while compiling.is_alive() and not list(Path(folder).glob(_ASSIGNED)):
            time.sleep(1)
        time.sleep(3)  # The last file may still be being written.
        found = list(Path(folder).glob(_ASSIGNED))
        if found:
            [report] = Path(folder).glob(_REPORT)
            total = re.search(r"color=0\)\nTotal bytes: (\d+)", report.read_text())
            gib = int(total[1]) / 2**30 if total else float("nan")
            crossing, inside = count_collectives(found[0].read_text())
            print(f"{arguments.config} {arguments.topology}: {gib:.2f} GiB, {crossing}, in loops")
            print(f"{inside}; {time.process_time():.0f} s of CPU", flush=True)
    # The compiler cannot be interrupted.
    os._exit(0 if found else 1)


if __name__ == "__main__":
    sys.exit(main())

"""Host cores needed to feed a TPU, for each published configuration, as a Markdown table.

    python benchmarks/host_cores.py [--seconds 5] [--tpu v3-8 v4-8] [configs/*.yaml]

The TPU's consumption is the estimate of `glrtf.plan`: FLOPs of the traced pass over the
rate its generation reached with the backbone. A core's output is measured: images per
second of `benchmarks/input_pipeline.py` on one core at the configuration's size, resizing
on the host and on the device.
"""

import argparse
import json
import math
import subprocess
import sys
import tempfile
from pathlib import Path

CONFIGS = ("v2s_800", "v2m_732", "v2m_640", "v2l_720", "v2xl_640")
MODES = ("host-resize", "device-resize")


def rate_of_core(folder: str, mode: str, size: int, seconds: float) -> float:
    """Images per second that one core produces."""
    script = Path(__file__).with_name("input_pipeline.py")
    command = ["taskset", "--cpu-list", "0", sys.executable, str(script), "--measure", mode]
    command += ["--folder", folder, "--size", str(size), "--seconds", str(seconds)]
    shown = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(shown.stdout.splitlines()[-1])["rate"]


def rates_of_tpus(path: str, tpus: list[str]) -> tuple[int, list[float]]:
    """The configuration's size, and each slice's estimated images per second."""
    from glrtf.commands.plan import plan
    from glrtf.config.planning import PlanConfig
    from glrtf.planning.accelerators import find_slice
    from glrtf.planning.estimate import estimate
    from tfrecords_tools.command import cli

    config = cli.parse(PlanConfig, ["--config", path], prog="plan")
    planned = plan(config)
    found = [
        estimate(
            planned.work,
            find_slice(tpu),
            utilization=planned.utilization,
            activation_overhead=config.activation_overhead,
        )
        for tpu in tpus
    ]
    return config.size, [each.images_per_second for each in found]


def main() -> None:
    """Measures the rates and prints the table."""
    import input_pipeline

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("configs", nargs="*")
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--tpu", nargs="+", default=["v3-8", "v4-8"])
    arguments = parser.parse_args()
    paths = arguments.configs or [
        str(Path(__file__).parents[1] / "configs" / f"{name}.yaml") for name in CONFIGS
    ]
    wanted = {Path(path).stem: rates_of_tpus(path, arguments.tpu) for path in paths}
    sizes = sorted({size for size, _ in wanted.values()})
    with tempfile.TemporaryDirectory() as folder:
        input_pipeline.write_shards(Path(folder))
        rates = {
            (mode, size): rate_of_core(folder, mode, size, arguments.seconds)
            for mode in MODES
            for size in sizes
        }
    head = ["configuration", "images/s of a core: host- · device-resize"]
    head += [f"{tpu}: images/s, cores" for tpu in arguments.tpu]
    print("| " + " | ".join(head) + " |")
    print("|---" * len(head) + "|")
    for name, (size, needs) in wanted.items():
        of_core = [rates[mode, size] for mode in MODES]
        cells = [name, " · ".join(f"{rate:.0f}" for rate in of_core)]
        for need in needs:
            cores = " · ".join(str(math.ceil(need / rate)) for rate in of_core)
            cells.append(f"{need:.0f}: {cores}")
        print("| " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()

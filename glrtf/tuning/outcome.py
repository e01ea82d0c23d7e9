"""The files of glrtf tune: best.yaml, tune.json, trials.csv and two plots."""

import dataclasses
from typing import Any

import numpy as np
import yaml

from glrtf.charts import bar_chart, svg
from glrtf.charts.svg import Series
from glrtf.config.evaluation import TuneConfig
from glrtf.config.retrieval import RetrieveConfig
from glrtf.evaluation import bootstrap, text_table
from glrtf.tuning import search_space
from glrtf.tuning.result import TuneResult
from tfrecords_tools.storage import csv_files, files

_RESAMPLES = 2000
_INPUTS = (
    "query",
    "index",
    "output",
    "bundle",
    "train",
    "landmarks",
    "non_landmark",
    "non_landmark_solution",
    "non_landmark_scores",
    "votes",
    "adapter",
    "search",
    "verifier",
    "verifier_images",
)


def write_result(config: TuneConfig, result: TuneResult) -> None:
    """Writes the result's files into the output folder, ``best.yaml`` last."""

    def write(name: str, text: str | bytes) -> None:
        data = text if isinstance(text, bytes) else text.encode()
        files.write_bytes(files.join(config.output, name), data)

    files.write_json(files.join(config.output, "tune.json"), summary(result))
    write("trials.csv", _trials_csv(result))
    write("history.svg", svg.standalone(_history_chart(result)))
    if result.importance:
        write("importance.svg", svg.standalone(_importance_chart(result)))
    write("best.yaml", best_yaml(result.best).encode())


def best_yaml(settings: RetrieveConfig) -> str:
    """The tuned settings as ``glrtf retrieve --config`` takes them.

    Inputs and output are omitted and given as flags, so that the settings can be used for other
    images.
    """
    values = dataclasses.asdict(settings)
    tuned = {name: value for name, value in values.items() if name not in _INPUTS}
    return yaml.safe_dump(tuned, sort_keys=False)


def summary(result: TuneResult) -> dict[str, Any]:
    """The result as JSON values: mAP@100 before and after, the gain, its interval."""
    return {
        "trials": len(result.trials),
        "tune": side(result.tune),
        "holdout": side(result.holdout),
        "values": result.values,
        "importance": result.importance,
    }


def side(pairs: np.ndarray) -> dict[str, Any]:
    """One side of the split: means, the paired gain and its 95 % interval.

    Args:
        pairs: (Q, 2) float64 average precisions before and after.
    """
    gains = pairs[:, 1] - pairs[:, 0]
    return {
        "queries": len(pairs),
        "before": float(pairs[:, 0].mean()),
        "after": float(pairs[:, 1].mean()),
        "gain": float(gains.mean()),
        "interval": list(bootstrap.mean_interval(gains, resamples=_RESAMPLES)),
    }


def result_text(config: TuneConfig, result: TuneResult) -> str:
    """The result for a terminal."""
    figures = summary(result)
    table = text_table.measure_table({name: figures[name] for name in ("tune", "holdout")})
    changed = [
        f"  {name}: {search_space.get(result.baseline, name)} -> {value}"
        for name, value in result.values.items()
        if search_space.get(result.baseline, name) != value
    ]
    low, high = figures["holdout"]["interval"]
    verdict = "the holdout's interval holds 0: no gain is shown" if low <= 0 <= high else ""
    lines = [f"mAP@100 after {figures['trials']} trials", table, *changed, verdict]
    lines.append(files.join(config.output, "best.yaml"))
    return "\n".join(line for line in lines if line)


def _trials_csv(result: TuneResult) -> str:
    names = list(result.trials[0])
    return csv_files.text(names, ([trial[name] for name in names] for trial in result.trials))


def _history_chart(result: TuneResult) -> str:
    numbers, values = result.history.T
    best = np.maximum.accumulate(values)
    return svg.line_chart(
        [
            Series("best so far", numbers.tolist(), best.tolist()),
            Series("trial", numbers.tolist(), values.tolist()),
        ],
        x_name="trial",
        y_name="mAP@100",
    )


def _importance_chart(result: TuneResult) -> str:
    names = sorted(result.importance, key=lambda name: -result.importance[name])
    return bar_chart.bar_chart(
        names, [result.importance[name] for name in names], x_name="share in the spread"
    )

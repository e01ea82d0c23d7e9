"""Command: runs every stage on the embedded sample and scores each ranking."""

import dataclasses
import os
from collections.abc import Sequence
from typing import Any, TypedDict

import numpy as np

from glrtf.commands.demo_stages import Stages
from glrtf.config import presets
from glrtf.config.demo import DemoConfig
from glrtf.config.training import TrainConfig
from tfrecords_tools.command import cli, expected
from tfrecords_tools.command.stopping import Stopped
from tfrecords_tools.command.typed_settings import checked
from tfrecords_tools.errors import UserError
from tfrecords_tools.storage import files, json_shapes

RANKINGS = {
    "direct": "direct only",
    "direct_dba": "direct + DBA",
    "fifth_place": "bridged + direct",
}
"""Preset of `glrtf retrieve` → what the table calls it."""

SPLITS = ("train", "index", "test")


@dataclasses.dataclass(frozen=True)
class DemoResult:
    """The result of the demo.

    Attributes:
        scores: Ranking → mAP@100 over all scored queries, by the names in `RANKINGS`.
        chance: The expected score of a random order of the index.
        seconds: Stage → how long it took.
        page: The report's HTML page.
    """

    scores: dict[str, float]
    chance: float
    seconds: dict[str, float]
    page: str


_Scores = TypedDict("_Scores", {"map@100": dict[str, float], "chance": float})


def demo(config: DemoConfig) -> DemoResult:
    """Runs every stage that has not been run yet.

    Raises:
        UserError: If the output folder contains a demo with other settings.
    """
    config = checked(config, DemoConfig)
    expected.new_folder("--output", config.output)
    if config.settings:
        expected.file("--settings", config.settings)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    place = _Place(config)
    stages = Stages(config.output)
    drawn = [config.seed, config.num_landmarks, config.photos_per_landmark]
    stages.run("sample", drawn, ["gldv2"], place.draw)
    stages.run("shards", [], ["shards"], place.build)
    stages.run("train", dataclasses.asdict(place.training), ["run"], place.train)
    stages.run("export", [], ["model"], place.export)
    stages.run("embed", [], [f"embeddings/{split}" for split in SPLITS], place.embed)
    stages.run("retrieve", [], [f"retrieval/{preset}" for preset in RANKINGS], place.retrieve)
    stages.run("evaluate", [], ["scores.json"], place.evaluate)
    stages.run("report", [], ["report"], place.report)
    return read_result(config.output, stages.seconds)


def read_result(output: str, seconds: dict[str, float]) -> DemoResult:
    """The result of a finished demo.

    Args:
        output: Its folder.
        seconds: How long each stage took.

    Raises:
        UserError: If ``scores.json`` is missing, damaged or lacks a ranking.
    """
    path = files.join(output, "scores.json")
    scores = json_shapes.read(path, _Scores, "delete it and run the same command again")
    if missing := RANKINGS.keys() - scores["map@100"].keys():
        raise UserError(
            f"{path}: expected a score for each of {', '.join(RANKINGS)}, found none for "
            f"{min(missing)}; delete it and run the same command again"
        )
    page = os.path.abspath(files.join(output, "report/index.html"))
    return DemoResult(scores["map@100"], scores["chance"], seconds, page)


class _Place:
    """The demo's folder, and the command that makes each of its files."""

    def __init__(self, config: DemoConfig) -> None:
        self._config = config
        self.training = _training_settings(config, self.at("shards"), self.at("run"))

    def at(self, name: str) -> str:
        return files.join(self._config.output, name)

    def metadata(self, name: str) -> str:
        return self.at(f"gldv2/metadata/{name}")

    def draw(self) -> None:
        from tfrecords_tools.sample.draw import SampleConfig, write_sample

        config = self._config
        write_sample(
            SampleConfig(
                self.at("gldv2"), config.seed, config.num_landmarks, config.photos_per_landmark
            )
        )

    def build(self) -> None:
        from tfrecords_tools.build import BuildConfig, build

        build(BuildConfig(source=self.at("gldv2"), output=self.at("shards"), num_shards=4))

    def train(self) -> None:
        from glrtf.training.run import train

        result = train(self.training)
        if not result.finished:  # Later stages must not use an unfinished model.
            raise Stopped(f"train: stopped and saved after update {result.update}")

    def export(self) -> None:
        from glrtf.commands.export import export
        from glrtf.config.inference import ExportConfig

        export(ExportConfig(workdir=self.at("run"), output=self.at("model")))

    def embed(self) -> None:
        from glrtf.commands.embed import embed
        from glrtf.config.inference import EmbedConfig
        from glrtf.inference import lite_copy

        model = self.at("model")
        # The same rows to 1e-5 and the same digest; the SavedModel is traced for every split.
        if lite_copy.is_usable(model):
            model = lite_copy.path_in(model)
        for split in SPLITS:
            output = self.at(f"embeddings/{split}")
            embed(EmbedConfig(model, self.at("shards"), output, split))  # type: ignore[arg-type]

    def retrieve(self) -> None:
        from glrtf.commands.retrieve import retrieve
        from glrtf.config.retrieval import RetrieveConfig

        query, index, train = ([self.at(f"embeddings/{s}")] for s in ("test", "index", "train"))
        for preset in RANKINGS:
            bridge: dict[str, Any] = {}
            if preset == "fifth_place":
                bridge["train"] = train
                bridge["landmarks"] = self.metadata("train.csv")
                # As in the original: test images known to show no landmark. They are not scored.
                bridge["non_landmark_solution"] = self.metadata("recognition_solution_v2.1.csv")
            output = self.at(f"retrieval/{preset}")
            retrieve(RetrieveConfig(query, index, output, preset=preset, **bridge))  # type: ignore[arg-type]

    def evaluate(self) -> None:
        from glrtf.evaluation.scoring import score_submission
        from glrtf.evaluation.solutions import read_retrieval_solution
        from glrtf.evaluation.submissions import read_submission
        from glrtf.evaluation.summary import average_precisions

        solution = read_retrieval_solution(self.metadata("retrieval_solution_v2.1.csv"))
        scores = {}
        for preset in RANKINGS:
            path = self.at(f"retrieval/{preset}/submission.csv")
            scored = score_submission(read_submission(path), solution, name=path)
            scores[preset] = float(average_precisions(scored).mean())
        index_size = len(files.read_bytes(self.metadata("index.csv")).splitlines()) - 1
        relevant = [len(images) for images in solution.relevant.values()]
        chance = chance_map(np.array(relevant), index_size)
        files.write_json(self.at("scores.json"), {"map@100": scores, "chance": chance})

    def report(self) -> None:
        from glrtf.commands.report import report
        from glrtf.config.evaluation import ReportConfig

        report(
            ReportConfig(
                retrieval=self.at("retrieval/fifth_place"),
                baseline=self.at("retrieval/direct"),
                solution=self.metadata("retrieval_solution_v2.1.csv"),
                source=self.at("gldv2"),
                output=self.at("report"),
            )
        )


def chance_map(num_relevant: np.ndarray, index_size: int, k: int = 100) -> float:
    """The expected mAP@k of a random order of the index.

    At rank r the image is relevant with probability R/N, and then each of the
    r - 1 before it is so with probability (R - 1)/(N - 1). So the expected AP is
    Σ_{r≤k} R/N · (1 + (r - 1)(R - 1)/(N - 1)) / r, divided by min(R, k).

    Args:
        num_relevant: (Q,) int, R of each query, at least 1.
        index_size: N, at least 2.
        k: Ranks that count.
    """
    rank = np.arange(1, min(k, index_size) + 1)
    relevant = np.asarray(num_relevant, float)[:, None]
    before = (rank - 1) * (relevant - 1) / (index_size - 1)
    gains = (relevant / index_size * (1 + before) / rank).sum(axis=1)
    return float((gains / np.minimum(num_relevant, k)).mean())


def _training_settings(config: DemoConfig, data: str, workdir: str) -> TrainConfig:
    path = config.settings or presets.find_file("sample.yaml") or "configs/sample.yaml"
    arguments = [f"--config={path}", f"--data={data}", f"--workdir={workdir}"]
    arguments.append(f"--seed={config.seed}")
    return cli.parse(TrainConfig, arguments, prog="glrtf demo")


def table(result: DemoResult) -> str:
    """The demo's result as text."""
    lines = ["ranking            mAP@100"]
    for preset, name in RANKINGS.items():
        lines.append(f"{name:<18} {result.scores[preset]:7.3f}")
    lines.append(f"{'a random order':<18} {result.chance:7.3f}")
    lines += ["", "stage              seconds"]
    lines += [f"{name:<18} {seconds:7.1f}" for name, seconds in result.seconds.items()]
    lines.append(f"{'all':<18} {sum(result.seconds.values()):7.1f}")
    return "\n".join(lines)


def run_demo(config: DemoConfig) -> None:
    """The command."""
    result = demo(config)
    print(f"\n{table(result)}\n\n{result.page}")


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit code."""
    return cli.run(DemoConfig, run_demo, argv=argv, resumes=True)

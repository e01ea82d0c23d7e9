"""Settings of evaluate, report, tune and ablate."""

import dataclasses
from typing import Literal

from glrtf.config.retrieval import RetrieveConfig


@dataclasses.dataclass(frozen=True)
class EvaluateConfig:
    """Scores a submission against a solution, separately for public and private.

    Retrieval files (id,images) get mAP@100 as in the Google Landmark Retrieval
    competitions, precision, recall and the rank of the first hit; recognition
    files (id,landmarks) get GAP and top-1; rankings of Revisited Oxford or Paris
    get mAP and mP@k, easy, medium and hard. With any table of labels as solution
    rankings get mAP, recall, precision, R-precision, mMP@5, MRR and nDCG.

    Attributes:
        submission: The submission: a CSV file, or the folder that glrtf retrieve wrote.
        solution: The solution: retrieval_solution_v2.1.csv, recognition_solution_v2.1.csv, the
            ground truth of Revisited Oxford or Paris as JSON (imlist, qimlist, gnd), a CSV of
            labels (id,label or id,landmark_id) or of each query's relevant images (id,images).
        json: JSON file for the measures.
        per_query: CSV file for every scored query's average precision (retrieval) or all its
            measures (labels).
        compare: Further submissions; the paired difference of each to the first is shown.
        index: index.csv or the index's embedding set: a predicted image that is not in it is
            refused (retrieval). With labels, only its images count as relevant.
        index_labels: The labels of index images, where the solution labels the queries alone.
        per_label: CSV file for every label's mean measures (labels only).
        ranks: The k of mAP@k, recall@k, hit@k, precision@k and nDCG@k (labels only).
        own: Whether an index image with the query's id is dropped (leave-one-out) or kept as a
            relevant image (labels only).
        resamples: Bootstrap resamples for the 95 % intervals; 0 omits the intervals.
        verify: Whether the files of an embedding set given as index are compared with their
            digests once, as long as they are unchanged, or always.
    """

    submission: str
    solution: str
    json: str | None = None
    per_query: str | None = None
    compare: list[str] = dataclasses.field(default_factory=list)
    index: str | None = None
    index_labels: str | None = None
    per_label: str | None = None
    ranks: list[int] = dataclasses.field(default_factory=lambda: [1, 5, 10, 100])
    own: Literal["drop", "keep"] = "drop"
    resamples: int = 1000
    verify: Literal["once", "always"] = "once"

    def __post_init__(self) -> None:
        _at_least("resamples", self.resamples, 0)
        _at_least("ranks", min(self.ranks, default=1), 1)


@dataclasses.dataclass(frozen=True)
class PrepareRevisitedConfig:
    """Arranges the photos of Revisited Oxford or Paris so that shards can be built from them.

    Queries are cut to their boxes, every photo gets an image_id, and the ground truth is rewritten
    with these ids. The commands that follow are printed.

    Attributes:
        ground_truth: The published ground truth as JSON (imlist, qimlist, gnd).
        photos: Folder of the photos, NAME.jpg.
        output: New folder for test/, index/ and metadata/.
    """

    ground_truth: str
    photos: str
    output: str


@dataclasses.dataclass(frozen=True)
class PrepareBenchmarkConfig:
    """Lays out the photos of a published benchmark so that shards can be built from them.

    Every photo gets an image_id, and what is right for a query is written in these ids. The
    commands that follow are printed.

    Attributes:
        layout: gpr1200 (a folder of photos named CLASS_NAME.jpg), ilias (ilias_core), instre
            (gnd_instre.mat and the photos) or uned (info_files and images).
        source: Folder of the benchmark as it was published.
        output: Folder to be made: index/, test/ and metadata/.
        domains: uned: the domains wanted, such as cars; by default all.
        crop: ilias: whether queries are cut to the box around their object. Those of instre
            always are.
        distractors: Folder of further photos for the index, which are right for no query.
    """

    layout: Literal["gpr1200", "ilias", "instre", "uned"]
    source: str
    output: str
    domains: list[str] = dataclasses.field(default_factory=list)
    crop: bool = False
    distractors: str | None = None

    def __post_init__(self) -> None:
        """Refuses settings of other layouts."""
        for name, layout in (("domains", "uned"), ("crop", "ilias")):
            if getattr(self, name) and self.layout != layout:
                raise ValueError(f"{name}: expected layout {layout}, found {self.layout}")


@dataclasses.dataclass(frozen=True)
class ReportConfig:
    """Makes a folder with an HTML page that shows what a retrieval found.

    The page works from disk and offline: open OUTPUT/index.html.

    Attributes:
        retrieval: The folder that glrtf retrieve wrote.
        solution: The solution: retrieval_solution_v2.1.csv.
        source: The photos: a folder in GLDv2's published layout (tars), or of a/b/c/ID.jpg files.
        output: The folder for the report.
        train_csv: The CSV that names the train photos of a landmark; by default train.csv or
            train_clean.csv below --source.
        baseline: Another retrieval folder, to compare every query with. By default the same
            photos ordered by direct confidence alone.
        ablation: The folder that glrtf ablate wrote, to include in the report.
        query: Embedding sets of the test images, one per model; by default those that the retrieval
            was made from, if they still exist.
        index: Embedding sets of the index images.
        train: Embedding sets of the train images.
        bundle: The bundle that the retrieval was made with, wherever it is now, in place of index,
            train and train_csv.
        map: How the map of embeddings is made: tsne (needs scikit-learn), pca, auto (tsne if
            scikit-learn is installed, else pca) or none.
        map_points: The largest number of photos on the map.
        projector: Folder for the map's embeddings, for TensorBoard's projector.
        wandb: Weights & Biases project for the measures and the report.
        max_queries: The largest number of queries in the gallery.
        max_ranks: The largest number of ranked photos per query.
        thumbnail: The longest side of a thumbnail in pixels.
        verify: Whether the sets' files are compared with their digests once, as long as they
            are unchanged, or always.
    """

    retrieval: str
    solution: str
    source: str
    output: str
    train_csv: str | None = None
    baseline: str | None = None
    ablation: str | None = None
    query: list[str] = dataclasses.field(default_factory=list)
    index: list[str] = dataclasses.field(default_factory=list)
    train: list[str] = dataclasses.field(default_factory=list)
    bundle: str = ""
    map: Literal["auto", "tsne", "pca", "none"] = "auto"
    map_points: int = 1500
    projector: str | None = None
    wandb: str | None = None
    max_queries: int = 1000
    max_ranks: int = 40
    thumbnail: int = 192
    verify: Literal["once", "always"] = "once"

    def __post_init__(self) -> None:
        for name in ("index", "train", "train_csv"):
            if self.bundle and getattr(self, name):
                raise ValueError(
                    f"{name}: expected none with --bundle, which has its own; leave it out"
                )
        _at_least("max_queries", self.max_queries, 1)
        _at_least("thumbnail", self.thumbnail, 16)
        _at_least("max_ranks", self.max_ranks, 1)
        _at_least("map_points", self.map_points, 10)
        if self.max_ranks > 100:
            raise ValueError(f"max_ranks: expected at most 100, found {self.max_ranks}")


@dataclasses.dataclass(kw_only=True)
class TuneConfig(RetrieveConfig):
    """Searches the settings of glrtf retrieve that rank best on queries with a known solution.

    It tunes on the queries of half of the landmarks; the other half only measures the result. Any
    setting of glrtf retrieve may be given: tuning starts from it and compares with it. The result,
    OUTPUT/best.yaml, is what glrtf retrieve --config takes.

    Attributes:
        query: Embedding set of the test images; several (one per model) are joined by image id.
        index: Embedding sets of the index images, one per model in the same order.
        output: Folder for best.yaml, trials.csv, the plots and the journal; a later run resumes it.
        solution: The solution: retrieval_solution_v2.1.csv.
        trials: The total number of trials, including those of earlier runs.
        workers: How many processes run trials in parallel.
        holdout: The share of the queries that is held out to measure the result.
        parameters: The settings to tune; by default all that the preset uses.
        seed: The sampler's seed; with one worker, equal seeds repeat a study, even if it was
            stopped and resumed.
    """

    solution: str
    trials: int = 200
    workers: int = 1
    holdout: float = 0.5
    parameters: list[str] = dataclasses.field(default_factory=list)
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuses values outside their range."""
        super().__post_init__()
        _at_least("trials", self.trials, 1)
        _at_least("workers", self.workers, 1)
        if not 0 < self.holdout < 1:
            raise ValueError(f"holdout: expected a share between 0 and 1, found {self.holdout}")


@dataclasses.dataclass(kw_only=True)
class AblateConfig(RetrieveConfig):
    """Shows what each step of the retrieval contributes, switched on in turn and left out.

    The steps are those that the settings use; any setting of glrtf retrieve may be given.

    Attributes:
        query: Embedding set of the test images; several (one per model) are joined by image id.
        index: Embedding sets of the index images, one per model in the same order.
        output: Folder for ablation.md, ablation.csv, ablation.svg and ablation.json.
        solution: The solution: retrieval_solution_v2.1.csv.
        resamples: Bootstrap resamples of the 95 % intervals.
    """

    solution: str
    resamples: int = 1000

    def __post_init__(self) -> None:
        """Refuses values outside their range."""
        super().__post_init__()
        _at_least("resamples", self.resamples, 1)


def retrieve_settings(config: RetrieveConfig) -> RetrieveConfig:
    """Only the settings of glrtf retrieve, without those added by a command that extends it."""
    names = [field.name for field in dataclasses.fields(RetrieveConfig)]
    return RetrieveConfig(**{name: getattr(config, name) for name in names})


def _at_least(name: str, value: float, least: float) -> None:
    if value < least:
        raise ValueError(f"{name}: expected {least} or more, found {value}")

"""What the commands evaluate, report, tune and ablate are told."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class EvaluateConfig:
    """Scores a submission against a solution, public and private apart.

    Retrieval files (id,images) get mAP@100 as in the Google Landmark Retrieval
    competitions, precision, recall and the rank of the first hit; recognition
    files (id,landmarks) get GAP and top-1.

    Attributes:
        submission: The submission: a CSV file, or the folder that glrtf.retrieve wrote.
        solution: The solution: retrieval_solution_v2.1.csv or recognition_solution_v2.1.csv.
        json: File that also gets the measures, as JSON.
        per_query: CSV file that gets every scored query's average precision (retrieval only).
        compare: Further submissions; the paired difference of each to the first is shown.
        resamples: Bootstrap resamples of the 95 % intervals; 0 leaves the intervals out.
    """

    submission: str
    solution: str
    json: str | None = None
    per_query: str | None = None
    compare: list[str] = dataclasses.field(default_factory=list)
    resamples: int = 1000

    def __post_init__(self) -> None:
        if self.resamples < 0:
            raise ValueError(f"--resamples: expected 0 or more, found {self.resamples}")


@dataclasses.dataclass(frozen=True)
class ReportConfig:
    """Makes a folder with an HTML page that shows what a retrieval found.

    The page works from disk and offline: open OUTPUT/index.html.

    Attributes:
        retrieval: The folder that glrtf.retrieve wrote.
        solution: The solution: retrieval_solution_v2.1.csv.
        source: The photos: a folder in GLDv2's published layout (tars), or of a/b/c/ID.jpg files.
        output: The folder that gets the report.
        train_csv: The CSV that names the train photos of a landmark; by default train.csv or
            train_clean.csv below --source.
        baseline: Another retrieval folder, to compare every query with. By default the same
            photos ordered by direct confidence alone.
        max_queries: How many queries the gallery shows at most.
        max_ranks: How many ranked photos a query shows at most.
        thumbnail: The longest side of a thumbnail in pixels.
    """

    retrieval: str
    solution: str
    source: str
    output: str
    train_csv: str | None = None
    baseline: str | None = None
    max_queries: int = 1000
    max_ranks: int = 40
    thumbnail: int = 192

    def __post_init__(self) -> None:
        _at_least("max_queries", self.max_queries, 1)
        _at_least("thumbnail", self.thumbnail, 16)
        _at_least("max_ranks", self.max_ranks, 1)
        if self.max_ranks > 100:
            raise ValueError(f"--max_ranks: expected at most 100, found {self.max_ranks}")


def _at_least(name: str, value: float, least: float) -> None:
    if value < least:
        raise ValueError(f"--{name}: expected {least} or more, found {value}")

"""From a retrieval's files to the report's page, in three named steps."""

import dataclasses
import os
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from glrtf.config.evaluation import ReportConfig
from glrtf.evaluation import charts, gallery, page_data, photos, summary, thumbnails, train_photos
from glrtf.evaluation.gallery import QueryView
from glrtf.evaluation.judgement import Judgement, judge
from glrtf.evaluation.page import Figure, Page, Section
from glrtf.evaluation.results import RetrievalResult, read_result
from glrtf.evaluation.solutions import RetrievalSolution, read_retrieval_solution

TRAIN_PHOTOS_SHOWN = 6
MISSED_SHOWN = 24


@dataclasses.dataclass(frozen=True)
class Material:
    """What the page is made of, photos left aside.

    Attributes:
        result: The retrieval.
        solution: The ground truth.
        judged: The marked submission.
        measures: Its measures, for each part of the test set.
        views: The queries that the gallery shows.
        num_queries: How many the solution has, the ignored ones too.
        train: For each bridging landmark the train photos to show.
        names: The landmarks' names, where known.
        notes: What could not be done.
    """

    result: RetrievalResult
    solution: RetrievalSolution
    judged: Judgement
    measures: Mapping[str, Mapping[str, Any]]
    views: Sequence[QueryView]
    num_queries: int
    train: Mapping[int, Sequence[str]]
    names: Mapping[int, str]
    notes: Sequence[str]


def gather(config: ReportConfig) -> Material:
    """Reads and scores; nothing is written.

    Raises:
        UserError: If a file is missing or is not what it should be.
    """
    train_csv = train_photos.require_train_csv(config.train_csv, config.source)
    photos.require_source(config.source)
    solution = read_retrieval_solution(config.solution)
    result = read_result(config.retrieval)
    baseline = read_result(config.baseline).rankings if config.baseline else None
    judged = judge(result.rankings.items(), solution, name=config.retrieval)
    all_views = [
        gallery.query_view(
            query_id,
            result,
            solution,
            baseline=baseline,
            max_ranks=config.max_ranks,
            max_missed=MISSED_SHOWN,
        )
        for query_id in solution.usage
    ]
    views = gallery.choose_queries(all_views, config.max_queries)
    bridges = page_data.bridging_landmarks(views)
    train, notes = _train_photos(train_csv, bridges)
    return Material(
        result=result,
        solution=solution,
        judged=judged,
        measures=summary.retrieval_measures(judged, resamples=1000),
        views=views,
        num_queries=len(solution.usage),
        train=train,
        names=train_photos.landmark_names(config.source, bridges),
        notes=[*notes, *_oddities(judged, result)],
    )


def picture(config: ReportConfig, material: Material) -> list[str]:
    """Finds the photos and makes their thumbnails.

    Returns:
        What the reader must know of photos that are missing or broken.
    """
    wanted = page_data.shown_ids(material.views, material.train)
    places = photos.find_photos(config.source, wanted)
    _, refused = thumbnails.make_thumbnails(places, config.output, config.thumbnail)
    notes = []
    if missing := sorted(wanted - set(places)):
        notes.append(
            f"{len(missing)} of {len(wanted)} photos are not in the source and show as "
            f"“no photo”, such as {missing[0]}."
        )
    if refused:
        notes.append(f"{len(refused)} photos could not be decoded, such as {refused[0]}.")
    return notes


def compose(config: ReportConfig, material: Material, photo_notes: Sequence[str]) -> Page:
    """Puts the page together."""
    by_bridging = config.baseline is None
    name = os.path.basename(os.path.normpath(config.retrieval))
    return Page(
        title=f"Retrieval report: {name}",
        figures=_figures(material, by_bridging),
        notes=[*material.notes, *photo_notes],
        measures=_measure_rows(material.measures),
        parameters=_parameters(material.result.info),
        sections=[
            Section(
                "curves",
                "Curves",
                charts=[
                    charts.rank_curves(material.judged),
                    charts.precision_histogram(material.judged),
                ],
            )
        ],
        gallery_text=_gallery_text(material, by_bridging, config.baseline),
        views=material.views,
        train_photos=material.train,
        landmark_names=material.names,
        baseline_name="direct only" if by_bridging else "baseline",
        by_bridging=by_bridging,
        thumbnail=config.thumbnail,
    )


def _train_photos(
    path: str | None, bridges: Collection[int]
) -> tuple[dict[int, list[str]], list[str]]:
    if not bridges:
        return {}, []
    if path is None:
        return {}, ["No train.csv was found below the source: bridges name no train photos."]
    return train_photos.photos_of_landmarks(path, bridges, TRAIN_PHOTOS_SHOWN), []


def _oddities(judged: Judgement, result: RetrievalResult) -> list[str]:
    notes = []
    if judged.missing:
        notes.append(
            f"{judged.missing} of {len(judged.query_ids)} scored queries are missing in the "
            "submission and score 0."
        )
    if judged.cut:
        notes.append(f"{judged.cut} queries have more than 100 predictions; those behind are cut.")
    if judged.repeats:
        notes.append(f"{judged.repeats} repeated predictions are skipped and keep their rank.")
    if result.evidence is None:
        notes.append("A bare submission carries no evidence: no scores, no bridges.")
    return notes


def _figures(material: Material, by_bridging: bool) -> list[Figure]:
    figures = []
    for part, values in material.measures.items():
        if part == "All" and len(material.measures) == 2:
            continue
        low, high = values["map@100_interval"]
        note = f"{values['queries']} queries, 95 % {low:.3f} to {high:.3f}"
        figures.append(Figure(f"mAP@100, {part.lower()}", f"{values['map@100']:.4f}", note))
    whole = material.measures["All"]
    figures.append(Figure("First image right", f"{whole['precision@1']:.1%}", "precision at 1"))
    figures.append(Figure("Found in 100", f"{whole['recall@100']:.1%}", "mean recall at 100"))
    figures.append(
        Figure("Queries without a hit", str(whole["queries_without_hit"]), "in 100 ranks")
    )
    gains = [view.gain for view in material.views if view.gain is not None]
    if gains:
        better, worse = sum(g > 0 for g in gains), sum(g < 0 for g in gains)
        name = "Bridging gains" if by_bridging else "Gain on the baseline"
        note = f"AP, {better} queries better, {worse} worse"
        figures.append(Figure(name, f"{sum(gains) / len(gains):+.4f}", note))
    return figures


def _measure_rows(measures: Mapping[str, Mapping[str, Any]]) -> list[list[str]]:
    names = [name for name in measures["All"] if name != "map@100_interval"]
    rows = [["", *measures]]
    for name in names:
        values = [part[name] for part in measures.values()]
        rows.append([name, *(f"{v:.5f}" if isinstance(v, float) else str(v) for v in values)])
    return rows


def _parameters(info: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    rows: list[tuple[str, str]] = []
    for name, value in info.items():
        if isinstance(value, dict):
            rows += _parameters(value, f"{prefix}{name}.")
        else:
            text = f"{value:.4g}" if isinstance(value, float) else str(value)
            rows.append((prefix + name, text if len(text) <= 120 else f"{text[:117]}…"))
    return rows


def _gallery_text(material: Material, by_bridging: bool, baseline: str | None) -> str:
    shown = len(material.views)
    text = f"All {shown} queries of the solution."
    if shown < material.num_queries:
        text = (
            f"{shown} of the solution's {material.num_queries} queries: in turn the worst, best, "
            "most helped, most hurt, those without landmark, and a fixed sample."
        )
    if by_bridging and material.result.evidence is not None:
        text += (
            " Helped or hurt by bridging compares a query's average precision with that of "
            "the same images ordered by direct confidence alone."
        )
    elif baseline:
        text += f" Gained and lost compare with {os.path.basename(os.path.normpath(baseline))}."
    return text

"""From a retrieval's files to the report's page, in three named steps."""

import dataclasses
import os
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from glrtf.config.evaluation import ReportConfig
from glrtf.evaluation import summary
from glrtf.evaluation.results import RetrievalResult, read_result
from glrtf.evaluation.scoring import ScoredSubmission, score_submission
from glrtf.evaluation.solutions import RetrievalSolution, read_retrieval_solution
from glrtf.photos import find, landmark_tables, thumbnails
from glrtf.reporting import (
    charts,
    distributions,
    gallery,
    page_data,
    report_embeddings,
    report_text,
)
from glrtf.reporting.bridge_photos import Bridge
from glrtf.reporting.embedding_map import EmbeddingMap
from glrtf.reporting.gallery import QueryView
from glrtf.reporting.page import Page, Section
from glrtf.reporting.report_embeddings import Embeddings
from glrtf.retrieval.bundle import open_bundle
from glrtf.tuning import ablation_table

TRAIN_PHOTOS_SHOWN = 6
MISSED_SHOWN = 24
_RESAMPLES = 1000


@dataclasses.dataclass(frozen=True)
class Material:
    """The data of the page, without photos.

    Attributes:
        result: The retrieval.
        solution: The ground truth.
        scored: The scored submission.
        measures: Its measures, for each part of the test set.
        difference: The gain over the baseline, from `summary.paired_difference` of all queries;
            None without a baseline.
        by_bridging: Whether that is the gain of bridging.
        views: The queries that the gallery shows.
        train: For each bridging landmark some of its train photos.
        bridges: For both ends of a bridge, the most similar train photos.
        names: The landmarks' names, where known.
        embeddings: The embedding sets that could be opened.
        embedding_map: The map, if there is one.
        ablation: The ablation's section, if there is one.
        notes: Messages about what could not be done.
    """

    result: RetrievalResult
    solution: RetrievalSolution
    scored: ScoredSubmission
    measures: Mapping[str, Mapping[str, Any]]
    difference: Mapping[str, Any] | None
    by_bridging: bool
    views: Sequence[QueryView]
    train: Mapping[int, Sequence[str]]
    bridges: Mapping[Bridge, Sequence[str]]
    names: Mapping[int, str]
    embeddings: Embeddings
    embedding_map: EmbeddingMap | None
    ablation: Sequence[Section]
    notes: Sequence[str]


def gather(config: ReportConfig) -> Material:
    """Reads and scores; nothing is written.

    Raises:
        UserError: If a file is missing or invalid.
    """
    bundle = open_bundle(config.bundle, config.verify) if config.bundle else None
    table = bundle.files.landmarks if bundle else config.train_csv
    train_csv = landmark_tables.require_train_csv(table or None, config.source)
    find.require_source(config.source)
    solution = read_retrieval_solution(config.solution)
    result = read_result(config.retrieval)
    baseline = read_result(config.baseline) if config.baseline else None
    scored = score_submission(result.rankings.items(), solution, name=config.retrieval)
    embeddings = report_embeddings.open_embeddings(config, result.info, bundle)
    ablation = _ablation_section(config.ablation)
    everything = _views(config, result, solution, baseline)
    views = gallery.choose_queries(everything, config.max_queries)
    train_ids, notes = _train_photos(train_csv, views)
    return Material(
        result=result,
        solution=solution,
        scored=scored,
        measures=summary.retrieval_measures(scored, resamples=_RESAMPLES),
        difference=_difference(config, scored, baseline, solution),
        by_bridging=_shows_bridging(result, baseline),
        views=views,
        train={number: ids[:TRAIN_PHOTOS_SHOWN] for number, ids in train_ids.items()},
        bridges=report_embeddings.bridging_photos(embeddings, views, train_ids),
        names=_names(config, table, page_data.bridging_landmarks(views)),
        embeddings=embeddings,
        embedding_map=report_embeddings.make_map(config, embeddings, views, solution),
        ablation=ablation,
        notes=[
            *notes,
            *embeddings.notes,
            *report_text.oddities(scored, result.evidence is not None),
        ],
    )


def picture(config: ReportConfig, material: Material) -> list[str]:
    """Finds the photos and makes their thumbnails.

    Returns:
        Notes for the reader about photos that are missing or broken.
    """
    wanted = page_data.shown_ids(material.views, material.train, material.bridges)
    if material.embedding_map:
        wanted.update(material.embedding_map.ids)
    places = find.find_photos(config.source, wanted)
    _, refused = thumbnails.make_thumbnails(places, config.output, config.thumbnail)
    return report_text.photo_notes(len(wanted), sorted(wanted - set(places)), refused)


def compose(config: ReportConfig, material: Material, photo_notes: Sequence[str]) -> Page:
    """Composes the page."""
    name = os.path.basename(os.path.normpath(config.retrieval))
    has_evidence = material.result.evidence is not None
    return Page(
        title=f"Retrieval report: {name}",
        figures=report_text.figures(material.measures, material.difference, material.by_bridging),
        notes=[*material.notes, *photo_notes],
        measures=report_text.measure_rows(material.measures),
        parameters=report_text.parameter_rows(material.result.info),
        sections=[*material.ablation, *_chart_sections(material)],
        gallery_text=report_text.gallery_text(
            len(material.views), len(material.solution.usage), config.baseline, has_evidence
        ),
        views=material.views,
        train_photos=material.train,
        bridges=material.bridges,
        landmark_names=material.names,
        baseline_name="baseline" if config.baseline else "by direct order",
        by_bridging=material.by_bridging,
        embedding_map=material.embedding_map,
        thumbnail=config.thumbnail,
    )


def _views(
    config: ReportConfig,
    result: RetrievalResult,
    solution: RetrievalSolution,
    baseline: RetrievalResult | None,
) -> list[QueryView]:
    return [
        gallery.query_view(
            query_id,
            result,
            solution,
            baseline=baseline.rankings if baseline else None,
            max_ranks=config.max_ranks,
            max_missed=MISSED_SHOWN,
        )
        for query_id in solution.usage
    ]


def _shows_bridging(result: RetrievalResult, baseline: RetrievalResult | None) -> bool:
    """Whether a ranking with bridges is compared with one without.

    The same images in the order of direct confidence do not count: a ranking without bridges finds
    different images.
    """
    if baseline is None:
        return False
    presets = [one.info.get("parameters", {}).get("preset") for one in (result, baseline)]
    return presets[0] == "fifth_place" and presets[1] in ("direct", "direct_dba")


def _difference(
    config: ReportConfig,
    scored: ScoredSubmission,
    baseline: RetrievalResult | None,
    solution: RetrievalSolution,
) -> Mapping[str, Any] | None:
    """The comparison that ``glrtf evaluate BASELINE SOLUTION --compare RETRIEVAL`` makes."""
    if baseline is None:
        return None
    other = score_submission(baseline.rankings.items(), solution, name=str(config.baseline))
    return summary.paired_difference(other, scored, resamples=_RESAMPLES)["All"]


def _names(config: ReportConfig, table: str | None, landmarks: Collection[int]) -> dict[int, str]:
    """The landmarks' names, from below the photos' folder, else from next to the table."""
    found = landmark_tables.landmark_names(config.source, landmarks)
    if found or not table:
        return found
    return landmark_tables.landmark_names(os.path.dirname(table) or ".", landmarks)


def _train_photos(
    path: str | None, views: Sequence[QueryView]
) -> tuple[dict[int, list[str]], list[str]]:
    bridges = page_data.bridging_landmarks(views)
    if not bridges:
        return {}, []
    if path is None:
        return {}, ["No train.csv was found below the source: bridges name no train photos."]
    return landmark_tables.photos_of_landmarks(path, bridges), []


def _ablation_section(folder: str | None) -> list[Section]:
    if folder is None:
        return []
    rows = ablation_table.read_rows(folder)
    chart = charts.Chart(
        "mAP@100 of every variant", "Whiskers: 95 % intervals.", ablation_table.chart(rows)
    )
    text = (
        "Steps with a plus are switched on in turn, their difference is to the line above; "
        "of those left out it is to all steps together."
    )
    return [Section("ablation", "Ablation", text, [chart], ablation_table.text_rows(rows))]


def _chart_sections(material: Material) -> list[Section]:
    scored, evidence = material.scored, material.result.evidence
    curves = [charts.rank_curves(scored), charts.precision_histogram(scored)]
    spread = [distributions.class_size_chart(scored), distributions.relevant_chart(scored)]
    if evidence is not None:
        spread += distributions.confidence_charts(scored, evidence)
        ignored = [q for q, usage in material.solution.usage.items() if usage == "Ignored"]
        landmark = distributions.landmark_chart(scored, evidence, ignored)
        spread += [landmark] if landmark else []
    return [
        Section("curves", "Curves", charts=curves),
        Section("distributions", "Distributions", charts=spread),
    ]

"""Command: rank the index images for every test image."""

import dataclasses
import hashlib
import sys
import time
from collections.abc import Sequence
from typing import Any

from glrtf.config.paths import with_absolute_paths
from glrtf.config.retrieval import RetrieveConfig
from tfrecords_tools.command import cli, expected
from tfrecords_tools.command.typed_settings import checked
from tfrecords_tools.storage import files, temporary_files
from tfrecords_tools.storage.local_copies import copies_folder


@dataclasses.dataclass(frozen=True)
class RetrieveResult:
    """A ranking on disk.

    Attributes:
        folder: The output folder.
        submission: submission.csv: ``id,images``.
        evidence: evidence.npz: the evidence for every image.
        description: retrieval.json: settings, digests and seconds.
        num_queries: Queries ranked.
        num_index: Index images.
        notes: Messages for the user.
    """

    folder: str
    submission: str
    evidence: str
    description: str
    num_queries: int
    num_index: int
    notes: tuple[str, ...]


def retrieve(config: RetrieveConfig) -> RetrieveResult:
    """Ranks the index for every query and writes submission, evidence and description.

    Raises:
        UserError: If sets are damaged, were made with different models, or do not fit the table.
    """
    config = checked(config, RetrieveConfig)
    from glrtf.photos.verifiers import verifier_of
    from glrtf.retrieval import bundle, output, search_plan
    from glrtf.retrieval.pipeline import Pipeline
    from glrtf.retrieval.stage_cache import StageCache

    expected.new_folder("--output", config.output)
    config = bundle.applied(config)
    verifier = verifier_of(config)
    began = time.monotonic()
    cache = StageCache(_cache_folder(config.output))
    for folder in (config.output, cache.folder):
        temporary_files.remove_stale(folder)
    pipeline = Pipeline(config, cache, verifier=verifier)
    print(f"plan: {search_plan.plan(config, pipeline.inputs).as_line()}", file=sys.stderr)
    ranking = pipeline.rank()
    query_ids, index_ids = pipeline.inputs.query.ids, pipeline.inputs.index.ids
    submission = files.join(config.output, output.SUBMISSION_FILE)
    output.write_submission(submission, query_ids, index_ids, ranking.images)
    evidence = files.join(config.output, output.EVIDENCE_FILE)
    output.write_evidence(evidence, query_ids, index_ids, ranking)
    description = _description(config, pipeline, cache, time.monotonic() - began)
    described = files.join(config.output, output.RETRIEVAL_FILE)
    output.write_description(described, description)
    return RetrieveResult(
        config.output,
        submission,
        evidence,
        described,
        len(query_ids),
        len(index_ids),
        tuple(pipeline.notes),
    )


def run_retrieve(config: RetrieveConfig) -> None:
    """Ranks, and prints notes and the path of the submission."""
    done = retrieve(config)
    for note in done.notes:
        print(f"note: {note}", file=sys.stderr)
    print(f"{done.num_queries} queries x {done.num_index} index images -> {done.submission}")


def _cache_folder(output: str) -> str:
    """Where stages are cached: below the output, or for gs:// among the local copies."""
    if not files.is_remote(output):
        return files.join(output, "cache")
    return files.join(copies_folder(), f"stages-{hashlib.sha256(output.encode()).hexdigest()[:24]}")


def _description(
    config: RetrieveConfig, pipeline: Any, cache: Any, seconds: float
) -> dict[str, Any]:
    from glrtf.retrieval import output

    return {
        "schema_version": 1,
        "parameters": with_absolute_paths(dataclasses.asdict(config)),
        "inputs": pipeline.inputs.digests,
        "counts": {
            role: len(getattr(pipeline.inputs, role).ids)
            for role in ("query", "index", "train")
            if role in pipeline.inputs.digests
        },
        "notes": pipeline.notes,
        "files": {
            name: files.sha256(files.join(config.output, name))
            for name in (output.SUBMISSION_FILE, output.EVIDENCE_FILE)
        },
        "seconds": {**cache.seconds, "all": round(seconds, 3)},
        "reused_stages": cache.reused,
    }


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command."""
    return cli.run(RetrieveConfig, run_retrieve, argv=argv, resumes=True)

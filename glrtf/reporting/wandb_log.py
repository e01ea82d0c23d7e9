"""Measures and the report's folder sent to Weights & Biases."""

from collections.abc import Mapping
from typing import Any

from tfrecords_tools.errors import optional_package


def log_report(
    project: str,
    name: str,
    measures: Mapping[str, Mapping[str, Any]],
    parameters: Mapping[str, Any],
    folder: str,
) -> None:
    """Creates a run with the measures as its summary and the report as an artifact.

    ``WANDB_MODE=offline`` keeps it on disk.

    Args:
        project: The project's name.
        name: The run's name.
        measures: For each part of the test set its measures.
        parameters: The retrieval's settings.
        folder: The report's folder.

    Raises:
        UserError: If wandb is not installed.
    """
    wandb = require_wandb()
    with wandb.init(project=project, name=name, config=dict(parameters)) as run:
        for part, values in measures.items():
            for measure, value in values.items():
                run.summary[f"{part.lower()}/{measure}"] = value
        artifact = wandb.Artifact(f"report-{name}", type="report")
        artifact.add_dir(folder)
        run.log_artifact(artifact)


def require_wandb() -> Any:
    """The wandb module.

    Raises:
        UserError: If it is not installed.
    """
    return optional_package("wandb", "--wandb", "wandb", "wandb")

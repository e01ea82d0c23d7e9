"""All commands by name, with one line each, in the order of use."""

from typing import NamedTuple


class Entry(NamedTuple):
    """A command.

    Attributes:
        module: The module whose `main` runs it.
        summary: What it does, in one line.
        settings: The dataclass of its settings.
        positional: Whether settings without a default are positional arguments.
    """

    module: str
    summary: str
    settings: str
    positional: bool = False


GROUPS: dict[str, dict[str, Entry]] = {
    "try it": {
        "demo": Entry(
            "glrtf.commands.demo",
            "run every step on the embedded sample",
            "glrtf.config.demo.DemoConfig",
        ),
        "sample": Entry(
            "tfrecords_tools.sample.draw",
            "draw the photos of the embedded sample",
            "tfrecords_tools.sample.draw.SampleConfig",
        ),
    },
    "data": {
        "arrange": Entry(
            "tfrecords_tools.arrange",
            "arrange your own photos in GLDv2's layout",
            "tfrecords_tools.arrange.ArrangeConfig",
        ),
        "prepare_revisited": Entry(
            "glrtf.commands.prepare_revisited",
            "prepare Revisited Oxford or Paris",
            "glrtf.config.evaluation.PrepareRevisitedConfig",
            True,
        ),
        "prepare_benchmark": Entry(
            "glrtf.commands.prepare_benchmark",
            "prepare GPR1200, ILIAS, INSTRE or UnED",
            "glrtf.config.evaluation.PrepareBenchmarkConfig",
            True,
        ),
        "build": Entry(
            "tfrecords_tools.build",
            "build TFRecord shards from GLDv2 photos",
            "tfrecords_tools.build_config.BuildConfig",
        ),
        "check": Entry(
            "tfrecords_tools.check",
            "check finished shards record by record",
            "tfrecords_tools.check.CheckConfig",
            True,
        ),
        "stats": Entry(
            "tfrecords_tools.stats",
            "show counts and sizes of finished shards",
            "tfrecords_tools.stats.StatsConfig",
            True,
        ),
        "preview": Entry(
            "glrtf.commands.preview",
            "draw augmented training images",
            "glrtf.config.data.PreviewConfig",
        ),
    },
    "model": {
        "plan": Entry(
            "glrtf.commands.plan",
            "estimate memory and time on TPUs or GPUs",
            "glrtf.config.planning.PlanConfig",
        ),
        "weights": Entry(
            "glrtf.commands.weights",
            "convert published backbone weights",
            "glrtf.config.weights.WeightsConfig",
        ),
        "train": Entry(
            "glrtf.commands.train", "train an embedding model", "glrtf.config.training.TrainConfig"
        ),
        "export": Entry(
            "glrtf.commands.export",
            "export a model as SavedModel, ONNX or TFLite",
            "glrtf.config.inference.ExportConfig",
        ),
    },
    "retrieval": {
        "describe": Entry(
            "glrtf.commands.describe",
            "show a model's inputs and outputs",
            "glrtf.config.descriptor.DescribeConfig",
            True,
        ),
        "embed": Entry(
            "glrtf.commands.embed",
            "embed shards or a photo folder",
            "glrtf.config.inference.EmbedConfig",
        ),
        "rows_import": Entry(
            "glrtf.commands.rows_import",
            "import any descriptor's rows as an embedding set",
            "glrtf.config.rows.RowsImportConfig",
        ),
        "rows_export": Entry(
            "glrtf.commands.rows_export",
            "export an embedding set to other programs",
            "glrtf.config.rows.RowsExportConfig",
        ),
        "index_add": Entry(
            "glrtf.commands.index_add",
            "add photos to an embedding set",
            "glrtf.config.index.IndexAddConfig",
        ),
        "index_remove": Entry(
            "glrtf.commands.index_remove",
            "remove photos from an embedding set",
            "glrtf.config.index.IndexRemoveConfig",
        ),
        "index_compact": Entry(
            "glrtf.commands.index_compact",
            "rewrite a changed embedding set in few files",
            "glrtf.config.index.IndexCompactConfig",
        ),
        "clean": Entry(
            "glrtf.commands.clean",
            "find wrong train labels and near-duplicates",
            "glrtf.config.cleaning.CleanConfig",
        ),
        "whiten": Entry(
            "glrtf.commands.whiten",
            "shorten and whiten embedding sets",
            "glrtf.config.whitening.WhitenConfig",
        ),
        "adapt": Entry(
            "glrtf.commands.adapt",
            "train a map on a frozen model's rows",
            "glrtf.config.adapting.AdaptConfig",
        ),
        "retrieve": Entry(
            "glrtf.commands.retrieve",
            "rank index images for every query",
            "glrtf.config.retrieval.RetrieveConfig",
        ),
        "recognize": Entry(
            "glrtf.commands.recognize",
            "say which landmark every image shows",
            "glrtf.config.recognition.RecognizeConfig",
        ),
        "evaluate": Entry(
            "glrtf.commands.evaluate",
            "score a submission",
            "glrtf.config.evaluation.EvaluateConfig",
            True,
        ),
        "report": Entry(
            "glrtf.commands.report",
            "write an HTML report of a retrieval",
            "glrtf.config.evaluation.ReportConfig",
        ),
        "tune": Entry(
            "glrtf.commands.tune",
            "search for better retrieval settings",
            "glrtf.config.evaluation.TuneConfig",
        ),
        "ablate": Entry(
            "glrtf.commands.ablate",
            "measure what each retrieval step contributes",
            "glrtf.config.evaluation.AblateConfig",
        ),
    },
    "your own photos": {
        "bundle": Entry(
            "glrtf.commands.bundle",
            "seal models, sets and settings to search in",
            "glrtf.config.bundle.BundleConfig",
        ),
        "search": Entry(
            "glrtf.commands.search",
            "search an index with single photos",
            "glrtf.config.service.PhotoSearchConfig",
            True,
        ),
        "serve": Entry(
            "glrtf.commands.serve",
            "serve the search as a web page",
            "glrtf.config.service.ServeConfig",
        ),
        "evaluate_index": Entry(
            "glrtf.commands.evaluate_index",
            "measure an index with labelled photos",
            "glrtf.config.service.EvaluateIndexConfig",
        ),
    },
    "your shell": {
        "completion": Entry(
            "glrtf.commands.completion",
            "print a script that completes command lines",
            "glrtf.config.completion.CompletionConfig",
            True,
        ),
    },
}
"""Group -> name -> command."""

COMMANDS: dict[str, Entry] = {
    name: entry for group in GROUPS.values() for name, entry in group.items()
}
"""Name -> command, with underscores; dashes are accepted too."""

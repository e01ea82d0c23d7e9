"""All commands by name, with a line each, in the order in which they are used."""

from typing import NamedTuple


class Entry(NamedTuple):
    """A command.

    Attributes:
        module: The module whose `main` runs it.
        summary: What it does, in one line.
    """

    module: str
    summary: str


GROUPS: dict[str, dict[str, Entry]] = {
    "try it": {
        "demo": Entry("glrtf.commands.demo", "run every step on the embedded sample"),
        "sample": Entry("tfrecords_tools.sample.draw", "draw the embedded sample's photos"),
    },
    "data": {
        "arrange": Entry("tfrecords_tools.arrange", "lay out your own photos as GLDv2 does"),
        "prepare_revisited": Entry(
            "glrtf.commands.prepare_revisited", "lay out Revisited Oxford or Paris"
        ),
        "build": Entry("tfrecords_tools.build", "build TFRecord shards from GLDv2 photos"),
        "check": Entry("tfrecords_tools.check", "check finished shards record by record"),
        "stats": Entry("tfrecords_tools.stats", "show what finished shards hold"),
        "preview": Entry("glrtf.commands.preview", "draw augmented training images"),
    },
    "model": {
        "plan": Entry("glrtf.commands.plan", "estimate memory and time on TPUs or GPUs"),
        "weights": Entry("glrtf.commands.weights", "convert published backbone weights"),
        "train": Entry("glrtf.commands.train", "train an embedding model"),
        "export": Entry("glrtf.commands.export", "export it as SavedModel, ONNX or TFLite"),
    },
    "retrieval": {
        "embed": Entry("glrtf.commands.embed", "embed shards or a photo folder"),
        "whiten": Entry("glrtf.commands.whiten", "shorten and whiten embedding sets"),
        "retrieve": Entry("glrtf.commands.retrieve", "rank index images for every query"),
        "evaluate": Entry("glrtf.commands.evaluate", "score a submission"),
        "report": Entry("glrtf.commands.report", "write an HTML report of a retrieval"),
        "tune": Entry("glrtf.commands.tune", "search for better retrieval settings"),
        "ablate": Entry("glrtf.commands.ablate", "measure what each retrieval step adds"),
    },
    "your own photos": {
        "search": Entry("glrtf.commands.search", "search an index with single photos"),
        "serve": Entry("glrtf.commands.serve", "answer photos over HTTP"),
        "evaluate_index": Entry(
            "glrtf.commands.evaluate_index", "measure an index with labelled photos"
        ),
    },
}
"""Group -> name -> command."""

COMMANDS: dict[str, Entry] = {
    name: entry for group in GROUPS.values() for name, entry in group.items()
}
"""Name -> command, with underscores; dashes are accepted too."""

"""Checks the inputs of a search before TensorFlow is loaded."""

from glrtf.config.service import SearcherConfig
from glrtf.embeddings.info import INFO_FILE
from glrtf.inference.descriptors.required import require_model
from glrtf.retrieval.bundle import BUNDLE_FILE, open_bundle
from tfrecords_tools.command import expected


def require_inputs(config: SearcherConfig) -> None:
    """Checks the model's, the sets' and the tables' paths.

    Raises:
        UserError: On the first that does not exist or cannot be written.
    """
    if config.cache:
        expected.new_folder("--cache", config.cache)
    if config.bundle:
        expected.folder("--bundle", config.bundle, holding=BUNDLE_FILE)
        bundle = open_bundle(config.bundle, config.verify)
        for model in bundle.info["models"]:
            path, precision = bundle.model_path(model), model["precision"]
            require_model("--bundle", path, precision=precision, runtime=config.runtime)
        return
    if config.model:
        require_model(
            "--model",
            config.model,
            precision=config.precision,
            descriptor=config.descriptor,
            runtime=config.runtime,
        )
    expected.folder("--index", config.index, holding=INFO_FILE)
    if config.train:
        expected.folder("--train", config.train, holding=INFO_FILE)
        expected.file("--landmarks", config.landmarks)

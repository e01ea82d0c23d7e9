"""Opens a bundle for searching: its sets, ranking and models."""

from glrtf.config.service import SearcherConfig
from glrtf.inference.embedders import load_embedder
from glrtf.retrieval.bundle import Bundle, SealedModel, open_bundle
from glrtf.service.batch_model import BatchModel
from glrtf.service.joined_models import JoinedModels
from glrtf.service.searched import Searched, of_bundle
from tfrecords_tools.errors import UserError


def load(config: SearcherConfig, max_batch: int) -> tuple[Searched, JoinedModels, list[str]]:
    """A bundle's sets and models, and notes for the user.

    Args:
        config: The settings that name the bundle.
        max_batch: The largest number of photos per model call.

    Raises:
        UserError: If a file is missing or has changed, or a model does not load here.
    """
    bundle = open_bundle(config.bundle, config.verify)
    searched = of_bundle(bundle, config.verify)
    models = [_load_model(bundle, each, config, max_batch) for each in bundle.info["models"]]
    adapter = bundle.adapter()
    joined = JoinedModels(models, bundle.info["votes"], adapter, bundle.info["mapped"])
    return searched, joined, list(bundle.ranking.notes_for_photos)


def _load_model(
    bundle: Bundle, sealed: SealedModel, config: SearcherConfig, max_batch: int
) -> BatchModel:
    path, scales = bundle.model_path(sealed), tuple(sealed["scales"])
    embedder = load_embedder(
        path,
        any_size=scales != (1.0,),
        precision=sealed["precision"],
        recorded=sealed["preparation"],
        runtime=config.runtime,
        light=scales == (1.0,),
    )
    if embedder.digest != sealed["digest"]:
        raise UserError(
            f"{path}: expected the model that was sealed (digest {sealed['digest'][:12]}…), found"
            f" {embedder.digest[:12]}…; make the bundle again"
        )
    return BatchModel(embedder, sealed["tta"], max_batch, scales)

"""Settings of `glrtf index add`, `glrtf index remove` and `glrtf index compact`."""

import dataclasses
from dataclasses import dataclass
from typing import Literal

from glrtf.config.descriptor import DescriptorConfig, NoCodeFromFiles, RuntimeChoice


@dataclass(frozen=True)
class IndexAddConfig(NoCodeFromFiles):
    """Add photos to an embedding set; only the new ones are embedded.

    Give --model and --data to embed photos with the views, scales and precision of the set, or
    --rows for rows that are embedded already. Name the folder that the set was embedded from to
    add the photos that were put there since. A command that is killed leaves the set as it was,
    or whole with the new photos; `glrtf serve` takes over the new version.

    Attributes:
        index: The embedding set to add to.
        rows: Embedding set of the new photos (glrtf embed, glrtf rows import).
        model: The model that the set was embedded with; see glrtf embed.
        data: Folder of photos, or of built shards; photos that the set has already are not
            embedded.
        existing: What happens to photos that the set has already: skip leaves them, replace
            embeds them again, error stops the command.
        split: Of shards, which split to embed.
        photo_ids: Of photos: stem, path or digest, as the set was embedded; see glrtf embed.
        adapter: Folder of the adapter by which the set was mapped; empty for none.
        checkpoint: Which checkpoint, where the model is a workdir: last, best, a number of
            updates, or a file; empty takes the last.
        batch_size: Images of a batch, on each replica.
        runtime: What computes the model; see glrtf embed.
        max_bad_records: Broken images to leave out before giving up; null for any number.
        verify: Whether the set's files are compared with their digests once, as long as they
            are unchanged, or always.
        descriptor: What the file of another project's model does not say; by default as the
            set was embedded.
    """

    index: str
    rows: str = ""
    model: str = ""
    data: str = ""
    existing: Literal["skip", "replace", "error"] = "skip"
    split: Literal["train", "index", "test"] = "index"
    photo_ids: Literal["stem", "path", "digest"] = "stem"
    adapter: str = ""
    checkpoint: str = ""
    batch_size: int = 32
    runtime: RuntimeChoice = "auto"
    max_bad_records: int | None = None
    verify: Literal["once", "always"] = "once"
    descriptor: DescriptorConfig = dataclasses.field(default_factory=DescriptorConfig)

    def __post_init__(self) -> None:
        if bool(self.model) != bool(self.data):
            raise ValueError("data: expected --model and --data together, found one of them")
        if bool(self.rows) == bool(self.data):
            found = "both" if self.rows else "neither"
            raise ValueError(f"rows: expected --rows, or --model and --data, found {found}")


@dataclass(frozen=True)
class IndexRemoveConfig:
    """Remove photos from an embedding set.

    Their rows stay in the set's files until `glrtf index compact`, but no search finds them.

    Attributes:
        index: The embedding set.
        ids: Image ids to remove.
        ids_file: File of image ids to remove: .txt (one a line), .csv with a column id, or .npy.
        ignore_unknown: Whether ids that the set does not have are skipped.
        verify: Whether the set's files are compared with their digests once, as long as they
            are unchanged, or always.
    """

    index: str
    ids: tuple[str, ...] = ()
    ids_file: str = ""
    ignore_unknown: bool = False
    verify: Literal["once", "always"] = "once"

    def __post_init__(self) -> None:
        if not self.ids and not self.ids_file:
            raise ValueError("ids: expected --ids or --ids_file, found neither")


@dataclass(frozen=True)
class IndexCompactConfig:
    """Write an embedding set that was changed into new files and delete the old ones.

    Removed rows are gone then, and many small additions become few files. Searches give the same
    answers.

    Attributes:
        index: The embedding set.
        verify: Whether the set's files are compared with their digests once, as long as they
            are unchanged, or always.
    """

    index: str
    verify: Literal["once", "always"] = "once"

"""Settings of `glrtf rows import` and `glrtf rows export`."""

import dataclasses
from typing import Literal


@dataclasses.dataclass
class RowsImportConfig:
    """Turns rows of any descriptor into an embedding set.

    Reads .npy with --ids, .npz, .parquet (columns of lists), .h5, flat faiss indexes, folders
    of .parquet files, and folders that save_to_disk of Hugging Face's datasets wrote. Rows are
    divided by their lengths. Rows of zeros, NaN or infinity and repeated ids are left out and
    listed in rejects.csv, equal rows of several ids in doubles.csv.

    Attributes:
        source: The file or folder with the rows.
        output: Folder of the embedding set; with --splits, the folder above theirs.
        model: Name of the model that made the rows; sets of different models are not compared.
        model_digest: Digest of that model, where rows are to be searched with photos that glrtf
            embeds; `glrtf embed` writes it into the sets it makes.
        ids: File with an id per row, where the source has none: .txt (one a line), .csv with a
            column id, or .npy.
        rows: Which array, dataset or column has the rows, if there are several.
        id_column: Which one has the ids, if there are several.
        splits: NAME=TABLE each, such as index=index.csv: rows of the ids in the table (as for
            --ids) go to OUTPUT/NAME. A row may be in several tables.
        dtype: How rows are stored, float32 or float16 (half the size).
        max_rejects: How many rows may be left out; null for any number.
    """

    source: str
    output: str
    model: str
    model_digest: str = ""
    ids: str = ""
    rows: str = ""
    id_column: str = ""
    splits: list[str] = dataclasses.field(default_factory=list)
    dtype: Literal["float32", "float16"] = "float32"
    max_rejects: int | None = None

    def __post_init__(self) -> None:
        """Refuses values outside their range."""
        if not self.model.strip():
            raise ValueError("model: expected the name of the model that made the rows")
        if self.max_rejects is not None and self.max_rejects < 0:
            raise ValueError(f"max_rejects: expected 0 or more, found {self.max_rejects}")
        for each in self.splits:
            name, sign, table = each.partition("=")
            if not (sign and table) or not name.replace("_", "").replace("-", "").isalnum():
                raise ValueError(
                    f"splits: expected NAME=TABLE, such as index=index.csv, found {each!r}"
                )
        if len({each.partition("=")[0] for each in self.splits}) < len(self.splits):
            raise ValueError(f"splits: expected every name once, found {' '.join(self.splits)}")


@dataclasses.dataclass
class RowsExportConfig:
    """Writes an embedding set as a file of another program.

    Attributes:
        sets: The embedding set; several of the same images, one a model, are joined.
        output: The file: .npy or .faiss (with the ids in a .ids.txt next to it), .npz, .h5 or
            .parquet.
        votes: How much each model counts; alike when left out.
        verify: Whether the sets' files are compared with their digests once, as long as they
            are unchanged, or always.
    """

    sets: list[str]
    output: str
    votes: list[float] = dataclasses.field(default_factory=list)
    verify: Literal["once", "always"] = "once"

    def __post_init__(self) -> None:
        """Refuses values outside their range."""
        if not self.sets:
            raise ValueError("sets: expected at least one embedding set, found none")

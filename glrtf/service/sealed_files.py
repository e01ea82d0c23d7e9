"""Copies the contents of a bundle into its folder."""

import contextlib
import os
import shutil

from glrtf.config.descriptor import HUB_PREFIX
from glrtf.data.photo_folders import LIST_NAME
from glrtf.embeddings.adapter import INFO_FILE as ADAPTER_FILE
from glrtf.embeddings.adapter import LAYERS_FILE
from glrtf.embeddings.embedding_set import EmbeddingSet
from glrtf.embeddings.info import INFO_FILE
from glrtf.inference.descriptors import manifests, onnx_file
from glrtf.inference.descriptors.kinds import Kind, is_own
from glrtf.inference.model_folders import export_info_path
from tfrecords_tools.errors import UserError
from tfrecords_tools.storage import files
from tfrecords_tools.storage.local_copies import local_copy


class FolderCopier:
    """Copies or links files into a folder.

    Args:
        folder: The folder.
        link: Whether to make hard links if the file system supports them.
    """

    def __init__(self, folder: str, link: bool) -> None:
        self._folder, self._link = folder, link

    def file(self, source: str, name: str) -> str:
        """Copies a file; returns its name below the folder."""
        target = os.path.join(self._folder, name)
        os.makedirs(os.path.dirname(target), exist_ok=True)
        # A link to a symbolic link would point out of the bundle.
        path = os.path.realpath(local_copy(source))
        if self._link:
            with contextlib.suppress(OSError):
                os.link(path, target)
                return name
        shutil.copyfile(path, target)
        return name

    def text(self, content: str, name: str) -> str:
        """Writes a text file; returns its name below the folder."""
        files.write_bytes(os.path.join(self._folder, name), content.encode())
        return name

    def folder(self, source: str, name: str, without: str = "") -> str:
        """Copies all files below a folder, except one name; returns its name."""
        for found, _ in files.walk(source):
            if found != without:
                self.file(files.join(source, found), f"{name}/{found}")
        return name

    def set(self, one: EmbeddingSet, name: str) -> str:
        """Copies an embedding set, without caches in its folder."""
        for found in (*one.file_digests, INFO_FILE, LIST_NAME):
            path = files.join(one.folder, found)
            if found != LIST_NAME or files.exists(path):
                self.file(path, f"{name}/{found}")
        return name

    def adapter(self, folder: str, name: str) -> str:
        """Copies an adapter, without the sets next to it."""
        for found in (ADAPTER_FILE, LAYERS_FILE):
            self.file(files.join(folder, found), f"{name}/{found}")
        return name

    def model(self, model: str, kind: Kind, name: str) -> str:
        """Copies a model without its manifest, because bundle.json records the preparation.

        Args:
            model: Its path.
            kind: Its kind; see `kinds.kind_of`.
            name: A folder in the bundle.

        Returns:
            Its path in the bundle, as in `SealedModel`.
        """
        path = model.removeprefix(HUB_PREFIX).rstrip("/")
        base = os.path.basename(os.path.abspath(path))
        if os.path.isdir(path):
            manifest = "" if is_own(model, kind) else manifests.MANIFEST_NAME
            copied = self.folder(path, f"{name}/{base}", manifest)
        else:
            copied = self.file(path, f"{name}/{base}")
            neighbors = [export_info_path(path)] if is_own(model, kind) else []
            if kind == "onnx":
                neighbors += onnx_file.weight_files(path)
            for each in neighbors:
                relative = os.path.relpath(each, os.path.dirname(path) or ".")
                self.file(each, f"{name}/{relative}")
        return HUB_PREFIX + copied if kind == "keras_hub" else copied


def refuse_unsealable(option: str, model: str, kind: Kind) -> None:
    """Refuses models that do not consist of files.

    Args:
        option: The flag as it is typed.
        model: The model's name.
        kind: Its kind; see `kinds.kind_of`.

    Raises:
        UserError: If the model cannot be sealed.
    """
    if kind == "workdir":
        raise UserError(
            f"{option} {model}: expected an exported model, found a training run's workdir; run"
            f" glrtf export --workdir {model} and name the export, whose sets are the same"
        )
    if kind == "function":
        raise UserError(
            f"{option} {model}: expected a model of files, found a function, whose code a bundle"
            " cannot hold; export its model as ONNX or SavedModel"
        )
    if kind == "keras_hub" and not os.path.isdir(model.removeprefix(HUB_PREFIX)):
        raise UserError(
            f"{option} {model}: expected a folder that save_to_preset wrote, found the name of a"
            f" preset; save it and give {HUB_PREFIX}FOLDER"
        )

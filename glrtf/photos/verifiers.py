"""The verifier of a ranking, from the settings that name it."""

import contextlib
import os
import tempfile
from collections.abc import Callable, Collection, Iterator, Sequence

from glrtf.config.retrieval import RetrieveConfig
from glrtf.models.functions import find_function, function_digest
from glrtf.photos.find import PhotoPlace, find_photos, require_source
from glrtf.retrieval.rerank.verification import Verifier
from tfrecords_tools.errors import UserError
from tfrecords_tools.storage import files


class FoundPhotos:
    """Photos below a folder as files; those in tars are copied out while they are in use.

    Args:
        root: GLDv2's published layout, or photos in folders.
        option: What the folder was given for.

    Raises:
        UserError: If the folder is missing.
    """

    def __init__(self, root: str, option: str = "--verifier_images") -> None:
        require_source(root)
        self.root = os.path.abspath(root)
        self._option = option
        self._places: dict[str, PhotoPlace] = {}

    def find(self, ids: Collection[str]) -> None:
        """Looks for the photos of some images.

        Raises:
            UserError: If one is missing.
        """
        wanted = set(ids) - set(self._places)
        self._places |= find_photos(self.root, wanted)
        if missing := sorted(wanted - set(self._places)):
            raise UserError(
                f"{self._option} {self.root}: expected the photos of all {len(ids)} images to "
                f"verify, found none of {len(missing)}, the first {missing[0]}"
            )

    @contextlib.contextmanager
    def paths(self, ids: Sequence[str]) -> Iterator[list[str]]:
        """The paths of photos that were found."""
        with tempfile.TemporaryDirectory(prefix="glrtf-photos-") as folder:
            yield [self._path(one, folder) for one in ids]

    def _path(self, image_id: str, folder: str) -> str:
        place = self._places[image_id]
        if place.size is None:
            return place.path
        copy = files.join(folder, f"{image_id}.jpg")
        if not os.path.exists(copy):
            with open(copy, "wb") as file:
                file.write(place.read())
        return copy


def verifier_of(
    config: RetrieveConfig, function: Callable[..., Sequence[float]] | None = None
) -> Verifier | None:
    """The verifier that settings name; None without one.

    Args:
        config: The settings.
        function: The verifier's function in place of the one that the settings name.

    Raises:
        UserError: If there is no such function or folder, or photos are given without a verifier.
    """
    name, digest = f"--verifier {config.verifier}", ""
    if function is not None:
        name = f"verifier {getattr(function, '__name__', function)}"
    elif config.verifier:
        function = find_function(config.verifier)
        digest = function_digest(config.verifier, function)
    elif config.verifier_images:
        raise UserError(
            "--verifier_images: expected a --verifier that reads the photos, found none; give "
            "--verifier package.module:function"
        )
    else:
        return None
    photos = FoundPhotos(config.verifier_images) if config.verifier_images else None
    return Verifier(name, function, digest, config.verifier_top, photos)

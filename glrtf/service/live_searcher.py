"""A searcher that takes over new versions of its sets while it answers."""

import contextlib
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from glrtf.config.service import MOST_ANSWERS, ServeConfig
from glrtf.embeddings.info import INFO_FILE
from glrtf.retrieval.bundle import BUNDLE_FILE
from glrtf.service.answers import Answer
from glrtf.service.calibrating import calibrated
from glrtf.service.calibration import Calibration
from glrtf.service.joined_models import PhotoModel
from glrtf.service.photo_input import Prepared
from glrtf.service.queries import Query
from glrtf.service.searched import SearchedRows, open_searched
from glrtf.service.searcher import Searcher
from tfrecords_tools.errors import UserError
from tfrecords_tools.storage import files
from tfrecords_tools.storage.remote import FileState

if TYPE_CHECKING:
    from types import FrameType


class LiveSearcher:
    """The searcher of the newest version of its sets that could be opened.

    A new version is opened next to the current one and takes its place between two searches:
    a search that has begun is finished with the version that it began with.

    Args:
        config: What to search with, and how often to look at the sets.
        open_first: Opens the first searcher, and that of another version of a bundle.
    """

    def __init__(self, config: ServeConfig, open_first: Callable[[], Searcher]) -> None:
        self._config = config
        self._states = self._states_now()
        self._open = open_first
        self._current = open_first()
        self._wake = threading.Event()
        self._stopped = False

    @property
    def model(self) -> PhotoModel:
        """The model."""
        return self._current.model

    @property
    def index(self) -> SearchedRows:
        """What is searched."""
        return self._current.index

    @property
    def version(self) -> int:
        """How often the index was changed since it was made."""
        return self._current.version

    @property
    def train(self) -> SearchedRows | None:
        """The train photos, if any."""
        return self._current.train

    @property
    def calibration(self) -> Calibration:
        """From scores to probabilities, where that is known."""
        return self._current.calibration

    def search(self, photos: Sequence[Prepared], limit: int = MOST_ANSWERS) -> list[Answer]:
        """Answers for photos; see `Searcher.search`."""
        return self._current.search(photos, limit)

    def ask(self, queries: Sequence[Query], limit: int = MOST_ANSWERS) -> list[Answer | UserError]:
        """Answers for queries; see `QuerySearcher.ask`."""
        return self._current.ask(queries, limit)

    def renew(self) -> bool:
        """Takes over the sets' newest versions, if there are new ones.

        Returns:
            Whether there were.

        Raises:
            UserError: If they cannot be searched; the current ones stay.
        """
        states = self._states_now()
        if states == self._states:
            return False
        self._states = states
        renewed = self._renewed_bundle() if self._config.bundle else self._renewed_sets()
        if renewed is None:
            return False
        renewed.calibration = calibrated(renewed, self._config)
        self._current = renewed
        return True

    def _renewed_sets(self) -> Searcher | None:
        """A searcher of the sets' newest versions; None if they hold what they held."""
        searched, current = open_searched(self._config), self._current
        train = current.train.digest if current.train is not None else None
        if searched.train is not None and searched.train.digest != train:
            return current.with_sets(searched)
        if searched.index.digest == current.index.digest:
            return None
        return current.with_index(searched)

    def _renewed_bundle(self) -> Searcher:
        """A searcher of the bundle that has taken the place of another."""
        renewed, current = self._open(), self._current
        if list(renewed.model.specs) != list(current.model.specs):
            # Photos that are being read were prepared for the current models.
            raise UserError(
                f"{self._config.bundle}: expected models that take photos as those before, found"
                " others; start glrtf serve again"
            )
        return renewed

    @contextlib.contextmanager
    def watching(self, renewed: Callable[[], object]) -> Iterator[None]:
        """Inside, a thread looks for new versions.

        Args:
            renewed: Is called after each that was taken over.
        """
        thread = threading.Thread(target=self._watch, args=(renewed,), name="sets", daemon=True)
        before = None
        if threading.current_thread() is threading.main_thread():
            before = signal.signal(signal.SIGHUP, self._look_now)
        thread.start()
        try:
            yield
        finally:
            self._stopped = True
            self._wake.set()
            thread.join()
            if before is not None:
                signal.signal(signal.SIGHUP, before)

    def _look_now(self, _: int, __: "FrameType | None") -> None:
        self._wake.set()

    def _watch(self, renewed: Callable[[], object]) -> None:
        while True:
            self._wake.wait(self._config.watch_seconds or None)
            self._wake.clear()
            if self._stopped:
                return
            try:
                if self.renew():
                    renewed()
                    print(
                        f"{self.index.name}: now version {self.version},"
                        f" {len(self.index.ids)} photos",
                        file=sys.stderr,
                        flush=True,
                    )
            except (UserError, OSError) as error:
                print(
                    f"note: {error}; answering with version {self.version} as before",
                    file=sys.stderr,
                    flush=True,
                )

    def _states_now(self) -> list[FileState | None]:
        if self._config.bundle:
            return [files.state(files.join(self._config.bundle, BUNDLE_FILE))]
        folders = filter(None, [self._config.index, self._config.train])
        return [files.state(files.join(folder, INFO_FILE)) for folder in folders]

"""A searcher that switches to new versions of its sets while it runs."""

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
    """Searches in the newest version of its sets that could be opened.

    A new version is opened while the current one still answers, and replaces it between two
    searches. A search finishes with the version that it began with.

    Args:
        config: The sets and models, and how often to check for new versions.
        open_first: Opens the first searcher, and that of a new version of a bundle.
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
        """The rows that are searched."""
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
        """From scores to probabilities, if known."""
        return self._current.calibration

    def search(self, photos: Sequence[Prepared], limit: int = MOST_ANSWERS) -> list[Answer]:
        """Answers for photos; see `Searcher.search`."""
        return self._current.search(photos, limit)

    def ask(self, queries: Sequence[Query], limit: int = MOST_ANSWERS) -> list[Answer | UserError]:
        """Answers for queries; see `QuerySearcher.ask`."""
        return self._current.ask(queries, limit)

    def renew(self) -> bool:
        """Switches to the newest versions of the sets, if there are new ones.

        Returns:
            Whether there were new versions.

        Raises:
            UserError: If they cannot be searched; the current versions stay in use.
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
        """A searcher of the newest versions of the sets; None if they have not changed."""
        searched, current = open_searched(self._config), self._current
        train = current.train.digest if current.train is not None else None
        if searched.train is not None and searched.train.digest != train:
            return current.with_sets(searched)
        if searched.index.digest == current.index.digest:
            return None
        return current.with_index(searched)

    def _renewed_bundle(self) -> Searcher:
        """A searcher of the bundle that has replaced the current one."""
        renewed, current = self._open(), self._current
        if list(renewed.model.specs) != list(current.model.specs):
            # Photos in progress were prepared for the current models.
            raise UserError(
                f"{self._config.bundle}: expected models that take photos as those before, found"
                " others; start glrtf serve again"
            )
        return renewed

    @contextlib.contextmanager
    def watching(self, renewed: Callable[[], object]) -> Iterator[None]:
        """Inside the block, a thread checks for new versions.

        Args:
            renewed: Called after each switch to a new version.
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
                    f"note: {error}; still answering with version {self.version}",
                    file=sys.stderr,
                    flush=True,
                )

    def _states_now(self) -> list[FileState | None]:
        if self._config.bundle:
            return [files.state(files.join(self._config.bundle, BUNDLE_FILE))]
        folders = filter(None, [self._config.index, self._config.train])
        return [files.state(files.join(folder, INFO_FILE)) for folder in folders]

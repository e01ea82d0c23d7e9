"""A searcher that takes over new versions of its sets while it answers."""

import contextlib
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from glrtf.config.service import MOST_ANSWERS, ServeConfig
from glrtf.embeddings.embedding_set import EmbeddingSet
from glrtf.embeddings.info import INFO_FILE
from glrtf.service.answers import Answer
from glrtf.service.batch_model import BatchModel
from glrtf.service.calibrating import calibrated
from glrtf.service.calibration import Calibration
from glrtf.service.queries import Query
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
        open_first: Opens the first searcher.
    """

    def __init__(self, config: ServeConfig, open_first: Callable[[], Searcher]) -> None:
        self._config = config
        self._states = self._states_now()
        self._current = open_first()
        self._wake = threading.Event()
        self._stopped = False

    @property
    def model(self) -> BatchModel:
        """The model."""
        return self._current.model

    @property
    def index(self) -> EmbeddingSet:
        """What is searched."""
        return self._current.index

    @property
    def train(self) -> EmbeddingSet | None:
        """The train photos, if any."""
        return self._current.train

    @property
    def calibration(self) -> Calibration:
        """From scores to probabilities, where that is known."""
        return self._current.calibration

    def search(self, photos: Sequence[np.ndarray], limit: int = MOST_ANSWERS) -> list[Answer]:
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
        index = EmbeddingSet.open(self._config.index, self._config.verify)
        if not self._train_changed():
            if index.digest == self._current.index.digest:
                return False
            renewed = self._current.with_index(index)
        else:
            renewed = Searcher(self._current.model, index, self._config)
        renewed.calibration = calibrated(renewed, self._config)
        self._current = renewed
        return True

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
                        f"{self.index.folder}: now version {self.index.generation},"
                        f" {self.index.num_rows} photos",
                        file=sys.stderr,
                        flush=True,
                    )
            except (UserError, OSError) as error:
                print(
                    f"note: {error}; answering with version {self.index.generation} as before",
                    file=sys.stderr,
                    flush=True,
                )

    def _train_changed(self) -> bool:
        train = self._current.train
        if train is None:
            return False
        return EmbeddingSet.open(train.folder, self._config.verify).digest != train.digest

    def _states_now(self) -> list[FileState | None]:
        folders = filter(None, [self._config.index, self._config.train])
        return [files.state(files.join(folder, INFO_FILE)) for folder in folders]

"""Settings of searching with single photos, in the terminal and over HTTP."""

import dataclasses
from dataclasses import dataclass
from typing import ClassVar, Literal, TypeAlias

from glrtf.config import paths
from glrtf.config.descriptor import DescriptorConfig, NoCodeFromFiles, RuntimeChoice
from glrtf.config.inference import VIEWS
from glrtf.config.search import SearchConfig
from tfrecords_tools.command.near_words import separate_with_spaces

PhotoFusion: TypeAlias = Literal["mean", "max"]
"""How several photos of one object are searched with; see `PhotoSearchConfig.fusion`."""

MOST_ANSWERS = 100
_FREE_WITH_BUNDLE = ("bundle", "runtime", "search", "cache", "verify")
_BACKENDS = ("exact", "tensorflow", "faiss", "annoy")


@dataclass(frozen=True, kw_only=True)
class SearcherConfig(NoCodeFromFiles):
    """What photos are searched with.

    Attributes:
        bundle: Folder of glrtf bundle, in place of model, sets, tables, adapter and views; photos
            are ranked by its settings.
        model: The model that the sets were embedded with; see glrtf embed.
        index: Embedding set of the photos to search.
        train: Embedding set of the train photos.
        landmarks: GLDv2's train.csv or train_clean.csv: the train photos' landmarks. Their names
            are taken from train_label_to_category.csv in the same folder, the photos' own from
            names.csv.
        labels: CSV of the index photos' landmarks, written as --landmarks; empty takes --landmarks,
            which has those of photos that are in both sets. By them it is known how often
            answers are right.
        adapter: Folder of the adapter by which the sets were mapped; empty for none.
        asymmetric: Whether model was trained towards the rows of the sets (glrtf train
            --distill.rows with --distill.projection none) and did not embed them: it is then not
            compared with theirs, and no adapter maps its rows.
        tta: Views whose embeddings are added up: plain, hflip.
        precision: Of the network's arithmetic, as the sets were embedded: float32 or bfloat16.
        runtime: What computes the model; see glrtf embed.
        search: How neighbours are found.
        cache: Folder for what is worked out once for an index: faiss's index or Annoy's trees,
            and the index photos' landmarks; empty means <index>/search, or
            <bundle>/cache.
        verify: Whether the sets' files are compared with their digests once, as long as they
            are unchanged, or always.
        descriptor: What the file of another project's model does not say; by default as the
            index was embedded.
    """

    bundle: str = ""
    model: str = ""
    index: str = ""
    train: str = ""
    landmarks: str = ""
    labels: str = ""
    adapter: str = ""
    asymmetric: bool = False
    tta: tuple[str, ...] = VIEWS
    precision: Literal["float32", "bfloat16"] = "float32"
    runtime: RuntimeChoice = "auto"
    search: SearchConfig = dataclasses.field(default_factory=SearchConfig)
    cache: str = ""
    verify: Literal["once", "always"] = "once"
    descriptor: DescriptorConfig = dataclasses.field(default_factory=DescriptorConfig)

    needed: ClassVar[tuple[str, ...]] = ("model", "index")

    def __post_init__(self) -> None:
        self._refuse_beside_bundle()
        for name in self._needed:
            if not getattr(self, name) and not self.bundle:
                raise ValueError(f"{name}: expected a folder, found none; see --help")
        if bool(self.train) != bool(self.landmarks):
            raise ValueError("train: expected --train and --landmarks together, found one of them")
        if self.asymmetric and self.adapter:
            raise ValueError(
                "adapter: expected none with --asymmetric, whose model needs none; leave it out"
            )
        if not self.tta or not set(self.tta) <= set(VIEWS):
            raise ValueError(
                f"tta: expected some of {', '.join(VIEWS)}, found {list(self.tta)}"
                f"{separate_with_spaces(self.tta)}"
            )
        if self.search.backend not in _BACKENDS:
            raise ValueError(
                f"search.backend: expected one of {', '.join(_BACKENDS)} for single photos,"
                f" found {self.search.backend}"
            )

        if self.cache_folder.startswith("gs://"):
            raise ValueError("cache: expected a local folder for an index on gs://, found none")

    def _refuse_beside_bundle(self) -> None:
        for field in dataclasses.fields(SearcherConfig) if self.bundle else ():
            value = getattr(self, field.name)
            default = field.default
            if field.default_factory is not dataclasses.MISSING:
                default = field.default_factory()
            if field.name not in _FREE_WITH_BUNDLE and value != default:
                raise ValueError(
                    f"{field.name}: expected none with --bundle, which has its own; leave it out"
                )

    @property
    def _needed(self) -> tuple[str, ...]:
        """The settings that must not be empty."""
        return self.needed

    @property
    def index_labels(self) -> str:
        """The CSV of the index photos' landmarks; empty for none."""
        return self.labels or self.landmarks

    @property
    def cache_folder(self) -> str:
        """Where trees and landmarks are kept."""
        return paths.cache_folder(self.cache, self.bundle, self.index)


@dataclass(frozen=True)
class PhotoSearchConfig(SearcherConfig):
    """Find the landmarks that photos show, and index photos of the same landmarks.

    With --train and --landmarks the answer contains landmarks and the index photos found through
    them; without, only similar index photos.

    Attributes:
        photos: Image files: JPEG, PNG, or another format that the builder accepts.
        box: Part of each photo to search with, one box for each photo: x0,y0,x1,y1 in pixels of the
            upright photo, or as shares of its sides from 0 to 1; all for the whole photo.
        like: Index photos to search with, by id or name; they do not need --model.
        together: Whether all photos, including those of --like, show one object: one answer.
        fusion: With together, mean: a search with the mean of the photos' embeddings. max: a search
            with each of them; an index photo or landmark has the best of its scores.
        only_labels: Search only index photos of these landmarks, by number or name.
        only_folders: Search only index photos in these folders, by the beginnings of their names.
        limit: How many index photos to show for each photo.
        json: File to write the answers to.
    """

    photos: tuple[str, ...]
    box: tuple[str, ...] = ()
    like: tuple[str, ...] = ()
    together: bool = False
    fusion: PhotoFusion = "mean"
    only_labels: tuple[str, ...] = ()
    only_folders: tuple[str, ...] = ()
    limit: int = 10
    json: str = ""

    instead_of_positional: ClassVar[str] = "like"

    def __post_init__(self) -> None:
        if not self.photos and not self.like:
            raise ValueError("photos: expected at least one, or --like, found none; see --help")
        _expect(self, "limit", 1, MOST_ANSWERS)
        if self.fusion != "mean" and not self.together:
            raise ValueError("fusion: expected --together with max, found it missing")
        if self.box and len(self.box) != len(self.photos):
            raise ValueError(
                f"box: expected one for each of {len(self.photos)} photos, or all in its place,"
                f" found {len(self.box)}"
            )
        super().__post_init__()

    @property
    def _needed(self) -> tuple[str, ...]:
        return self.needed if self.photos else ("index",)


@dataclass(frozen=True)
class EvaluateIndexConfig(SearcherConfig):
    """Measure how good an index is, with photos whose landmark is known.

    Without --photos every index photo with a landmark is searched as if it were new: left out
    of the index and the train set. With --photos and --table those photos are searched, which are
    in neither: trust the scores of photos that the model was not trained on. The same photos
    calibrate the confidence of search and serve.

    Attributes:
        photos: Folder of photos to search with.
        table: CSV with the columns photo (a path below the folder) and landmark (a name; empty, or
            unknown to the index, if the index has no photo of it).
        most: The largest number of index photos to search with, drawn at random; 0 for all.
        json: JSON file for the measures, all landmarks and all confusions.
    """

    photos: str = ""
    table: str = ""
    most: int = 5000
    json: str = ""

    needed: ClassVar[tuple[str, ...]] = ("index",)

    def __post_init__(self) -> None:
        super().__post_init__()
        if bool(self.photos) != bool(self.table):
            raise ValueError("photos: expected --photos and --table together, found one of them")
        if self.photos and not (self.model or self.bundle):
            raise ValueError("model: expected the model of the index for --photos, found none")
        if not self.index_labels and not self.bundle:
            raise ValueError(
                "labels: expected the index photos' landmarks (--labels, or --train and"
                " --landmarks), found none"
            )
        _expect(self, "most", 0, 1 << 40)


@dataclass(frozen=True)
class ServeConfig(SearcherConfig):
    """Search for photos over HTTP, with a web page.

    Attributes:
        photos: Folder of the index and train photos as GLDv2 is published: index/ and train/ with
            tars or extracted files. For an index embedded from a folder of photos, that folder.
            Without it the page shows only ids.
        host: Address to listen on. The default can only be reached from this machine.
        port: Port to listen on; 0 uses any free port.
        allowed_hosts: Names under which clients may ask for this server, against DNS rebinding;
            by default the loopback's names and the host.
        max_upload: The largest upload in bytes.
        max_pixels: The largest number of pixels of a photo, checked before it is decoded.
        max_requests: The largest number of concurrent searches, including waiting ones; further
            clients are asked to retry later.
        max_batch: The largest number of photos per model call.
        batch_wait_ms: How many milliseconds a photo waits for each further one that is being read,
            to share a model call.
        upload_timeout: Seconds an upload may take.
        answer_timeout: Seconds an answer may take after the upload.
        shutdown_timeout: Seconds for open requests to finish after SIGTERM.
        decode_threads: Processes that decode uploads and make thumbnails.
        decode_seconds: Processor time that decoding one photo may take, seconds; then its process
            is terminated and the photo refused.
        watch_seconds: How often to check the sets for changes, in seconds; what `glrtf index` has
            changed is used without a restart. 0 never checks; SIGHUP checks at once.
    """

    photos: str = ""
    host: str = "127.0.0.1"
    port: int = 8321
    allowed_hosts: tuple[str, ...] = ()
    max_upload: int = 20_000_000
    max_pixels: int = 64_000_000
    max_requests: int = 64
    max_batch: int = 32
    batch_wait_ms: float = 10.0
    upload_timeout: float = 30.0
    answer_timeout: float = 30.0
    shutdown_timeout: int = 30
    decode_threads: int = 4
    decode_seconds: float = 10.0
    watch_seconds: float = 2.0

    def __post_init__(self) -> None:
        _expect(self, "port", 0, 65_535)
        _expect(self, "max_upload", 1, 1 << 30)
        _expect(self, "max_pixels", 1, 1 << 32)
        _expect(self, "max_requests", 1, 65_536)
        _expect(self, "max_batch", 1, 4096)
        _expect(self, "batch_wait_ms", 0, 1000)
        _expect(self, "upload_timeout", 0.01, 3600)
        _expect(self, "answer_timeout", 0.01, 3600)
        _expect(self, "shutdown_timeout", 0, 3600)
        _expect(self, "decode_threads", 1, 256)
        _expect(self, "decode_seconds", 0.01, 3600)
        _expect(self, "watch_seconds", 0, 3600)
        super().__post_init__()

    @property
    def hosts(self) -> list[str]:
        """The names a request's Host header may have."""
        return list(self.allowed_hosts) or ["localhost", "127.0.0.1", "[::1]", self.host]


def _expect(config: object, name: str, low: float, high: float) -> None:
    value = getattr(config, name)
    if not low <= value <= high:
        raise ValueError(f"{name}: expected {low} to {high}, found {value}")

"""Settings of `glrtf bundle`."""

import dataclasses
from dataclasses import dataclass
from typing import Literal

from glrtf.config.descriptor import DescriptorConfig, RuntimeChoice
from glrtf.config.inference import VIEWS
from tfrecords_tools.command.near_words import separate_with_spaces


@dataclass(frozen=True)
class BundleConfig:
    """Seal models, sets, tables and the settings of a ranking into one folder.

    search, serve, retrieve, report and evaluate_index open it with --bundle. The folder can be
    moved; bundle.json in it lists every file with its SHA-256. How photos are embedded (views,
    scales, precision, preparation) is taken from the index's sets.

    Attributes:
        output: Folder of the bundle; an earlier bundle there is replaced.
        model: The models, in the order of their sets: exports, SavedModels, .keras, .onnx or
            .tflite files, or keras_hub:FOLDER.
        index: Embedding sets of the index images, one a model, or one that glrtf whiten or adapt
            mapped with the adapter.
        train: Embedding sets of the train images, likewise; wanted by preset fifth_place.
        landmarks: CSV of the train images' landmarks: train.csv or train_clean.csv. The names of
            landmarks and photos, train_label_to_category.csv and names.csv in the same folder,
            are sealed too.
        labels: CSV of the index images' landmarks; empty takes landmarks.
        ranking: best.yaml of glrtf tune, another settings file of glrtf retrieve, or the folder
            that glrtf retrieve wrote. Sets, tables, votes and adapter that it names count where
            no flag says otherwise.
        preset: fifth_place, direct_dba or direct; by default as ranking says, else fifth_place
            with train sets and direct_dba without.
        non_landmark: Embedding sets of images without a landmark, one a model, or with
            non_landmark_solution the test images' own.
        non_landmark_solution: recognition_solution CSV; of the set non_landmark the images it
            lists without landmark are taken.
        non_landmark_scores: CSV id,non_landmark_confidence of train images, in place of the
            former two.
        votes: How much each model counts; alike when left out.
        adapter: Folder of an adapter (glrtf adapt, glrtf whiten).
        tta: Views that the sets were made with, where they do not say; plain and hflip when
            left out.
        runtime: What computes the models here; see glrtf embed. search and serve choose their own.
        descriptor: What the file of a single model does not say, where its sets do not either.
        link: Use hard links in place of copies where the file system can; a changed original is
            then a changed bundle, which is reported.
        precompute: Compute what depends on the index alone (its landmarks, the confidence of
            answers), so that the first search need not.
        verify: Whether the sets' files are compared with their digests once, as long as they
            are unchanged, or always.
    """

    output: str
    model: list[str]
    index: list[str] = dataclasses.field(default_factory=list)
    train: list[str] = dataclasses.field(default_factory=list)
    landmarks: str = ""
    labels: str = ""
    ranking: str = ""
    preset: Literal["fifth_place", "direct_dba", "direct"] | None = None
    non_landmark: list[str] = dataclasses.field(default_factory=list)
    non_landmark_solution: str = ""
    non_landmark_scores: str = ""
    votes: list[float] = dataclasses.field(default_factory=list)
    adapter: str = ""
    tta: tuple[str, ...] = ()
    runtime: RuntimeChoice = "auto"
    descriptor: DescriptorConfig = dataclasses.field(default_factory=DescriptorConfig)
    link: bool = False
    precompute: bool = True
    verify: Literal["once", "always"] = "once"

    def __post_init__(self) -> None:
        if not self.model:
            raise ValueError("model: expected at least one model, found none")
        if not set(self.tta) <= set(VIEWS):
            raise ValueError(
                f"tta: expected some of {', '.join(VIEWS)}, found {list(self.tta)}"
                f"{separate_with_spaces(self.tta)}"
            )
        if self.descriptor.given and len(self.model) > 1:
            raise ValueError(
                f"descriptor.{min(self.descriptor.given)}: expected none with several models; write"
                " a manifest next to each model (glrtf describe MODEL --output)"
            )
        if self.output.startswith("gs://"):
            raise ValueError("output: expected a local folder, found one on gs://; copy it there")

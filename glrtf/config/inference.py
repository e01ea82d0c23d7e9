"""Settings of export and of embedding whole splits."""

import dataclasses
import os
from dataclasses import dataclass
from typing import Literal

from glrtf.config.descriptor import DescriptorConfig, NoCodeFromFiles, RuntimeChoice
from tfrecords_tools.command.near_words import separate_with_spaces

VIEWS = ("plain", "hflip")


@dataclass(frozen=True)
class ExportConfig(NoCodeFromFiles):
    """Export a trained embedding model as a SavedModel, or as one ONNX or TFLite file.

    The model needs no labels and none of this project's code: its signatures take the bytes of JPEG
    or PNG files, batches of uint8 images, or one image of any size, and return L2-normalised
    float32 rows.

    Attributes:
        workdir: The training run's folder.
        output: Folder or file to write; empty means <workdir>/export, with .onnx or .tflite.
        checkpoint: last, best, a number of updates, or a checkpoint's file; empty uses the last.
        format: saved_model, or onnx or tflite (extras of these names), which take uint8 images
            of the model's size only.
        backbone: The run's backbone again, if that is package.module:function: code is run only if
            the command line names it.
        gem_power: GeM+: power of the pooling in place of the trained pooling, such as 4.6; 0 keeps
            the trained one.
        regional_gem: Whether each place of the feature map is mixed with its 5 x 5 places before
            the pooling.
        scale_gem: Factors on the model's input size, such as 0.7071 1 1.4142: the exported model
            embeds each image at all of them and returns the maximum of each number.
    """

    workdir: str
    output: str = ""
    checkpoint: str = ""
    format: Literal["saved_model", "onnx", "tflite"] = "saved_model"
    backbone: str = ""
    gem_power: float = 0.0
    regional_gem: bool = False
    scale_gem: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if self.gem_power and self.gem_power < 1:
            raise ValueError(f"gem_power: expected 0, or 1 or more, found {self.gem_power}")
        scales = self.scale_gem
        if len(set(scales)) < len(scales) or not all(0.1 <= s <= 10 for s in scales):
            raise ValueError(
                f"scale_gem: expected numbers from 0.1 to 10, each once, found {list(scales)}"
            )

    @property
    def pools(self) -> bool:
        """Whether the export pools otherwise than the trained model."""
        return bool(self.gem_power or self.regional_gem or self.scale_gem)

    @property
    def target(self) -> str:
        """The path of the export."""
        ending = "" if self.format == "saved_model" else f".{self.format}"
        return os.fspath(self.output) or f"{os.fspath(self.workdir).rstrip('/')}/export{ending}"


@dataclass(frozen=True)
class EmbedConfig(NoCodeFromFiles):
    """Embed all images of a split: one part of the embedding set for each shard.

    Started again after a kill, it continues with the first missing part and produces the same
    bytes.

    Attributes:
        model: An export, a training run's workdir, a SavedModel, a .keras, .onnx or .tflite file,
            package.module:function or keras_hub:PRESET.
        data: Folder of built shards; if it has none, all photos below it are embedded.
        output: Folder of the embedding set to write.
        split: Which split to embed.
        photo_ids: For photos: stem, their file names without the extension; path, their paths below
            the folder, with it; or digest, 16 hex digits of the path. photos.csv lists ids and
            paths, left_out.csv the files that are not photos.
        adapter: Folder of an adapter (glrtf adapt, glrtf whiten) that maps the rows of --model
            after the views are summed; empty for none.
        tta: Views whose embeddings are summed: plain, hflip.
        scales: Factors on the model's input size, such as 0.7071 1 1.4142: every view is embedded
            at each of these sizes, and all are summed.
        checkpoint: Which checkpoint, if the model is a workdir: last, best, a number of updates, or
            a file; empty uses the last.
        batch_size: Images per batch and replica.
        dtype: How rows are stored, float32 or float16 (half the size).
        precision: Of the network's arithmetic: float32, or bfloat16, which accelerators compute
            faster; the rows are float32. Needs a workdir as the model, or OpenVINO and a CPU that
            supports bfloat16.
        min_cosine: With bfloat16: the smallest cosine allowed between a photo's rows in bfloat16
            and float32. The first 64 photos of the split are embedded in both, the smallest cosine
            is recorded in the set, and below this the command stops. 0 skips the check.
        runtime: The runtime of the model. auto: TensorFlow; ONNX Runtime for an .onnx file, LiteRT
            for a .tflite file; with bfloat16 OpenVINO, if it is installed and the CPU supports
            bfloat16.
        max_bad_records: How many broken images are listed and left out before the command stops;
            null for any number.
        also: Further models to embed with in the same pass over the photos, which are decoded
            once: MODEL=OUTPUT, each. What their files do not define is read from their manifests.
        task_index: The number of this task, from 0: it embeds every num_tasks-th part from this one
            on. The task that finds all parts present finishes the set.
        num_tasks: How many tasks share the parts.
        runner: local, or beam: Apache Beam distributes the parts to its workers.
        beam_options: Beam's own options, such as runner=DataflowRunner.
        engine: tensorflow; jax, which embeds with a workdir only; or auto: TensorFlow if it
            supports this machine's devices, else JAX.
        strategy: auto, cpu, gpu, mirrored (all GPUs of this machine) or tpu.
        tpu: Name or grpc:// address of the TPU; empty or local for this machine's own.
        descriptor: What the file of another project's model does not define.
    """

    model: str
    data: str
    output: str
    split: Literal["train", "index", "test"] = "test"
    photo_ids: Literal["stem", "path", "digest"] = "stem"
    adapter: str = ""
    tta: tuple[str, ...] = VIEWS
    scales: tuple[float, ...] = (1.0,)
    checkpoint: str = ""
    batch_size: int = 32
    dtype: Literal["float32", "float16"] = "float32"
    precision: Literal["float32", "bfloat16"] = "float32"
    min_cosine: float = 0.998
    runtime: RuntimeChoice = "auto"
    max_bad_records: int | None = None
    also: tuple[str, ...] = ()
    task_index: int = 0
    num_tasks: int = 1
    runner: Literal["local", "beam"] = "local"
    beam_options: tuple[str, ...] = ()
    engine: Literal["auto", "tensorflow", "jax"] = "auto"
    strategy: Literal["auto", "cpu", "gpu", "mirrored", "tpu"] = "auto"
    tpu: str = ""
    descriptor: DescriptorConfig = dataclasses.field(default_factory=DescriptorConfig)

    def __post_init__(self) -> None:
        if self.batch_size < 1:
            raise ValueError(f"batch_size: expected 1 or more, found {self.batch_size}")
        if self.max_bad_records is not None and self.max_bad_records < 0:
            raise ValueError(f"max_bad_records: expected 0 or more, found {self.max_bad_records}")
        if not 0 <= self.min_cosine <= 1:
            raise ValueError(f"min_cosine: expected 0 to 1, found {self.min_cosine}")
        if not 0 <= self.task_index < self.num_tasks:
            raise ValueError(
                f"task_index: expected 0 to {self.num_tasks - 1} (--num_tasks less 1), found"
                f" {self.task_index}"
            )
        for pair in self.also:
            if not all(pair.partition("=")):
                raise ValueError(f"also: expected MODEL=OUTPUT, found {pair!r}")
        outputs = [output for _, output in self.jobs]
        if len(set(outputs)) < len(outputs):
            raise ValueError(f"also: expected another output for each model, found {outputs}")
        if not self.tta or len(set(self.tta)) < len(self.tta) or not set(self.tta) <= set(VIEWS):
            raise ValueError(
                f"tta: expected some of {', '.join(VIEWS)}, each once, found {' '.join(self.tta)!r}"
                f"{separate_with_spaces(self.tta)}"
            )

        scales = self.scales
        if not scales or len(set(scales)) < len(scales) or not all(0.1 <= s <= 10 for s in scales):
            raise ValueError(
                f"scales: expected numbers from 0.1 to 10, each once, found {list(scales)}"
            )

    @property
    def jobs(self) -> list[tuple[str, str]]:
        """Each model and the folder of its embedding set."""
        pairs = [pair.partition("=") for pair in self.also]
        return [(self.model, self.output), *((model, output) for model, _, output in pairs)]

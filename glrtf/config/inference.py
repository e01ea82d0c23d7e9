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

    The model needs no label and none of this project's code: its signatures take
    the bytes of JPEG or PNG files, batches of uint8 images, or one image of any
    size, and give L2-normalised float32 rows.

    Attributes:
        workdir: The training run's folder.
        output: Folder or file to write; empty means <workdir>/export, with .onnx or .tflite.
        checkpoint: last, best, a number of updates, or a checkpoint's file; empty takes the last.
        format: saved_model, or onnx or tflite (extras of these names), which take uint8 images
            of the model's size only.
        backbone: The run's backbone again, where that is package.module:function: code is run
            only where the command line names it.
    """

    workdir: str
    output: str = ""
    checkpoint: str = ""
    format: Literal["saved_model", "onnx", "tflite"] = "saved_model"
    backbone: str = ""

    @property
    def target(self) -> str:
        """Where the export goes."""
        ending = "" if self.format == "saved_model" else f".{self.format}"
        return os.fspath(self.output) or f"{os.fspath(self.workdir).rstrip('/')}/export{ending}"


@dataclass(frozen=True)
class EmbedConfig(NoCodeFromFiles):
    """Embed all images of a split: one part of the embedding set for each shard.

    Started again after a kill it goes on with the first part that is missing and
    ends with the same bytes.

    Attributes:
        model: An export, a training run's workdir, a SavedModel, a .keras, .onnx or .tflite file,
            package.module:function or keras_hub:PRESET.
        data: Folder of built shards; without any, all photos below it are embedded.
        output: Folder of the embedding set to write.
        split: Which split to embed.
        photo_ids: For photos: stem, their file names without the ending; path, their paths
            below the folder, with it; or digest, 16 hex digits of the path. photos.csv lists
            ids and paths, left_out.csv the files that are no photos.
        adapter: Folder of an adapter (glrtf adapt, glrtf whiten) that maps the rows of --model,
            views added up; empty for none.
        tta: Views whose embeddings are added up: plain, hflip.
        scales: Of the model's input size, such as 0.7071 1 1.4142: every view is embedded at
            each, from photos resized to it, and all are added up.
        checkpoint: Which checkpoint, where the model is a workdir: last, best, a number of
            updates, or a file; empty takes the last.
        batch_size: Images of a batch, on each replica.
        dtype: How rows are stored, float32 or float16 (half the size).
        precision: Of the network's arithmetic: float32, or bfloat16, which accelerators compute
            faster; the rows are float32. Needs a workdir as the model, or OpenVINO and a CPU that
            has bfloat16.
        runtime: What computes the model. auto: TensorFlow; of an .onnx file ONNX Runtime, of a
            .tflite file LiteRT; with bfloat16 OpenVINO, where it is installed and the CPU has it.
        max_bad_records: Broken images to list and leave out before giving up; null for
            any number.
        also: Further models to embed with in the same pass over the photos, which are decoded
            once: MODEL=OUTPUT, each. What their files do not say is read from their manifests.
        task_index: Which of several tasks this is, from 0: it embeds the parts whose number
            leaves this remainder. The task that finds all parts there finishes the set.
        num_tasks: How many tasks share the parts.
        runner: local, or beam: Apache Beam deals the parts out to its workers.
        beam_options: Options of Beam's own, such as runner=DataflowRunner.
        engine: tensorflow; jax, which embeds with a workdir only; or auto: TensorFlow where it
            drives this machine's devices, else JAX.
        strategy: auto, cpu, gpu, mirrored (all GPUs of this machine) or tpu.
        tpu: Name or grpc:// address of the TPU; empty or local for this machine's own.
        descriptor: What the file of another project's model does not say.
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

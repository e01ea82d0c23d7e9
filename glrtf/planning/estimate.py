"""From counts of a traced graph to memory, speed, hours and cost: pure arithmetic."""

import dataclasses
import math

from glrtf.config.data import AugmentConfig
from glrtf.planning.accelerators import Slice
from glrtf.planning.augmentation import augmentation_cost
from glrtf.planning.graph_cost import GraphCost

_FLOAT32 = 4


@dataclasses.dataclass(frozen=True)
class Workload:
    """A training configuration in numbers.

    Attributes:
        num_parameters: Trainable parameters, head included.
        num_state: Other variables that stay in memory (BatchNorm statistics).
        optimizer_slots: Numbers the optimizer keeps for each parameter: 2 for Adam.
        has_ema: Whether averaged weights are kept too.
        micro_batch: Images per replica and forward/backward pass.
        accumulation_steps: Passes per update.
        image_side: Input side, pixels.
        pass_cost: Cost of one pass over `traced_batch` images.
        traced_batch: Images in the traced pass.
        num_sharded: Of the parameters, those that are split over the replicas.
        exchanged_per_image: float32 numbers per image that are summed over all replicas in a pass:
            its embedding and the gradient, if the head is split.
        augment: How images are augmented; None if that is not counted, as on GPUs.
    """

    num_parameters: int
    num_state: int
    optimizer_slots: int
    has_ema: bool
    micro_batch: int
    accumulation_steps: int
    image_side: int
    pass_cost: GraphCost
    traced_batch: int
    num_sharded: int = 0
    exchanged_per_image: int = 0
    augment: AugmentConfig | None = None

    @property
    def num_replicated(self) -> int:
        """Parameters that every replica has and whose gradients are summed over the replicas."""
        return self.num_parameters - self.num_sharded

    def parameters_of_one(self, replicas: int) -> int:
        """Parameters that one of that many replicas has."""
        return self.num_replicated + math.ceil(self.num_sharded / replicas)

    def exchanged_bytes(self, replicas: int) -> int:
        """What is summed over the replicas in an update: gradients, and what a split head needs.

        0 on one replica.
        """
        if replicas == 1:
            return 0
        images = self.micro_batch * self.accumulation_steps * replicas
        return (self.num_replicated + images * self.exchanged_per_image) * _FLOAT32


@dataclasses.dataclass(frozen=True)
class Memory:
    """Bytes on one device.

    Attributes:
        weights: Parameters and state, float32; averaged weights too.
        optimizer: Its slots, float32.
        accumulators: Gradient sums kept across micro-batches, float32.
        gradients: Those of the running micro-batch, float32.
        activations: Results that the backward pass needs, with the overhead.
        input: The uint8 images of the whole batch; if augmentation is counted, also those of the
            current micro-batch as float32.
    """

    weights: int
    optimizer: int
    accumulators: int
    gradients: int
    activations: int
    input: int

    @property
    def total(self) -> int:
        """The sum, bytes."""
        return sum(dataclasses.astuple(self))


@dataclasses.dataclass(frozen=True)
class Estimate:
    """The estimate for a configuration on a slice.

    Attributes:
        memory: On each device.
        fits: Whether that fits the device.
        largest_micro_batch: The largest that fits; 0 if not even one image does.
        flops_per_image: Forward and backward.
        exchanged_bytes: Summed over the replicas in an update.
        augmentation_seconds: Of an update, on each device.
        seconds_per_update: One optimizer update over all replicas.
        images_per_second: Over the whole slice.
    """

    memory: Memory
    fits: bool
    largest_micro_batch: int
    flops_per_image: float
    exchanged_bytes: int
    augmentation_seconds: float
    seconds_per_update: float
    images_per_second: float

    def hours(self, images: int, epochs: float) -> float:
        """Hours to train on `images` photos for `epochs` epochs."""
        return images * epochs / self.images_per_second / 3600

    def cost_per_million(self, price_per_hour: float) -> float:
        """Price of training on one million photos once, in the price's currency."""
        return 1e6 / self.images_per_second / 3600 * price_per_hour


def estimate(
    work: Workload, tpu: Slice, *, utilization: float, activation_overhead: float
) -> Estimate:
    """Estimates memory and speed.

    Args:
        work: The configuration.
        tpu: The slice to run on.
        utilization: Share of the peak rate that the passes reach, in (0, 1].
        activation_overhead: Factor on the kept activations for the compiler's
            padding and working space.
    """
    memory = memory_of(work, work.micro_batch, activation_overhead, tpu.num_devices)
    cost = work.pass_cost
    flops = (cost.forward_flops + cost.backward_flops) / work.traced_batch
    per_update = work.micro_batch * work.accumulation_steps
    compute = flops * per_update / (tpu.device.peak_flops * utilization)
    augmentation = per_update * _augmentation_seconds(work, tpu)
    seconds = compute + augmentation + _update_seconds(work, tpu)
    return Estimate(
        memory=memory,
        fits=memory.total <= tpu.device.memory,
        largest_micro_batch=_largest_micro_batch(work, tpu, activation_overhead),
        flops_per_image=flops,
        exchanged_bytes=work.exchanged_bytes(tpu.num_devices),
        augmentation_seconds=augmentation,
        seconds_per_update=seconds,
        images_per_second=per_update * tpu.num_devices / seconds,
    )


def memory_of(
    work: Workload, micro_batch: int, activation_overhead: float, replicas: int = 1
) -> Memory:
    """Bytes on one of that many devices at a micro-batch size; everything else as in `work`."""
    parameters = work.parameters_of_one(replicas) * _FLOAT32
    kept = work.pass_cost.kept_bytes / work.traced_batch * micro_batch
    pixels = work.image_side * work.image_side * 3
    floats = 0 if work.augment is None else pixels * micro_batch * _FLOAT32
    return Memory(
        weights=parameters * (2 if work.has_ema else 1) + work.num_state * _FLOAT32,
        optimizer=parameters * work.optimizer_slots,
        accumulators=parameters if work.accumulation_steps > 1 else 0,
        gradients=parameters,
        activations=math.ceil(kept * activation_overhead),
        input=pixels * micro_batch * work.accumulation_steps + floats,
    )


def _largest_micro_batch(work: Workload, tpu: Slice, activation_overhead: float) -> int:
    """Memory grows by the same bytes with every image, so the limit is a division."""
    none = memory_of(work, 0, activation_overhead, tpu.num_devices).total
    one = memory_of(work, 1, activation_overhead, tpu.num_devices).total
    return max(0, int((tpu.device.memory - none) // (one - none)))


def _augmentation_seconds(work: Workload, tpu: Slice) -> float:
    """Of one image."""
    if work.augment is None:
        return 0.0
    cost = augmentation_cost(work.augment, work.image_side, tpu.device.lanes)
    return cost.seconds(tpu.device.bandwidth, tpu.device.peak_flops)


def _update_seconds(work: Workload, tpu: Slice) -> float:
    """Time to reduce the gradients and apply them, bound by memory traffic.

    The update reads gradient, weight and slots and writes weight and slots; a ring reduction moves
    the summed values through memory about four times.
    """
    touched = 1 + 2 * (1 + work.optimizer_slots) + (2 if work.has_ema else 0)
    applied = work.parameters_of_one(tpu.num_devices) * _FLOAT32 * touched
    return (applied + 4 * work.exchanged_bytes(tpu.num_devices)) / tpu.device.bandwidth

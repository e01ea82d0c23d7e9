"""An estimate as text and as JSON."""

import dataclasses
from typing import Any

from glrtf.config.planning import PlanConfig
from glrtf.planning.accelerators import Slice
from glrtf.planning.compiled import Compiled
from glrtf.planning.estimate import Estimate, Workload
from tfrecords_tools.progress import format_seconds

_GIB = 2**30

_ASSUMPTIONS = (
    "weights, optimizer and gradients float32, activations {activations}; "
    "{utilization:.0%} of {peak:.1f} TFLOPS a device; "
    "{overhead:g} x the activations for padding and working space; input never late"
)


def to_text(
    config: PlanConfig, work: Workload, found: Estimate, tpu: Slice, utilization: float
) -> str:
    """The plan as text, one figure per line."""
    memory = found.memory
    verdict = "fits" if found.fits else "DOES NOT FIT"
    largest = (
        f"{found.largest_micro_batch} images"
        if found.largest_micro_batch
        else "none: weights and optimizer alone are too large"
    )
    lines = [
        f"{config.backbone} at {config.size} px, {config.num_classes:,} classes, on {tpu.name} "
        f"({tpu.num_devices} devices on {tpu.num_hosts} host{'s' * (tpu.num_hosts > 1)})",
        f"micro-batch {work.micro_batch} x {work.accumulation_steps} accumulated x "
        f"{tpu.num_devices} replicas = {global_batch_size(work, tpu)} images an update",
        "",
        f"parameters            {work.num_parameters:>16,}{_split(work, tpu)}",
        f"FLOPs per image       {found.flops_per_image / 1e9:>16,.1f} G (forward and backward)",
        "",
        "memory per device",
        *(f"  {name:<19} {size / _GIB:>16.2f} GiB" for name, size in _parts(memory).items()),
        f"  {'total':<19} {memory.total / _GIB:>16.2f} GiB of "
        f"{tpu.device.memory / _GIB:.2f} GiB: {verdict}",
        f"largest micro-batch   {largest}",
        "",
        f"speed                 {found.images_per_second:>16,.0f} images/s "
        f"({found.seconds_per_update:.2f} s an update)",
        *_augmentation(work, found),
        f"exchanged             {found.exchanged_bytes / _GIB:>16.2f} GiB an update, over replicas",
        f"input needed          {found.images_per_second / tpu.num_hosts:>16,.0f} images/s a host",
        f"{config.epochs} epochs of {config.num_images:,} photos: "
        f"{found.hours(config.num_images, config.epochs):,.1f} hours",
    ]
    if config.price_per_hour:
        cost = found.cost_per_million(config.price_per_hour)
        lines.append(f"cost per million photos {cost:,.2f} at {config.price_per_hour:g} an hour")
    dtype = tpu.device.precision.removeprefix("mixed_")
    kept = "at convolutions and residual sums" if tpu.device.fused else "wherever gradients read"
    assumed = _ASSUMPTIONS.format(
        activations=f"{dtype} and kept {kept}",
        utilization=utilization,
        peak=tpu.device.peak_flops / 1e12,
        overhead=config.activation_overhead,
    )
    return "\n".join([*lines, "", f"Assumed: {assumed}."])


def compiled_to_text(compiled: Compiled, tpu: Slice, found: Estimate) -> str:
    """The compiler's figures next to the estimates."""
    took = format_seconds(compiled.seconds)
    if compiled.cpu_seconds is not None:
        took += f", {format_seconds(compiled.cpu_seconds)} of CPU"
    if compiled.peak_bytes is None:
        return f"compiled ({compiled.compiler}, {took}): DOES NOT FIT\n{compiled.refusal}"
    estimated = found.memory.total / compiled.peak_bytes
    lines = [
        f"compiled ({compiled.compiler}, {took}): peak {compiled.peak_bytes / _GIB:.2f} GiB of "
        f"{tpu.device.memory / _GIB:.2f} GiB a device; the estimate is {estimated:.2f} of that"
    ]
    if compiled.flops and compiled.bytes_accessed:
        lines.append(
            f"the compiler counts {compiled.flops / 1e9:,.1f} GFLOP and "
            f"{compiled.bytes_accessed / 1e9:.1f} GB accessed in an update on a device"
        )
    crossing = [f"{count} {kind}" for kind, count in compiled.collectives.items() if count]
    if crossing:
        inside = compiled.collectives_in_loops
        total = "" if inside is None else f"; in loops: {sum(inside.values())}"
        lines.append(f"operations between devices: {', '.join(crossing)}{total}")
    return "\n".join(lines)


def to_json(
    config: PlanConfig, work: Workload, found: Estimate, tpu: Slice, utilization: float
) -> dict[str, Any]:
    """The plan as JSON values: bytes, FLOPs, seconds."""
    return {
        "backbone": config.backbone,
        "size": config.size,
        "num_classes": config.num_classes,
        "tpu" if tpu.device.fused else "gpu": dataclasses.asdict(tpu),
        "micro_batch": work.micro_batch,
        "accumulation_steps": work.accumulation_steps,
        "global_batch_size": global_batch_size(work, tpu),
        "parameters": work.num_parameters,
        "parameters_per_device": work.parameters_of_one(tpu.num_devices),
        "flops_per_image": found.flops_per_image,
        "memory_per_device": {**_parts(found.memory), "total": found.memory.total},
        "fits": found.fits,
        "largest_micro_batch": found.largest_micro_batch,
        "exchanged_bytes": found.exchanged_bytes,
        "augmentation_seconds": found.augmentation_seconds,
        "seconds_per_update": found.seconds_per_update,
        "images_per_second": found.images_per_second,
        "hours": found.hours(config.num_images, config.epochs),
        "utilization": utilization,
        "activation_overhead": config.activation_overhead,
    }


def global_batch_size(work: Workload, tpu: Slice) -> int:
    """Images of one update over all replicas."""
    return work.micro_batch * work.accumulation_steps * tpu.num_devices


def _augmentation(work: Workload, found: Estimate) -> list[str]:
    if work.augment is None:
        return []
    share = found.augmentation_seconds / found.seconds_per_update
    return [f"augmentation          {share:>16.1%} of that ({found.augmentation_seconds:.2g} s)"]


def _split(work: Workload, tpu: Slice) -> str:
    """How many of the parameters one device has, where the head is split."""
    if not work.num_sharded:
        return ""
    return f", {work.parameters_of_one(tpu.num_devices):,} a device (head split)"


def _parts(memory: Any) -> dict[str, int]:
    return dataclasses.asdict(memory)

"""What the settings of a training run must be, each and together."""

from typing import TYPE_CHECKING

from glrtf.config.backbone_names import Family

if TYPE_CHECKING:
    from glrtf.config.training import TrainConfig

SIZE_MULTIPLE = 32
# The network's total stride is 32; these two published sizes leave a partly padded last column.
PUBLISHED_SIZES = (720, 732)


def check(config: "TrainConfig", kind: Family) -> None:
    """Checks all settings of a run.

    Args:
        config: The settings.
        kind: The family of their backbone.

    Raises:
        ValueError: Naming the first setting that is out of range or does not fit another one.
    """
    _check_size("size", config.size, kind)
    for size in config.sizes:
        _check_size("sizes", size, kind)
    _check_family(config, kind)
    _check_numbers(config)
    _check_batch(config)
    _check_stages(config)
    _check_sharding(config)


def _check_family(config: "TrainConfig", kind: Family) -> None:
    """Refuses settings that mean nothing to a kind of backbone."""
    name = config.backbone
    for setting in kind.unknown:
        default = config.__dataclass_fields__[setting].default
        if getattr(config, setting) != default:
            raise ValueError(
                f"{setting}: expected {default} for {name}, which cannot be set so, found"
                f" {getattr(config, setting)}; leave it out"
            )
    if not kind.any_size and set(config.sizes) - {config.size}:
        raise ValueError(
            f"sizes: expected {config.size} alone for {name}, whose weights are for one size, found"
            f" {config.sizes}"
        )
    words = [word for word in ("imagenet", "preset") if word not in kind.weights]
    if config.weights in words:
        raise ValueError(
            f"weights: expected {', '.join(kind.weights)} or a file for {name}, found"
            f" {config.weights!r}"
        )


def _check_size(name: str, size: int, kind: Family) -> None:
    if kind.size_multiple == 1:
        if size < 1:
            raise ValueError(f"{name}: expected 1 or more, found {size}")
        return
    if size <= 0 or (size % SIZE_MULTIPLE and size not in PUBLISHED_SIZES):
        near = _near_multiples(max(size, 0), SIZE_MULTIPLE)
        published = ", ".join(map(str, PUBLISHED_SIZES))
        raise ValueError(
            f"{name}: expected a positive multiple of {SIZE_MULTIPLE} (or {published} as "
            f"published), found {size}; try {near}"
        )


def _near_multiples(value: int, factor: int) -> str:
    below = value // factor * factor
    return " or ".join(str(n) for n in (below, below + factor) if n > 0) or str(factor)


def _check_numbers(config: "TrainConfig") -> None:
    positive = (
        *("epochs", "batch_size", "accumulation_steps", "scale", "num_centers", "embedding_dim"),
        *("keep_checkpoints", "sample_batch_size", "sample_updates"),
    )
    for name in positive:
        if getattr(config, name) <= 0:
            raise ValueError(f"{name}: expected more than 0, found {getattr(config, name)}")
    not_negative = (
        *("learning_rate", "warmup_epochs", "weight_decay", "clip_norm", "margin"),
        *("validate_every", "checkpoint_every", "seed", "freeze_epochs", "max_hours"),
    )
    for name in not_negative:
        if getattr(config, name) < 0:
            raise ValueError(f"{name}: expected 0 or more, found {getattr(config, name)}")
    for name in ("dropout", "drop_connect_rate", "ema_momentum"):
        if not 0 <= getattr(config, name) < 1:
            raise ValueError(f"{name}: expected 0 to below 1, found {getattr(config, name)}")
    if config.head_learning_rate_factor <= 0:
        raise ValueError(
            "head_learning_rate_factor: expected more than 0, found"
            f" {config.head_learning_rate_factor}"
        )
    if not 0 < config.layer_decay <= 1:
        raise ValueError(f"layer_decay: expected above 0 to 1, found {config.layer_decay}")
    if config.freeze_epochs >= config.epochs:
        raise ValueError(
            f"freeze_epochs: expected fewer than epochs ({config.epochs}), found"
            f" {config.freeze_epochs}"
        )
    if config.init_from and config.weights != "none":
        raise ValueError(
            f"weights: expected none with --init_from {config.init_from}, found {config.weights!r}"
        )


def _check_batch(config: "TrainConfig") -> None:
    if config.batch_size % config.accumulation_steps:
        raise ValueError(
            "batch_size: expected a multiple of --accumulation_steps "
            f"({config.accumulation_steps}), found {config.batch_size}; try "
            f"{_near_multiples(config.batch_size, config.accumulation_steps)}"
        )


def _check_stages(config: "TrainConfig") -> None:
    if not config.sizes and not config.stage_epochs:
        return
    if len(config.sizes) != len(config.stage_epochs):
        raise ValueError(
            f"stage_epochs: expected one value for each of the {len(config.sizes)} sizes, "
            f"found {len(config.stage_epochs)}"
        )
    if sum(config.stage_epochs) != config.epochs or min(config.stage_epochs) <= 0:
        raise ValueError(
            f"stage_epochs: expected positive numbers that add up to {config.epochs} epochs, "
            f"found {config.stage_epochs}"
        )


def _check_sharding(config: "TrainConfig") -> None:
    if config.head_sharding == "none":
        return
    if config.strategy == "multiworker":
        raise ValueError(
            "head_sharding: expected none with --strategy multiworker, whose processes do not see "
            "each other's classes, found 'classes'; use mirrored or tpu"
        )
    if config.optimizer == "lamb":
        raise ValueError(
            "head_sharding: expected none with --optimizer lamb, which rates each weight by its "
            "whole norm, found 'classes'; use adam, adamw or sgd"
        )

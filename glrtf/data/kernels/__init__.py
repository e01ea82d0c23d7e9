"""What augmentation does in its own way on each engine, under one name each.

Random draws follow from a seed alone; the two engines draw different numbers.
"""

from glrtf.config.keras_settings import ON_JAX

if ON_JAX:
    from glrtf.data.kernels.on_jax import (
        blended_neighbours,
        counts_of_levels,
        fold_in,
        integers,
        looked_up,
        multiplied,
        normal,
        one_by_one,
        split_seed,
        step_seed,
        stored,
        uniform,
    )
else:
    from glrtf.data.kernels.on_tensorflow import (
        blended_neighbours,
        counts_of_levels,
        fold_in,
        integers,
        looked_up,
        multiplied,
        normal,
        one_by_one,
        split_seed,
        step_seed,
        stored,
        uniform,
    )

__all__ = [
    "blended_neighbours",
    "counts_of_levels",
    "fold_in",
    "integers",
    "looked_up",
    "multiplied",
    "normal",
    "one_by_one",
    "split_seed",
    "step_seed",
    "stored",
    "uniform",
]

"""Random draws and look-ups of augmentation on JAX.

Names, arguments and results are those of `on_tensorflow`, but seeds are keys of `jax.random`.
"""

from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp


def step_seed(seed: int, step: jax.Array | int, replica: jax.Array | int = 0) -> jax.Array:
    """The key of one device at one step: no two of them draw alike."""
    return fold_in(fold_in(jax.random.key(seed), step), replica)


def fold_in(seed: jax.Array, number: jax.Array | int) -> jax.Array:
    """Another key for each number."""
    return jax.random.fold_in(seed, number)


def split_seed(seed: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Two keys from one."""
    first, second = jax.random.split(seed, 2)
    return first, second


def uniform(
    seed: jax.Array, shape: Sequence[int], low: float = 0.0, high: float = 1.0
) -> jax.Array:
    """Float32 draws from [low, high)."""
    return jax.random.uniform(seed, tuple(shape), jnp.float32, low, high)


def integers(seed: jax.Array, shape: Sequence[int], high: int) -> jax.Array:
    """Int32 draws from [0, high)."""
    return jax.random.randint(seed, tuple(shape), 0, high, jnp.int32)


def normal(seed: jax.Array, shape: Sequence[int]) -> jax.Array:
    """Float32 draws of mean 0 and deviation 1."""
    return jax.random.normal(seed, tuple(shape), jnp.float32)


def one_by_one(
    branches: Sequence[Callable[[jax.Array, jax.Array], jax.Array]],
    images: jax.Array,
    which: jax.Array,
    strengths: jax.Array,
) -> jax.Array:
    """Applies to each image the branch of its number, and only that."""

    def one(drawn: tuple[jax.Array, jax.Array, jax.Array]) -> jax.Array:
        image, number, strength = drawn
        return jax.lax.switch(number, branches, image[None], strength[None])[0]

    # One after the other: side by side each image would pass through all branches.
    return jax.lax.map(one, (images, which, strengths))


def counts_of_levels(rows: jax.Array, levels: int) -> jax.Array:
    """How often each level comes in each row: int32 (n, m) in [0, levels) -> (n, levels)."""
    return jax.vmap(lambda row: jnp.bincount(row, length=levels))(rows).astype(jnp.int32)


def looked_up(table: jax.Array, places: jax.Array) -> jax.Array:
    """Each row's entries at its places: (n, m), int32 (n, …) -> (n, …)."""
    flat = places.reshape(places.shape[0], -1)
    return jnp.take_along_axis(table, flat, axis=1).reshape(places.shape)


def blended_neighbours(
    images: jax.Array, left: jax.Array, right: jax.Array, share: jax.Array
) -> jax.Array:
    """Two columns of each row, looked up and blended."""
    before = jnp.take_along_axis(images, left[..., None], axis=2)
    after = jnp.take_along_axis(images, right[..., None], axis=2)
    return before * (1 - share) + after * share


def multiplied(weights: jax.Array, values: jax.Array) -> jax.Array:
    """Batched matrices (…, u, v) times (…, v, n), in one pass of a TPU's multiplier."""
    return jnp.matmul(weights, values, precision=jax.lax.Precision.DEFAULT)


def stored(values: jax.Array) -> jax.Array:
    """The same values, which the compiler stores once instead of computing them at each use."""
    return jax.lax.optimization_barrier(values)

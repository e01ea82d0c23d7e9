"""What devices of a mesh tell one another in the middle of a step, with the right gradients.

As `tensorflow_replicas`, for functions under `jax.shard_map`: all gradients are of one
objective, the sum of what every device's own loss is.
"""

import functools

import jax
import jax.numpy as jnp

AXES = ("data", "model")
"""The mesh's axes. Images are split over both, the classes of a split head over `model`."""


class Replicas:
    """The devices along the mesh's `model` axis, among which classes are split.

    Args:
        count: How many there are. One sends nothing, and needs no mesh.
    """

    def __init__(self, count: int = 1) -> None:
        self._count = count

    @property
    def count(self) -> int:
        """How many there are."""
        return self._count

    @property
    def own(self) -> jax.Array | int:
        """This device's number among them, int32."""
        return 0 if self.count == 1 else jax.lax.axis_index(AXES[1])

    def total(self, value: jax.Array) -> jax.Array:
        """The sum over them, of the same shape; has no gradient."""
        value = jax.lax.stop_gradient(value)
        return value if self.count == 1 else jax.lax.psum(value, AXES[1])

    def largest(self, value: jax.Array) -> jax.Array:
        """The maximum over them, of the same shape; has no gradient."""
        value = jax.lax.stop_gradient(value)
        return value if self.count == 1 else jax.lax.pmax(value, AXES[1])

    def shared_total(self, value: jax.Array) -> jax.Array:
        """The sum over them, whose gradient is equal on all: it is that of every part."""
        return value if self.count == 1 else _shared_total(value)

    def gather(self, value: jax.Array) -> jax.Array:
        """`(…)` of each -> `(count, …)` in their order; has no gradient."""
        value = jax.lax.stop_gradient(value)
        return value[None] if self.count == 1 else jax.lax.all_gather(value, AXES[1])

    def gather_rows(self, rows: jax.Array) -> jax.Array:
        """`(n, …)` of each -> `(count · n, …)`, equal on all.

        Each device may use the result differently; a row's gradient is the sum over all uses.
        """
        return rows if self.count == 1 else _gather_rows(rows)

    def own_rows(self, rows: jax.Array) -> jax.Array:
        """`(count · n, …)`, equal on all -> this device's `(n, …)`.

        The gradient of the whole is that of all devices' parts.
        """
        return rows if self.count == 1 else _own_rows(self.count, rows)


class LoneReplica(Replicas):
    """One replica of several; there is none on JAX, whose compiler knows the whole mesh."""


@jax.custom_vjp
def _shared_total(value: jax.Array) -> jax.Array:
    return jax.lax.psum(value, AXES[1])


_shared_total.defvjp(lambda value: (_shared_total(value), None), lambda _, upstream: (upstream,))


@jax.custom_vjp
def _gather_rows(rows: jax.Array) -> jax.Array:
    return jax.lax.all_gather(rows, AXES[1], tiled=True)


_gather_rows.defvjp(
    lambda rows: (_gather_rows(rows), jnp.issubdtype(rows.dtype, jnp.floating)),
    lambda is_float, upstream: (
        jax.lax.psum_scatter(upstream, AXES[1], tiled=True) if is_float else None,
    ),
)


@functools.partial(jax.custom_vjp, nondiff_argnums=(0,))
def _own_rows(count: int, rows: jax.Array) -> jax.Array:
    each = rows.shape[0] // count
    return jax.lax.dynamic_slice_in_dim(rows, jax.lax.axis_index(AXES[1]) * each, each)


_own_rows.defvjp(
    lambda count, rows: (_own_rows(count, rows), None),
    lambda count, _, upstream: (jax.lax.all_gather(upstream, AXES[1], tiled=True),),
)

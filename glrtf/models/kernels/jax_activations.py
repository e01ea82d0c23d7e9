"""Sigmoid and swish by XLA's logistic function, as TensorFlow computes them.

JAX 0.10 writes its logistic function out as 1 / (1 + exp(-x)), and the gradient as a second one of
-x. A TPU's compiler takes the division for too expensive to repeat, so it stores activations that
it would otherwise compute again where they are used.
"""

import jax
from jax.extend.core import Primitive
from jax.extend.mlir.dialects import stablehlo
from jax.interpreters import batching, mlir

_LOGISTIC = Primitive("glrtf_logistic")
_LOGISTIC.def_abstract_eval(lambda x: x)
mlir.register_lowering(_LOGISTIC, lambda context, x: [stablehlo.logistic(x)])
batching.defvectorized(_LOGISTIC)


@jax.jit(inline=True)
def _logistic(x: jax.Array) -> jax.Array:
    return _LOGISTIC.bind(x)


@jax.custom_vjp
def sigmoid(x: jax.Array) -> jax.Array:
    """Computes 1 / (1 + exp(-x)), of x's shape and dtype."""
    return _logistic(x)


def _sigmoid_and_kept(x: jax.Array) -> tuple[jax.Array, jax.Array]:
    share = _logistic(x)
    return share, share


def _sigmoids_gradient(share: jax.Array, upstream: jax.Array) -> tuple[jax.Array]:
    return (upstream * share * (1 - share),)


sigmoid.defvjp(_sigmoid_and_kept, _sigmoids_gradient)


@jax.custom_vjp
def swish(x: jax.Array) -> jax.Array:
    """Computes x · sigmoid(x), of x's shape and dtype (Ramachandran et al., arXiv 1710.05941)."""
    return x * _logistic(x)


def _swish_and_kept(x: jax.Array) -> tuple[jax.Array, jax.Array]:
    return swish(x), x


def _swishs_gradient(x: jax.Array, upstream: jax.Array) -> tuple[jax.Array]:
    share = _logistic(x)
    return (upstream * share * (1 + x * (1 - share)),)


swish.defvjp(_swish_and_kept, _swishs_gradient)

"""Speed of an update of each engine, as ratios in one run: B0 at 64 px on a CPU.

    PYTHONPATH=. python benchmarks/train_engines.py ROUNDS earlier CHECKOUT
    PYTHONPATH=. python benchmarks/train_engines.py ROUNDS jax

earlier: TensorFlow's update, augmentation included, compared with that of another checkout of the
project, such as one made by `git worktree add --detach CHECKOUT COMMIT`. Each has its own process,
and they take turns. jax: the update of the JAX engine compared with a plain JAX loop over the same
network, head and Adam, in one process, in turns. Both print medians of seconds and of processor
seconds, and their ratios: the second depends less on what else the machine does. On a busy machine,
15 rounds gave a ratio 4 % off that of 40 rounds.
"""

import functools
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

CLASSES, SIZE, IMAGES = 1000, 64, 32
ROOT = Path(__file__).parents[1]


Cost: TypeAlias = tuple[float, float]
"""Seconds, and processor seconds of all threads."""


def take_turns(rounds: int, functions: dict[str, Callable[[], Cost]]) -> dict[str, Cost]:
    """Median cost of each, called in turns after two calls that compile and warm up."""
    costs: dict[str, list[Cost]] = {name: [] for name in functions}
    for number in range(2 + rounds):
        for name, function in functions.items():
            costs[name].append(function())
        print(f"round {number + 1} of {2 + rounds}", file=sys.stderr, flush=True)
    return {
        name: (statistics.median(c[0] for c in each[2:]), statistics.median(c[1] for c in each[2:]))
        for name, each in costs.items()
    }


def timed(function: Callable[[], Any]) -> Cost:
    """The cost of one call, whose result is fetched."""
    import numpy as np

    began, used = time.perf_counter(), time.process_time()
    np.asarray(function())
    return time.perf_counter() - began, time.process_time() - used


def show(found: dict[str, Cost], reference: str, aim: str) -> None:
    """Prints each cost, and the reference's as a multiple of the other one's."""
    for name, (seconds, processor) in found.items():
        print(f"  {name:<8} {seconds:.3f} s an update, {processor:.3f} processor seconds")
    [other] = set(found) - {reference}
    wall, processor = (found[reference][i] / found[other][i] for i in (0, 1))
    print(f"  speed of {other} relative to {reference}: {wall:.3f}, {processor:.3f} ({aim})")


def photos() -> tuple[Any, Any]:
    """A fixed batch: images uint8 and labels int32."""
    import numpy as np

    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (IMAGES, SIZE, SIZE, 3)).astype(np.uint8)
    return images, rng.integers(0, CLASSES, IMAGES).astype(np.int32)


def tensorflow_updates() -> None:
    """Makes an update for each line of the standard input, and prints its cost."""
    import tensorflow as tf

    from glrtf.config.training import TrainConfig
    from glrtf.training.accumulation import TrainStep
    from glrtf.training.inputs import Augmentation
    from glrtf.training.state import build_state

    config = TrainConfig(backbone="v2b0", size=SIZE, batch_size=IMAGES, accumulation_steps=1)
    strategy = tf.distribute.OneDeviceStrategy("/cpu:0")
    with strategy.scope():
        state = build_state(config, CLASSES, 0.6, 1e-3, "float32")
    step = TrainStep(state.model, state.updater, accumulation_steps=1, prepare=Augmentation(config))
    images, labels = map(tf.constant, photos())
    update = tf.function(
        lambda: strategy.run(step, args=(images, labels)), autograph=False, jit_compile=False
    )
    for _ in sys.stdin:
        print(*timed(update), flush=True)


def earlier(rounds: int, checkout: str) -> None:
    """Compares this tree with another one."""
    processes: dict[str, Any] = {}
    for name, root in (("now", str(ROOT)), ("earlier", checkout)):
        processes[name] = subprocess.Popen(
            [sys.executable, __file__, "updates"],
            env={**os.environ, "PYTHONPATH": root},
            cwd=root,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def update_in(process: Any) -> Cost:
        process.stdin.write("\n")
        process.stdin.flush()
        line = process.stdout.readline()
        if not line:
            sys.exit(f"a process ended with {process.wait()}; its error is above")
        seconds, processor = map(float, line.split())
        return seconds, processor

    try:
        found = take_turns(
            rounds, {n: functools.partial(update_in, p) for n, p in processes.items()}
        )
    finally:
        for process in processes.values():
            process.stdin.close()
            process.wait()
    print(f"TensorFlow, v2b0 at {SIZE}, {IMAGES} images")
    show(found, "earlier", "at least 0.97")


def on_jax(rounds: int) -> None:
    """Compares the engine's update with a plain loop."""
    from glrtf.config import keras_backend

    keras_backend.use("jax")
    from glrtf.config.data import AugmentConfig
    from glrtf.config.training import TrainConfig
    from glrtf.training.jax_engine import JaxEngine

    off = AugmentConfig(hflip=0.0, hue=0.0, saturation=0.0, contrast=0.0, brightness=0.0)
    config = TrainConfig(
        backbone="v2b0",
        size=SIZE,
        batch_size=IMAGES,
        accumulation_steps=1,
        strategy="cpu",
        engine="jax",
        augment=off,
    )
    engine = JaxEngine.start(config)
    with engine.scope():
        state = engine.build(config, CLASSES, 0.6, 1e-3, "float32")
    batch = photos()
    plain = plain_update(state, batch)
    step = engine.make_step(config, state, SIZE)

    found = take_turns(
        rounds,
        {
            "engine": lambda: timed(lambda: step(batch, 0.0)),
            "plain": lambda: timed(plain),
        },
    )
    print(f"JAX, v2b0 at {SIZE}, {IMAGES} images")
    show(found, "plain", "at least 0.97")


def plain_update(state: Any, batch: tuple[Any, Any]) -> Callable[[], Any]:
    """Forward, backward and Adam in one jitted function, as a program of JAX alone has it."""
    import jax
    import jax.numpy as jnp

    model = state.model
    held = {
        "weights": [jnp.array(v.value) for v in model.trainable_variables],
        "state": [jnp.array(v.value) for v in model.non_trainable_variables],
    }
    held["first"] = [jnp.zeros_like(w) for w in held["weights"]]
    held["second"] = [jnp.zeros_like(w) for w in held["weights"]]
    images, labels = map(jax.device_put, batch)

    def update(held: dict[str, Any], number: jax.Array) -> tuple[dict[str, Any], jax.Array]:
        def loss_of(weights: list[jax.Array]) -> tuple[jax.Array, list[jax.Array]]:
            floats = images.astype(jnp.float32) / 255.0
            (losses, _), after = model.stateless_call(
                weights, held["state"], floats, labels, None, training=True
            )
            return jnp.mean(losses), after

        (loss, after), gradients = jax.value_and_grad(loss_of, has_aux=True)(held["weights"])
        result = {"state": after, "weights": [], "first": [], "second": []}
        rate = 1e-3 * jnp.sqrt(1 - 0.999**number) / (1 - 0.9**number)
        moments = zip(held["weights"], gradients, held["first"], held["second"], strict=True)
        for weight, gradient, first, second in moments:
            first = first + (gradient - first) * 0.1
            second = second + (gradient**2 - second) * 0.001
            result["weights"].append(weight - rate * first / (jnp.sqrt(second) + 1e-7))
            result["first"].append(first)
            result["second"].append(second)
        return result, loss

    compiled = jax.jit(update, donate_argnums=0)
    count = 0

    def run() -> jax.Array:
        nonlocal held, count
        count += 1
        held, loss = compiled(held, jnp.float32(count))
        return loss

    return run


if __name__ == "__main__":
    match sys.argv[1:]:
        case [rounds, "earlier", checkout]:
            earlier(int(rounds), checkout)
        case [rounds, "jax"]:
            on_jax(int(rounds))
        case ["updates"]:
            tensorflow_updates()
        case _:
            sys.exit(__doc__)

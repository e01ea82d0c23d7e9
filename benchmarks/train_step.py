"""Speed and memory of a training step, as ratios in one run.

    python benchmarks/train_step.py [head] [accumulation] [step] [first]

head: ArcFace at 203,094 classes, forward and backward, compared with straightforward
Keras (normalised weights, arc cosine, one-hot labels and categorical cross
entropy), the same without arc cosine and with sparse cross entropy, and the three
matrix products alone; growth of peak memory, each in its own
process. accumulation: K micro-batches and one update
compared with K single passes and one update. step: our step compared with plain Keras with
the same backbone and a Dense softmax of equal width. first: from start to the end
of the first update, in a fresh process, for B0 and for XL.
"""

import functools
import itertools
import multiprocessing
import resource
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

CLASSES, DIMENSION, BATCH = 203_094, 512, 96
SIZE, IMAGES, STEPS = 64, 16, 3
HEAD_ROUNDS = 5


def median_seconds(*functions: Callable[[], Any], rounds: int = 15) -> list[float]:
    """Median time of each function, called alternately, after one call each that traces."""
    for function in functions:
        function()
    seconds: list[list[float]] = [[] for _ in functions]
    for _ in range(rounds):
        for function, taken in zip(functions, seconds, strict=True):
            began = time.perf_counter()
            function()
            taken.append(time.perf_counter() - began)
    return [statistics.median(taken) for taken in seconds]


def head_step(kind: str, results: Any) -> None:
    """Times one head's forward and backward; puts (seconds, peak bytes of weights and step)."""
    import numpy as np
    import tensorflow as tf

    rng = np.random.default_rng(0)
    weights = tf.Variable(tf.zeros((CLASSES, DIMENSION)))
    for row in range(0, CLASSES, 4096):  # In pieces, so that the step makes the peak.
        rows = min(4096, CLASSES - row)
        piece = rng.standard_normal((rows, DIMENSION), np.float32)
        weights[row : row + rows].assign(piece)
    rows = rng.normal(size=(BATCH, DIMENSION)).astype(np.float32)
    x = tf.math.l2_normalize(tf.constant(rows), axis=1)
    labels = tf.constant(rng.integers(0, CLASSES, BATCH).astype(np.int32))

    loss_of = head_losses(labels)[kind]

    @tf.function(autograph=False, jit_compile=False)
    def step() -> tuple[tf.Tensor, list[tf.Tensor]]:
        value = weights.read_value()
        with tf.GradientTape() as tape:
            tape.watch([x, value])
            loss = loss_of(x, value)
        return loss, tape.gradient(loss, [x, value])

    with open("/proc/self/statm") as file:
        before = int(file.read().split()[1]) * resource.getpagesize()
    [seconds] = median_seconds(lambda: step()[0].numpy(), rounds=HEAD_ROUNDS)
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    # The weights were allocated before the step and count too.
    results.put((seconds, after - before + 4 * CLASSES * DIMENSION))


def head_losses(labels: Any) -> dict[str, Callable[[Any, Any], Any]]:
    """Variants of the loss, as functions of embeddings and weights."""
    import numpy as np
    import tensorflow as tf
    from keras import losses, ops

    from glrtf.models import kernels, margins

    def sparse(logits: tf.Tensor) -> tf.Tensor:
        each = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)
        return tf.reduce_mean(each)

    def ours(x: tf.Tensor, w: tf.Tensor) -> tf.Tensor:
        bend = functools.partial(margins.add_angular_margin, margin=0.6)
        return sparse(kernels.bend_true_logits(kernels.cosines(x, w), labels, 30.0, bend))

    def in_keras(x: tf.Tensor, w: tf.Tensor) -> tf.Tensor:
        cosine = ops.matmul(x, ops.transpose(ops.normalize(w, axis=1)))
        theta = ops.arccos(ops.clip(cosine, -1 + 1e-7, 1 - 1e-7))
        true = ops.one_hot(labels, CLASSES)
        logits = 30.0 * (cosine * (1 - true) + ops.cos(theta + 0.6) * true)
        return ops.mean(losses.categorical_crossentropy(true, logits, from_logits=True))

    def one_hot(x: tf.Tensor, w: tf.Tensor) -> tf.Tensor:
        cosine = tf.matmul(x, tf.math.l2_normalize(w, axis=1), transpose_b=True)
        sine = tf.sqrt(tf.clip_by_value(1.0 - cosine**2, 1e-7, 1.0))
        bent = cosine * np.cos(0.6) - sine * np.sin(0.6)
        true = tf.one_hot(labels, CLASSES)
        return sparse(30.0 * (true * bent + (1.0 - true) * cosine))

    def products(x: tf.Tensor, w: tf.Tensor) -> tf.Tensor:
        return sparse(tf.matmul(x, w, transpose_b=True))

    return {"keras": in_keras, "one-hot": one_hot, "products": products, "ours": ours}


def head() -> None:
    """Compares our head with straightforward Keras, each in a fresh process."""
    measured = {}
    context = multiprocessing.get_context("spawn")
    for kind in ("keras", "one-hot", "products", "ours"):
        results = context.Queue()
        process = context.Process(target=head_step, args=(kind, results))
        process.start()
        measured[kind] = results.get()
        process.join()
    limit = 4 * (3 * CLASSES * DIMENSION + 3 * BATCH * CLASSES)
    print(f"head: {CLASSES} classes x {DIMENSION}, batch {BATCH}, forward and backward")
    for kind, (seconds, memory) in measured.items():
        print(
            f"  {kind:9} {seconds:7.2f} s   {memory / 1e9:5.2f} GB"
            f"   {memory / limit:5.2f} of 3 x weights + 3 x logits"
        )
    ratios = {kind: seconds / measured["ours"][0] for kind, (seconds, _) in measured.items()}
    print(f"  ours over keras {ratios['keras']:.2f} x (at least 1.5)")
    print(f"  ours over one-hot {ratios['one-hot']:.2f} x; products alone {ratios['products']:.2f}")


def training_step(accumulation_steps: int, batch: int) -> dict[str, Callable[[], Any]]:
    """For a fixed batch of `batch` images: our update, one pass of it, and only applying it."""
    import numpy as np
    import tensorflow as tf

    from glrtf.models.heads import build_head
    from glrtf.models.retrieval_model import RetrievalModel, build_embedding_model
    from glrtf.training.accumulation import TrainStep, statistics
    from glrtf.training.optimizers import Updater

    strategy = tf.distribute.OneDeviceStrategy("/cpu:0")
    with strategy.scope():
        embedding = build_embedding_model("v2b0", SIZE)
        model = RetrievalModel(embedding, build_head("arcface", 1000, scale=30.0, margin=0.6))
        updater = Updater("adam", 1e-3, model.trainable_variables)
    step = TrainStep(
        model,
        updater,
        accumulation_steps=accumulation_steps,
        prepare=lambda images, replica, number: (tf.cast(images, tf.float32) / 255.0, None),
    )
    rng = np.random.default_rng(0)
    images = tf.constant(rng.integers(0, 256, (batch, SIZE, SIZE, 3)).astype(np.uint8))
    labels = tf.constant(rng.integers(0, 1000, batch).astype(np.int32))
    zeros = [tf.zeros_like(v.value) for v in model.trainable_variables]

    def one_pass() -> list[tf.Tensor]:
        weights = [tf.convert_to_tensor(v) for v in model.trainable_variables]
        state = [tf.convert_to_tensor(v) for v in statistics(model)]
        _, _, gradients = step.micro_batch(tf.constant(0), weights, state, images, labels)
        return gradients

    compiled = functools.partial(tf.function, autograph=False, jit_compile=False)
    whole = compiled(lambda: strategy.run(step, args=(images, labels)))
    alone = compiled(lambda: updater.apply(strategy, zeros))
    one = compiled(lambda: strategy.run(one_pass))
    return {"whole": lambda: whole().numpy(), "pass": one, "update": alone}


def accumulation() -> None:
    """Compares K micro-batches and one update with K single passes and one update."""
    many, one = training_step(STEPS, STEPS * IMAGES), training_step(1, IMAGES)
    functions = (many["whole"], one["pass"], one["update"])
    together, single, alone = median_seconds(*functions, rounds=25)
    expected = STEPS * single + alone
    print(f"accumulation: v2b0 at {SIZE}, {STEPS} micro-batches of {IMAGES}: {together:.3f} s")
    print(f"  a pass {single:.3f} s, an update {alone:.3f} s")
    print(f"  ratio to {STEPS} passes and one update {together / expected:.3f} (up to 1.03)")


def step() -> None:
    """Compares our step with Keras's, with the same backbone and a Dense softmax."""
    import keras
    import numpy as np

    from glrtf.models.backbones import build_backbone

    ours = training_step(1, IMAGES)["whole"]
    images = keras.Input((SIZE, SIZE, 3))
    x = keras.layers.GlobalAveragePooling2D()(build_backbone("v2b0", SIZE)(images))
    x = keras.layers.Dense(512)(keras.layers.Dropout(0.2)(x))
    plain = keras.Model(images, keras.layers.Dense(1000)(x))
    plain.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    rng = np.random.default_rng(0)
    floats = rng.uniform(size=(IMAGES, SIZE, SIZE, 3)).astype(np.float32)
    labels = rng.integers(0, 1000, IMAGES)
    own, theirs = median_seconds(ours, lambda: plain.train_on_batch(floats, labels))
    print(f"step: v2b0 at {SIZE}, batch {IMAGES}: ours {own:.3f} s, plain Keras {theirs:.3f} s")
    print(f"  ratio {own / theirs:.3f} (up to 1.05)")


def first_update(backbone: str, size: int, results: Any) -> None:
    """Times the run up to the first update; puts seconds of import, build, trace, and update."""
    marks = [time.perf_counter()]
    import tensorflow as tf

    from glrtf.config.training import TrainConfig
    from glrtf.training.accumulation import TrainStep
    from glrtf.training.inputs import Augmentation
    from glrtf.training.state import build_state

    marks.append(time.perf_counter())
    config = TrainConfig(backbone=backbone, size=size, batch_size=1, accumulation_steps=1)
    state = build_state(config, 1000, 0.6, 1e-3, "float32")
    marks.append(time.perf_counter())
    step = TrainStep(state.model, state.updater, accumulation_steps=1, prepare=Augmentation(config))
    run = tf.function(step, autograph=False, jit_compile=False)
    images, labels = tf.zeros((1, size, size, 3), tf.uint8), tf.zeros(1, tf.int32)
    traced = run.get_concrete_function(images, labels)
    marks.append(time.perf_counter())
    traced(images, labels).numpy()
    marks.append(time.perf_counter())
    results.put([later - earlier for earlier, later in itertools.pairwise(marks)])


def first() -> None:
    """Time from start to the end of the first update."""
    context = multiprocessing.get_context("spawn")
    for backbone, size in (("v2b0", 128), ("v2xl", 640)):
        results = context.Queue()
        process = context.Process(target=first_update, args=(backbone, size, results))
        process.start()
        seconds = results.get()
        process.join()
        names = ("import", "build", "trace", "first update")
        message = ", ".join(f"{n} {s:.1f} s" for n, s in zip(names, seconds, strict=True))
        print(f"first: {backbone} at {size}: {message}; in all {sum(seconds):.1f} s")


if __name__ == "__main__":
    for part in sys.argv[1:] or ["head", "accumulation", "step", "first"]:
        {"head": head, "accumulation": accumulation, "step": step, "first": first}[part]()

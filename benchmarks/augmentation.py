"""Cost of augmentation on the device, relative to a training pass of EfficientNetV2-S at 384.

    python benchmarks/augmentation.py [--batch 4] [--rounds 3]

Both are compiled with XLA for the CPU: the pass is forward and backward with
ArcFace over 1000 classes, the augmentation is the published recipe on the
same batch. The optional augmentations are timed too. The target is at most 3 %.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from typing import Any

BACKBONE, SIZE, CLASSES = "v2s", 384, 1000
LIMIT = 0.03


def training_pass(batch: int) -> Callable[[Any], Any]:
    """Forward and backward over float images (batch, SIZE, SIZE, 3), compiled."""
    import tensorflow as tf

    from glrtf.models.heads import build_head
    from glrtf.models.retrieval_model import RetrievalModel, build_embedding_model
    from glrtf.training.accumulation import TrainStep, statistics
    from glrtf.training.optimizers import Updater

    embedding = build_embedding_model(BACKBONE, SIZE)
    model = RetrievalModel(embedding, build_head("arcface", CLASSES, scale=30.0, margin=0.6))
    step = TrainStep(
        model,
        Updater("adam", 1e-3, model.trainable_variables),
        accumulation_steps=1,
        prepare=lambda images, replica, number: (images, None),
    )
    labels = tf.range(batch, dtype=tf.int32)

    @tf.function(autograph=False, jit_compile=True)
    def one_pass(images: tf.Tensor) -> Any:
        weights = [tf.convert_to_tensor(v) for v in model.trainable_variables]
        state = [tf.convert_to_tensor(v) for v in statistics(model)]
        return step.micro_batch(tf.constant(0), weights, state, images, labels)

    return one_pass


def augmentation(**settings: Any) -> Callable[[Any], Any]:
    """The augmentation with these settings, compiled."""
    import tensorflow as tf

    from glrtf.config.data import AugmentConfig
    from glrtf.data.augment import augment

    config = AugmentConfig(**settings)
    return tf.function(
        lambda images: augment(images, tf.constant([1, 2]), config),
        autograph=False,
        jit_compile=True,
    )


def median_seconds(function: Callable[[Any], Any], images: Any, rounds: int) -> float:
    """Median over calls, after a first call that compiles."""
    import tensorflow as tf

    taken = []
    for _ in range(rounds + 1):
        began = time.perf_counter()
        _ = tf.nest.flatten(function(images))[0].numpy()
        taken.append(time.perf_counter() - began)
    return statistics.median(taken[1:])


def main() -> None:
    """Times the pass, the published augmentation, and its options."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()

    import numpy as np

    generator = np.random.default_rng(0)
    images = generator.random((arguments.batch, SIZE, SIZE, 3), np.float32)
    one_pass = median_seconds(training_pass(arguments.batch), images, arguments.rounds)
    print(f"{BACKBONE} at {SIZE}, batch {arguments.batch}: a training pass {one_pass:.2f} s")
    kinds: dict[str, dict[str, Any]] = {
        "as published": {},
        "with affine": {"affine": True},
        "with cutout": {"cutout": 6},
        "with crop": {"crop": 0.25},
        "with RandAugment": {"rand_augment": 2},
    }
    for name, settings in kinds.items():
        seconds = median_seconds(augmentation(**settings), images, 5 * arguments.rounds)
        print(f"  {name:17} {1e3 * seconds:7.1f} ms   {seconds / one_pass:.4f} of the pass", end="")
        print(f" (at most {LIMIT})" if not settings else "", flush=True)


if __name__ == "__main__":
    main()

"""What the tests of JAX compare with TensorFlow, computed on four virtual CPU devices.

    python tests/jax_checks.py OUTPUT.npz CONFIG.yaml WORKDIR...
    python tests/jax_checks.py OUTPUT.npz    # one process of a cluster: see `in_a_cluster`

A process runs Keras on one backend, so this one writes arrays and the tests read them. It cannot
import TensorFlow, as on a machine that has none.
"""

import contextlib
import dataclasses
import importlib.abc
import os
import re
import sys
from typing import Any

import numpy as np

DEVICES = 4
# Programs of microseconds, compiled a fifth as long: no LLVM optimisation, no fused kernels.
XLA_FLAGS = (
    "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true "
    "--xla_cpu_use_fusion_emitters=false --xla_cpu_parallel_codegen_split_count=1"
)
HEADS = ("arcface", "subcenter", "curricular")
OPTIMIZERS = ("adam", "lamb", "sgd")
CLASSES, DIMENSION, IMAGES = 7, 6, 8


def head_case() -> dict[str, np.ndarray]:
    """Unit rows, labels, mixing partners and centres for every head."""
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(IMAGES, DIMENSION)).astype(np.float32)
    return {
        "rows": rows / np.linalg.norm(rows, axis=1, keepdims=True),
        "labels": rng.integers(0, CLASSES, IMAGES).astype(np.int32),
        "partner": np.roll(np.arange(IMAGES, dtype=np.int32), 1),
        "share": rng.random(IMAGES).astype(np.float32),
        "centers": rng.normal(size=(3 * CLASSES, DIMENSION)).astype(np.float32),
        "margins": rng.uniform(0.1, 0.5, CLASSES).astype(np.float32),
    }


def make_head(kind: str, case: dict[str, np.ndarray], kinds: Any = None, replicas: Any = None):
    """A head with the case's centres."""
    from glrtf.models.class_shards import assign_whole, whole_shape
    from glrtf.models.heads import KINDS, build_head

    head = build_head(
        kind,
        CLASSES,
        scale=16.0,
        margin=case["margins"].tolist(),
        num_centers=3,
        kinds=kinds or KINDS,
    )
    if replicas is not None:
        head.replicas = replicas
    head.build((None, DIMENSION))
    head.built = True
    assign_whole(head.centers, case["centers"][: whole_shape(head.centers)[0]])
    return head


def training_case(
    count: int = 3, size: int = 16, row_width: int = 0
) -> list[tuple[np.ndarray, ...]]:
    """Batches of all replicas together, with rows of another descriptor if they have a width."""
    rng = np.random.default_rng(1)
    batches = [
        (
            rng.integers(0, 256, (size, 6, 6, 3)).astype(np.uint8),
            rng.integers(0, 5, size).astype(np.int32),
        )
        for _ in range(count)
    ]
    if not row_width:
        return batches
    rows = rng.normal(size=(count, size, row_width)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=-1, keepdims=True)
    return [(*batch, own) for batch, own in zip(batches, rows, strict=True)]


class NoTensorFlow(importlib.abc.MetaPathFinder):
    """Makes `import tensorflow` fail as where it is not installed."""

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> None:
        if name.partition(".")[0] == "tensorflow":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


def main() -> None:
    sys.meta_path.insert(0, NoTensorFlow())
    os.environ.setdefault("JAX_NUM_CPU_DEVICES", str(DEVICES))
    from glrtf.config import keras_backend

    keras_backend.use("jax")
    if len(sys.argv) == 2:
        in_a_cluster(sys.argv[1])
        return
    output, config_path, *runs = sys.argv[1:]
    import jax

    jax.config.update("jax_default_matmul_precision", "highest")
    found: dict[str, np.ndarray] = {}
    for kind in HEADS:
        whole_head(kind, found)
        split_head(kind, found)
    for optimizer in OPTIMIZERS:
        found |= {f"{optimizer}/{k}": v for k, v in trained(optimizer, devices=2).items()}
    found |= {f"one/{k}": v for k, v in trained("adam", devices=1, steps=4).items()}
    for name, sharded in (("split", True), ("whole", False)):
        four = trained("adam", devices=4, steps=4, sharded=sharded)
        found |= {f"{name}/{k}": v for k, v in four.items()}
    found |= {f"tuned/{k}": v for k, v in trained("adam", devices=2, tuned=True).items()}
    half = trained("sgd", devices=2, precision="mixed_bfloat16")
    found |= {f"bfloat16/{k}": v for k, v in half.items()}
    found["factors"] = factors_by_depth()
    without_values(found)
    decoded(found)
    found |= {f"sync/{k}": v for k, v in trained("adam", devices=2, sync=True).items()}
    found |= {f"rows/{k}": v for k, v in trained("sgd", devices=2, row_width=3).items()}
    rematerialised(found)
    normalized(found)
    activated(found)
    resumed(config_path, runs, found)
    commands(config_path, found)
    np.savez(output, **found)


def in_a_cluster(output: str) -> None:
    """What two devices of one process train, by one device of each of two processes."""
    from glrtf.training import jax_devices

    devices = jax_devices.find_devices("cpu")
    found = trained("adam", devices=len(devices))
    np.savez(output, processes=len({d.process_index for d in devices}), **found)


def whole_head(kind: str, found: dict[str, np.ndarray]) -> None:
    import jax
    import jax.numpy as jnp

    case = head_case()
    head = make_head(kind, case)

    def loss(rows: Any, centers: Any, mixed: bool) -> Any:
        pairing = (case["partner"], case["share"]) if mixed else None
        # In the order of `head.trainable_variables`.
        (losses, right), _ = head_losses(head, [centers], rows, case["labels"], pairing)
        return jnp.sum(losses), (losses, right)

    # Compiled as one program: operation by operation takes ten times as long.
    gradient = jax.jit(jax.value_and_grad(loss, argnums=(0, 1), has_aux=True), static_argnums=2)
    for mixed in (False, True):
        centers = np.array(head.centers.value)
        (_, (losses, right)), gradients = gradient(case["rows"], centers, mixed)
        name = f"{kind}/{'mixed' if mixed else 'plain'}"
        found[f"{name}/losses"], found[f"{name}/right"] = losses, right
        found[f"{name}/to_rows"], found[f"{name}/to_centers"] = gradients


def head_losses(head: Any, weights: Any, rows: Any, labels: Any, pairing: Any) -> Any:
    """The head's losses with these weights, and its state afterwards."""
    from glrtf.config.keras_settings import keras

    pairs = list(zip(head.trainable_variables, weights, strict=True))
    with keras.StatelessScope(state_mapping=pairs) as scope:
        losses = head.losses(rows, labels, pairing, training=True)
    return losses, [scope.get_current_value(v) for v in head.non_trainable_variables]


def split_head(kind: str, found: dict[str, np.ndarray]) -> None:
    """The same with classes split over four devices, each with its own two images."""
    import jax
    import jax.numpy as jnp
    from jax.sharding import PartitionSpec

    from glrtf.models.class_shards import parts_of, shards_of
    from glrtf.models.kernels import Replicas
    from glrtf.models.sharded_head import SHARDED_KINDS
    from glrtf.training.jax_devices import make_mesh

    case = head_case()
    head = make_head(kind, case, SHARDED_KINDS, Replicas(DEVICES))
    centers = np.concatenate([part.numpy() for part in parts_of(head.centers)])
    mesh = make_mesh(jax.devices(), split_classes=True)
    each = PartitionSpec(("data", "model"))
    local = np.arange(IMAGES) // 2 * 2 + (np.arange(IMAGES) + 1) % 2  # The other one of two.

    def of_device(rows: Any, centers: Any, labels: Any, partner: Any, share: Any) -> Any:
        def loss(rows: Any, centers: Any) -> Any:
            (losses, right), _ = head_losses(head, [centers], rows, labels, (partner, share))
            return jnp.sum(losses), (losses, right)

        (_, aux), gradients = jax.value_and_grad(loss, argnums=(0, 1), has_aux=True)(rows, centers)
        return *aux, *gradients

    run = jax.jit(
        jax.shard_map(
            of_device, mesh=mesh, in_specs=(each,) * 5, out_specs=(each,) * 4, check_vma=False
        )
    )
    partner = (local % 2).astype(np.int32)
    result = run(case["rows"], centers, case["labels"], partner, case["share"])
    names = ("losses", "right", "to_rows")
    for name, value in zip(names, result[:3], strict=True):
        found[f"{kind}/split/{name}"] = np.asarray(value)
    parts = np.split(np.asarray(result[3]), DEVICES)
    shards = shards_of(head.centers)
    assert shards is not None
    found[f"{kind}/split/to_centers"] = shards.join(parts)
    # What it must equal: all images on one device, each mixed with the same other.
    whole = make_head(kind, case)

    def whole_loss(rows: Any, centers: Any) -> Any:
        pairing = (local.astype(np.int32), case["share"])
        (losses, right), _ = head_losses(whole, [centers], rows, case["labels"], pairing)
        return jnp.sum(losses), (losses, right)

    (_, aux), gradients = jax.jit(jax.value_and_grad(whole_loss, argnums=(0, 1), has_aux=True))(
        case["rows"], np.array(whole.centers.value)
    )
    for name, value in zip((*names, "to_centers"), (*aux, *gradients), strict=True):
        found[f"{kind}/whole/{name}"] = np.asarray(value)


def trained(
    optimizer: str,
    *,
    devices: int,
    steps: int = 2,
    sharded: bool = False,
    sync: bool = False,
    precision: str = "float32",
    tuned: bool = False,
    row_width: int = 0,
) -> dict[str, np.ndarray]:
    """Weights, statistics and figures after three updates of the tiny model, and HLO counts."""
    import jax
    from jax.sharding import NamedSharding

    from glrtf.models.class_shards import assign_whole, read_whole
    from glrtf.models.kernels import Replicas
    from glrtf.training import jax_devices, jax_placement, jax_step
    from glrtf.training.optimizers import Updater
    from glrtf.training.state import TrainState, statistics

    mesh = jax_devices.make_mesh(jax.devices()[:devices], split_classes=sharded)
    replicas = Replicas(devices) if sharded else None
    model = model_of(precision, sync=sync, sharded=sharded, replicas=replicas, row_width=row_width)
    pairs = zip(model.trainable_variables, first_weights(row_width), strict=True)
    for variable, value in pairs:
        assign_whole(variable, value)
    updater = Updater(optimizer, 1e-2, model.trainable_variables, 1e-2, *tuning(model, tuned))
    state = TrainState(model, updater, 0.9)
    if state.average is not None:
        state.average.reset()
    update = jax_step.make_update(state, mesh, to_float, accumulation_steps=steps, clip_norm=1.0)
    values = jax_placement.place(state, mesh)
    sharding = NamedSharding(mesh, jax_placement.BY_DEVICE)
    stop = jax.device_put(np.zeros(devices, np.float32), sharding)
    batches = [jax.device_put(each, sharding) for each in training_case(row_width=row_width)]
    # Compiled once, for its text and its calls.
    compiled = update.lower(values, batches[0], stop).compile()
    figures = []
    for batch in batches:
        values, figure = compiled(values, batch, stop)
        figures.append(np.asarray(figure))
    averaged = jax_placement.average_over_devices(values.statistics, mesh)
    values = values._replace(statistics=averaged)
    jax_placement.take_back(state, values, jax_devices.host())
    arrays = {f"weights/{n}": read_whole(v) for n, v in enumerate(model.trainable_variables)}
    arrays |= {f"statistics/{n}": np.array(v.value) for n, v in enumerate(statistics(model))}
    arrays |= {f"averages/{n}": read_whole(v) for n, v in enumerate(state.average.variables)}
    return {
        **arrays,
        "figures": np.array(figures),
        "collectives": np.array(collectives(compiled.as_text())),
        "crossing": np.array(crossing(compiled.as_text())),
    }


def model_of(precision: str, **options: Any) -> Any:
    """The tiny model that computes in a precision."""
    from tiny_models import tiny_model

    from glrtf.config.keras_settings import keras

    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(precision)
    try:
        return tiny_model(batch_norm=True, **options)
    finally:
        keras.config.set_dtype_policy(before)


def tuning(model: Any, tuned: bool) -> tuple[Any, ...]:
    """Factors on the variables' learning rates; convolution and BatchNorm kept for two updates."""
    from glrtf.training.fine_tuning import Frozen

    if not tuned:
        return None, None
    kept = [*model.trainable_variables[:4], *statistics_of(model)]
    return [0.25, 0.25, 0.5, 0.5, 1.0, 1.0, 3.0], Frozen(2, frozenset(map(id, kept)))


def statistics_of(model: Any) -> list[Any]:
    """BatchNorm's statistics."""
    from glrtf.training.state import statistics

    return statistics(model)


def first_weights(row_width: int = 0) -> list[np.ndarray]:
    """Weights that both engines begin with: their own random numbers differ."""
    rng = np.random.default_rng(2)
    shapes = [(3, 3, 3, 4), (4,), (4,), (4,), (4, 6), (6,), (5, 6)]
    if row_width:
        shapes += [(6, row_width), (row_width,)]
    values = [rng.normal(size=shape).astype(np.float32) * 0.3 for shape in shapes]
    values[2] = np.abs(values[2]) + 0.5  # BatchNorm's scale.
    return values


def to_float(images: Any, replica: Any, number: Any) -> Any:
    """Without augmentation, whose random numbers differ."""
    from glrtf.config.keras_settings import keras

    return keras.ops.cast(images, "float32") / 255.0, None


def collectives(text: str) -> tuple[int, int]:
    """How many operations cross devices in a compiled program, and how many of them in loops."""
    from glrtf.planning.program_text import count_collectives

    total, inside = count_collectives(text)
    return sum(total.values()), sum(inside.values())


def crossing(text: str) -> list[str]:
    """The types of what crosses devices inside loops, such as `all-gather f32[8,6]`."""
    bodies = set(re.findall(r"body=%?([\w.\-]+)", text))
    kinds = r"(all-reduce|all-gather|reduce-scatter|all-to-all|collective-permute)(-start)?\("
    found = []
    name = ""
    for line in text.splitlines():
        if match := re.match(r"(?:ENTRY )?%?([\w.\-]+) \(.*\{$", line):
            name = match[1]
        if name in bodies and (match := re.search(rf"= (.*?) {kinds}", line)):
            found += [f"{match[2]} {each}" for each in re.findall(r"\w+\[[\d,]*\]", match[1])]
    return sorted(found)


def rematerialised(found: dict[str, np.ndarray]) -> None:
    """A gradient with and without activations kept, and what moves besides."""
    import jax
    import jax.numpy as jnp

    from glrtf.models.kernels import rematerialise

    x, weight = np.float32([[0.3, -0.2]]), np.float32([[1.0, 2.0], [0.5, -1.0]])

    def run(x: Any, weights: Any) -> Any:
        result = jnp.tanh(x @ weights[0])
        return result, [jnp.mean(result)]

    def loss(weight: Any, again: bool) -> Any:
        result, moved = rematerialise(run, x, [weight]) if again else run(x, [weight])
        return jnp.sum(result**2), moved[0]

    for name, again in (("kept", False), ("again", True)):
        gradient, moved = jax.grad(loss, has_aux=True)(weight, again)
        found[f"rematerialised/{name}"] = np.append(gradient, moved)


NORMS = {
    "both": {},
    "no offset": {"center": False},
    "no scale": {"scale": False},
    "frozen": {"trainable": False},
}


def normalized(found: dict[str, np.ndarray]) -> None:
    """BatchNorm's outputs, statistics and gradients: ours, and those that JAX derives of Keras'."""
    import jax
    import jax.numpy as jnp
    import keras

    from glrtf.models.kernels import BatchNormalization

    kinds = {"ours": BatchNormalization, "keras": keras.layers.BatchNormalization}
    rng = np.random.default_rng(0)
    x, weights = rng.normal(2.0, 3.0, (2, 4, 3, 2, 5)).astype(np.float32)
    for case, options in NORMS.items():
        for name, kind in kinds.items():
            layer = kind(momentum=0.9, epsilon=1e-3, **options)
            layer.build(x.shape)
            fixed = [variable.value for variable in layer.non_trainable_variables]
            moved = [np.linspace(0.5, 2, 5, dtype=np.float32) for _ in layer.trainable_variables]

            def loss(x: Any, moved: Any, layer: Any = layer, fixed: Any = fixed) -> Any:
                outputs, statistics = layer.stateless_call(moved, fixed, x, training=True)
                return jnp.sum(outputs * weights), (outputs, statistics)

            gradients, (outputs, statistics) = jax.grad(loss, (0, 1), has_aux=True)(x, moved)
            arrays = [outputs, *statistics, gradients[0], *gradients[1]]
            found[f"normalized/{case}/{name}"] = np.concatenate([np.ravel(a) for a in arrays])


def activated(found: dict[str, np.ndarray]) -> None:
    """Activations and their gradients, and how often their program has what operation."""
    import jax
    import jax.numpy as jnp

    from glrtf.models import kernels

    x = jnp.arange(-60, 61) / 2
    for name in ("sigmoid", "swish"):
        run = getattr(kernels, name)
        both = jax.jit(jax.vmap(jax.value_and_grad(run)))
        text = both.lower(x).as_text()
        found[f"activated/{name}/operations"] = np.array(
            [text.count(f"stablehlo.{kind}") for kind in ("logistic", "exponential", "divide")]
        )
        found[f"activated/{name}/float32"] = np.stack(both(x))
        found[f"activated/{name}/alone"] = np.asarray(run(x))
        half = jax.jit(run)(x.astype(jnp.bfloat16))
        found[f"activated/{name}/bfloat16"] = np.asarray(half.astype(jnp.float32))


def resumed(config_path: str, runs: list[str], found: dict[str, np.ndarray]) -> None:
    """Resumes runs of the tiny model to their end, each in its own workdir."""
    import jax
    from tiny_runs import Recorder, trainer

    from glrtf.config.training import TrainConfig
    from glrtf.training.jax_devices import make_mesh
    from glrtf.training.jax_engine import JaxEngine
    from tfrecords_tools.command import cli

    config = cli.parse(TrainConfig, [f"--config={config_path}"], prog="glrtf.train")
    for number, workdir in enumerate(runs):
        recorder = Recorder()
        engine = JaxEngine(make_mesh(jax.devices()[:1], split_classes=False))
        one = dataclasses.replace(config, workdir=workdir)
        made, state = trainer(one, engine=engine, dropout=0.0, loggers=[recorder])
        made.run()
        found[f"resumed/{number}/losses"] = losses_of(recorder)
        found |= {f"resumed/{number}/arrays/{k}": v for k, v in state.arrays().items()}


def commands(config_path: str, found: dict[str, np.ndarray]) -> None:
    """Trains with validation and embeds, by the commands, in `whole` next to the workdir.

    The backbone alone is a small one: that of the settings takes a minute to compile.
    """
    import yaml
    from tiny_models import tiny_embedding_model

    from glrtf.commands import embed, train
    from glrtf.models import retrieval_model
    from glrtf.training import state

    state.embedding_model_from_config = tiny_embedding_model  # type: ignore[assignment]
    retrieval_model.embedding_model_from_config = tiny_embedding_model  # type: ignore[assignment]
    with open(config_path) as file:
        settings = yaml.safe_load(file)
    data, folder = settings["data"], os.path.dirname(settings["workdir"])
    workdir, rows = os.path.join(folder, "whole"), os.path.join(folder, "rows_of_jax")
    common = ["--engine=jax", "--strategy=cpu"]
    code = train.main(
        [
            *(f"--config={config_path}", f"--workdir={workdir}", "--epochs=2"),
            *("--learning_rate=0.01", "--augment.hflip=0.5", "--augment.crop=0.5"),
            *("--augment.affine=true", "--augment.mixup=0.2", "--augment.rand_augment=1"),
            *("--ema_momentum=0", "--accumulation_steps=1", *common),
        ]
    )
    codes = [code]
    codes.append(
        embed.main(
            [
                *(f"--model={workdir}", f"--data={data}", "--split=train", f"--output={rows}"),
                *("--batch_size=3", "--scales", "1", "1.5", *common),
            ]
        )
    )
    found["commands"] = np.array(codes)
    found["without_tensorflow"] = np.array("tensorflow" not in sys.modules)


def factors_by_depth() -> np.ndarray:
    """The factor on each variable's learning rate in a small EfficientNetV2 that is fine-tuned."""
    from glrtf.config.keras_settings import ON_JAX
    from glrtf.config.training import TrainConfig
    from glrtf.models import efficientnet_v2
    from glrtf.models.retrieval_model import embedding_model_from_config
    from glrtf.planning import jax_compiler
    from glrtf.training.fine_tuning import rate_factors

    small = efficientnet_v2.Variant("r1k3s2e1i8o8c1 r1k3s2e2i8o16se.25")
    kept = efficientnet_v2.VARIANTS["v2b0"]
    efficientnet_v2.VARIANTS["v2b0"] = small
    try:
        config = TrainConfig(size=32, layer_decay=0.5, head_learning_rate_factor=10.0)
        # Drawing weights takes most of the time on JAX.
        with jax_compiler.no_values() if ON_JAX else contextlib.nullcontext():
            model = embedding_model_from_config(config, "float32")
    finally:
        efficientnet_v2.VARIANTS["v2b0"] = kept
    return np.array(rate_factors(config, model, model.trainable_variables))


def without_values(found: dict[str, np.ndarray]) -> None:
    """Kernels and seeds of layers that a plan builds, and a kernel that is built afterwards."""
    from glrtf.config.keras_settings import keras
    from glrtf.planning import jax_compiler

    def layer() -> Any:
        model = keras.Sequential([keras.layers.Dense(3), keras.layers.Dropout(0.5, seed=7)])
        model.build((None, 2))
        return model

    with jax_compiler.no_values():
        planned = layer()
        slots = keras.optimizers.Adam(1e-3)
        slots.build(planned.trainable_variables)
    found["planned/kernel"] = np.array(planned.layers[0].kernel.value)
    found["planned/seed"] = np.array(planned.layers[1].seed_generator.state.value)
    shared = [v for v in slots.variables if tuple(v.shape) == (2, 3)]
    found["planned/shared"] = np.array([v.value is shared[0].value for v in shared])
    found["planned/afterwards"] = np.array(layer().layers[0].kernel.value)


def photo_files() -> dict[str, bytes]:
    """One photo in formats that decoders treat differently."""
    import io

    from PIL import Image

    rng = np.random.default_rng(0)
    drawn = Image.fromarray(rng.integers(0, 256, (6, 8, 3)).astype(np.uint8))
    photo = drawn.resize((61, 43), Image.Resampling.BICUBIC)
    gray = photo.convert("L")
    with_alpha = photo.copy()
    with_alpha.putalpha(gray)

    def encoded(image: Image.Image, kind: str, **options: Any) -> bytes:
        file = io.BytesIO()
        image.save(file, kind, **options)
        return file.getvalue()

    return {
        "jpeg": encoded(photo, "JPEG"),
        "progressive": encoded(photo, "JPEG", progressive=True),
        "full colour": encoded(photo, "JPEG", subsampling=0),
        "gray jpeg": encoded(gray, "JPEG"),
        "cmyk": encoded(photo.convert("CMYK"), "JPEG"),
        "png": encoded(photo, "PNG"),
        "gray png": encoded(gray, "PNG"),
        "alpha": encoded(with_alpha, "PNG"),
        "palette": encoded(photo.quantize(16), "PNG", transparency=3),
        "16 bits": encoded(Image.fromarray(np.asarray(gray, np.uint16) * 256 + 7), "PNG"),
        "cut": encoded(photo, "JPEG")[:-200],
        "gif": encoded(photo.quantize(16), "GIF"),
    }


def decoded(found: dict[str, np.ndarray]) -> None:
    """What each file decodes to without TensorFlow; nothing for one that is refused."""
    from glrtf.data.host_images import decode_on_host

    for name, encoded in photo_files().items():
        try:
            found[f"decoded/{name}"] = decode_on_host(encoded)
        except ValueError:
            found[f"decoded/{name}"] = np.zeros(0)


def losses_of(recorder: Any) -> np.ndarray:
    """Losses and gradient norms of all epochs, `(epochs, 2)`."""
    names = ("train_loss", "train_gradient_norm")
    return np.array([[row[name] for name in names] for row in recorder.rows.values()])


if __name__ == "__main__":
    main()

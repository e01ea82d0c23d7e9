"""Variables whose classes are split over the replicas, each holding its own.

Such a variable is one of tf.distribute's that is never synchronised: a replica reads and writes its
own part, and TPUs do not assume that the parts are equal. Outside a step it is read and written as
a whole, in the layout of a variable that is not split, so files do not depend on the replicas.
"""

import contextlib
import dataclasses
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:  # Checkpoints are listed and read without TensorFlow.
    import tensorflow as tf

    from glrtf.config.keras_settings import keras

# The attribute with a Keras variable's layout.
_ATTRIBUTE = "class_shards"
# The attribute with the replicas' parts on JAX; the variable itself has a part's shape.
_PARTS = "class_parts"


@dataclasses.dataclass(frozen=True)
class ClassShards:
    """How rows of class centres are distributed over replicas.

    Unsplit, rows are centre-major: `(num_centers · num_classes, dimension)`. A replica holds `size`
    consecutive classes of each centre, the last replicas possibly fewer, padded with zeros.

    Attributes:
        num_classes: Over all replicas.
        num_centers: Centres a class.
        num_replicas: How many replicas they are split over.
    """

    num_classes: int
    num_centers: int
    num_replicas: int

    @property
    def size(self) -> int:
        """Classes of one replica, including padding."""
        return -(-self.num_classes // self.num_replicas)

    @property
    def padded(self) -> bool:
        """Whether some replica has padding rows."""
        return self.size * self.num_replicas > self.num_classes

    def part(self, whole: np.ndarray, replica: int) -> np.ndarray:
        """A replica's rows `(num_centers · size, dimension)` of all rows."""
        by_center = whole.reshape(self.num_centers, self.num_classes, -1)
        rows = by_center[:, replica * self.size : (replica + 1) * self.size]
        missing = self.size - rows.shape[1]
        if missing:
            rows = np.pad(rows, [(0, 0), (0, missing), (0, 0)])
        return rows.reshape(self.num_centers * self.size, -1)

    def join(self, parts: list[np.ndarray]) -> np.ndarray:
        """Joins all replicas' parts, without padding."""
        by_center = [part.reshape(self.num_centers, self.size, -1) for part in parts]
        whole = np.concatenate(by_center, axis=1)[:, : self.num_classes]
        return whole.reshape(self.num_centers * self.num_classes, -1)


@contextlib.contextmanager
def made_split(shards: ClassShards | None) -> Iterator[None]:
    """Inside this context, variables are created for replicas with different values.

    Mark them with `mark` afterwards. None changes nothing.
    """
    from glrtf.config.keras_settings import ON_JAX

    if shards is None or ON_JAX:  # On JAX, values are split when they are placed on the mesh.
        yield
        return
    import tensorflow as tf

    def create(next_creator: Any, **options: Any) -> "tf.Variable":
        options["synchronization"] = tf.VariableSynchronization.ON_READ
        # This only determines what a read outside a step returns; `read_whole` reads everything.
        options["aggregation"] = tf.VariableAggregation.ONLY_FIRST_REPLICA
        return next_creator(**options)

    with tf.variable_creator_scope(create):
        yield


def mark(variable: "keras.Variable", shards: ClassShards | None) -> "keras.Variable":
    """Marks how a variable is split; returns it."""
    from glrtf.config.keras_settings import ON_JAX

    if shards is not None:
        setattr(variable, _ATTRIBUTE, shards)
        if ON_JAX:
            parts = [_HostPart(np.array(variable.value)) for _ in range(shards.num_replicas)]
            setattr(variable, _PARTS, parts)
    return variable


def shards_of(variable: Any) -> ClassShards | None:
    """How a variable is split; None if it is not."""
    return getattr(variable, _ATTRIBUTE, None)


def whole_shape(variable: Any) -> tuple[int, ...]:
    """The shape over all replicas."""
    shards = shards_of(variable)
    if shards is None:
        return tuple(variable.shape)
    return (shards.num_centers * shards.num_classes, *variable.shape[1:])


def read_whole(variable: Any) -> np.ndarray:
    """The value over all replicas; not for use inside a step."""
    shards = shards_of(variable)
    if shards is None:
        return _value(variable)
    return shards.join([part.numpy() for part in parts_of(variable)])


def assign_whole(variable: Any, value: np.ndarray) -> None:
    """Gives each replica its rows of the value; not for use inside a step."""
    shards = shards_of(variable)
    if shards is None:
        variable.assign(value)
        return
    for replica, part in enumerate(parts_of(variable)):
        part.assign(shards.part(value, replica))


def copy(source: Any, target: Any) -> None:
    """Assigns the value of a variable that is split in the same way; not inside a step."""
    if shards_of(source) is None:
        target.assign(_value(source))
        return
    for part, other in zip(parts_of(source), parts_of(target), strict=True):
        other.assign(part.numpy())


def _value(variable: Any) -> np.ndarray:
    from glrtf.config.keras_settings import ON_JAX

    # Keras converts JAX values in a way that NumPy 2 warns about.
    return np.asarray(variable.value) if ON_JAX else variable.numpy()


def parts_of(variable: "keras.Variable") -> Sequence[Any]:
    """The part of each replica, in order: each has `numpy` and `assign`."""
    if parts := getattr(variable, _PARTS, None):
        return parts
    import tensorflow as tf

    value = variable.value
    return value.values if isinstance(value, tf.distribute.DistributedValues) else (value,)


@dataclasses.dataclass
class _HostPart:
    """A replica's rows on JAX while they are not on a device."""

    value: np.ndarray

    def numpy(self) -> np.ndarray:
        """The rows."""
        return self.value

    def assign(self, value: np.ndarray) -> None:
        """Replaces the rows."""
        self.value = np.array(value, self.value.dtype)

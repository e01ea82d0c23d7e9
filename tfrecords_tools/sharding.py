"""The plan: which image goes to which shard, and where in it, by stable hashes.

The plan depends only on the source and the settings. Everything is stored in arrays, so five
million images take a few hundred megabytes and some seconds.
"""

import dataclasses

import numpy as np

MAX_SHARDS = 100_000


@dataclasses.dataclass(frozen=True)
class Images:
    """Images of a split and where their bytes are; all arrays have length n.

    Attributes:
        ids: uint64, image_id as a number.
        labels: int32, -1 if there is none.
        containers: int32, which tar of the layout; 0 for extracted files.
        offsets: uint64, where the bytes begin.
        sizes: uint32, how many they are.
        checksums: uint32, their CRC-32C; 0 if it is not known.
    """

    ids: np.ndarray
    labels: np.ndarray
    containers: np.ndarray
    offsets: np.ndarray
    sizes: np.ndarray
    checksums: np.ndarray

    def __len__(self) -> int:
        return len(self.ids)

    def take(self, rows: np.ndarray) -> "Images":
        """The images of some rows (positions or a mask), in that order."""
        return Images(*(getattr(self, field.name)[rows] for field in dataclasses.fields(self)))


@dataclasses.dataclass(frozen=True)
class ShardPlan:
    """Images in the order of their records, divided into shards.

    Attributes:
        images: Those of shard 0 first, in the shard's order.
        starts: (num_shards + 1,) int64; shard s holds rows starts[s] .. starts[s + 1] - 1.
    """

    images: Images
    starts: np.ndarray

    @property
    def num_shards(self) -> int:
        """How many shards there are; some may be empty."""
        return len(self.starts) - 1

    def shard(self, number: int) -> Images:
        """One shard's images in the order of its records."""
        return self.images.take(np.arange(self.starts[number], self.starts[number + 1]))


def hash_ids(ids: np.ndarray, stream: int) -> np.ndarray:
    """Scatters image_ids over all 64-bit numbers, one-to-one.

    The finaliser of SplitMix64 (Steele, Lea and Flood, 2014) of id + (stream + 1)·γ.

    Args:
        ids: (n,) uint64.
        stream: Chooses one of many unrelated hashes.

    Returns:
        (n,) uint64.
    """
    gamma = (stream + 1) * 0x9E3779B97F4A7C15 & 0xFFFFFFFFFFFFFFFF
    z = ids.astype(np.uint64) + np.uint64(gamma)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def count_shards(total_bytes: int, shard_bytes: int) -> int:
    """How many shards of about `shard_bytes` hold `total_bytes`: at least one."""
    return min(max(1, -(-total_bytes // shard_bytes)), MAX_SHARDS)


def plan_shards(images: Images, num_shards: int) -> ShardPlan:
    """Assigns images to shards by one hash of the image_id and orders each by another."""
    shards = (hash_ids(images.ids, 0) % np.uint64(num_shards)).astype(np.int32)
    order = np.lexsort((hash_ids(images.ids, 1), shards))
    counts = np.bincount(shards, minlength=num_shards)
    starts = np.concatenate([[0], np.cumsum(counts)])
    return ShardPlan(images.take(order), starts)


def validation_mask(ids: np.ndarray, labels: np.ndarray, fraction: float) -> np.ndarray:
    """Chooses a validation fold, landmark by landmark.

    For a landmark with n images, fraction·n go to validation, rounded up or down at random (by a
    hash of the label, so that the fold as a whole has its fraction); at least one image stays in
    train.

    Args:
        ids: (n,) uint64.
        labels: (n,) int32, 0..num_classes-1.
        fraction: 0 <= fraction < 1.

    Returns:
        (n,) bool, True for validation.
    """
    order = np.lexsort((hash_ids(ids, 2), labels))
    _, starts, inverse, counts = np.unique(
        labels[order], return_index=True, return_inverse=True, return_counts=True
    )
    uniform = hash_ids(np.unique(labels).astype(np.uint64), 3) / 2.0**64
    chosen = np.minimum(np.floor(fraction * counts + uniform), counts - 1)
    place = np.arange(len(ids)) - starts[inverse]
    mask = np.zeros(len(ids), bool)
    mask[order] = place < chosen[inverse]
    return mask

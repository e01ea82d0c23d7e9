"""A split's plan turned into shard specifications, one independent job each."""

import dataclasses
import hashlib
import json
from collections.abc import Iterator

import numpy as np

from tfrecords_tools.gldv2 import Layout
from tfrecords_tools.images import ImageSettings
from tfrecords_tools.schema import NO_LABEL
from tfrecords_tools.sharding import Images, ShardPlan
from tfrecords_tools.writer import ShardSpec, shard_name


@dataclasses.dataclass(frozen=True)
class Fold:
    """One set of shards to write: a split, or the part of train held out for validation.

    Attributes:
        name: ``train``, ``validation``, ``index`` or ``test``.
        folder: Where its shards go.
        layout: Where its images come from.
        digests: Of each tar, by name.
        plan: Which image goes where.
        landmark_ids: (num_classes,) int64: label -> landmark_id.
        settings: The requirements on images.
        known: The tars whose images are in earlier versions of the shards; empty if there are none.
    """

    name: str
    folder: str
    layout: Layout
    digests: dict[str, str]
    plan: ShardPlan
    landmark_ids: np.ndarray
    settings: ImageSettings
    known: frozenset[str] = frozenset()

    def spec(self, number: int) -> ShardSpec:
        """The specification of one shard."""
        images = self.plan.shard(number)
        name = shard_name(self.name, number, self.plan.num_shards)
        landmark_ids = self._landmarks_of(images.labels)
        known = np.array([tar in self.known for tar in self.layout.tars or ("",)])
        fresh = ~known[images.containers]
        base = self._digest(name, images.take(~fresh), landmark_ids[~fresh]) if self.known else ""
        return ShardSpec(
            name=name,
            folder=self.folder,
            layout=self.layout,
            images=images,
            landmark_ids=landmark_ids,
            settings=self.settings,
            digest=self._digest(name, images, landmark_ids),
            fresh=fresh,
            base=base,
        )

    def specs(self) -> Iterator[ShardSpec]:
        """Yields the specification of each shard, in order."""
        return map(self.spec, range(self.plan.num_shards))

    def _landmarks_of(self, labels: np.ndarray) -> np.ndarray:
        if not len(self.landmark_ids):
            return np.full(len(labels), NO_LABEL, np.int64)
        return self.landmark_ids[labels]

    def _digest(self, name: str, images: Images, landmark_ids: np.ndarray) -> str:
        """A digest of everything that a shard's bytes depend on, 64 hex digits."""
        used = np.unique(images.containers).tolist() if self.layout.tars else []
        tars = {self.layout.tars[tar]: self.digests[self.layout.tars[tar]] for tar in used}
        settings = dataclasses.asdict(self.settings)
        digest = hashlib.sha256(json.dumps([name, tars, settings], sort_keys=True).encode())
        names = np.array(self.layout.tars or ("",))[images.containers]
        digest.update("\n".join(names).encode())
        for array in (images.ids, images.labels, landmark_ids, images.offsets, images.sizes):
            digest.update(np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()

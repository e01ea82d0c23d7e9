"""How the shards of two plans of an embedding differ."""

from typing import Any


def first_difference(shards: list[list], others: Any) -> tuple[str, str]:
    """The first shard in which two plans differ."""
    if not isinstance(others, list) or len(others) != len(shards):
        count = len(others) if isinstance(others, list) else "no"
        return f"{len(shards)} shards", f"{count} shards"
    pair = next(pair for pair in zip(shards, others, strict=True) if pair[0] != pair[1])
    ours, theirs = (each if isinstance(each, list) else [each] for each in pair)
    return f"the shard {_shard_shown(ours)}", _shard_shown(theirs)


def _shard_shown(shard: list) -> str:
    """Name, number of records and digest, as far as a plan has them."""
    name, count, digest = [*map(str, shard), "?", "?", "?"][:3]
    return f"{name} of {count} records, digest {digest[:12] or 'unknown'}"

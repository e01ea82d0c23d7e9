"""retrieval.json: the parts of a ranking's description that other commands read."""

from typing import TypedDict


class Parameters(TypedDict, total=False):
    """The settings of the retrieval that name files or define how sets are joined."""

    query: list[str]
    index: list[str]
    train: list[str]
    votes: list[float]
    adapter: str
    landmarks: str | None


class RetrievalInfo(TypedDict, total=False):
    """retrieval.json."""

    files: dict[str, str]
    parameters: Parameters
    counts: dict[str, int]
    seconds: dict[str, float]
    notes: list[str]

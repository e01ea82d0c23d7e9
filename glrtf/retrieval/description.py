"""retrieval.json: what a ranking was made from, as far as other commands read it."""

from typing import TypedDict


class Parameters(TypedDict, total=False):
    """The settings of the retrieval that name files or say how sets join."""

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

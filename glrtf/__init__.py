"""Landmark retrieval: train descriptors, embed photos, rank them, measure the ranking."""

__version__ = "0.1.0"

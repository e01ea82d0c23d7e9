"""Embedding sets: L2-normalised rows with their image ids, on disk and as searches read them."""

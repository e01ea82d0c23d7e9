"""The embedded sample: a small world of landmarks, drawn by code."""

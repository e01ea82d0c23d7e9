"""The embedded sample: a small dataset of landmarks, drawn by code."""

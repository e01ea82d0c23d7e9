"""The training step, and everything that makes a run of it."""

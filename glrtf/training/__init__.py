"""The training step, and all that turns it into a run."""

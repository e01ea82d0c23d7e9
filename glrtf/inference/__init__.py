"""From a trained model to embedding sets."""

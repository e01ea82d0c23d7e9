"""From shards to batches of images."""

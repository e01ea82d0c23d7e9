"""From the published Google Landmarks v2 files to TFRecord shards."""

"""Cleaning of train labels: images that do not show their landmark, and near-duplicates."""

"""Benchmarks in their published layouts, and their photos in the layout for building shards."""

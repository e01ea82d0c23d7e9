"""Rows of any other source: arrays, tables and indexes to embedding sets, and back."""

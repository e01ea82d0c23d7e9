"""Rows from other programs: arrays, tables and indexes to embedding sets, and back."""

"""Finds the settings that rank best, and measures what each step of a retrieval contributes."""

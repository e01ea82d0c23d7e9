"""Scores of rankings and predictions."""

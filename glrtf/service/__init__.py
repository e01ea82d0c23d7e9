"""Answers for single photos, in the terminal and over HTTP."""

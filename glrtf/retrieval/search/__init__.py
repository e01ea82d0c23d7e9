"""Nearest neighbours: one signature, several back ends."""

"""Landmark confidence, bridged confidence and their fusion with direct similarity."""

"""The settings of every command, as light dataclasses."""

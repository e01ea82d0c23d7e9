"""Shared by all commands: settings as flags and YAML, errors, progress."""

"""What every command shares: settings as flags and YAML, errors, progress."""

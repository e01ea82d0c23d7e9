"""The commands: settings in, a result object out, a few lines printed."""

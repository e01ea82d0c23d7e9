"""From embedding sets to ranked lists."""

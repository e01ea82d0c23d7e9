"""From ranked lists to figures, tuned parameters and pages."""

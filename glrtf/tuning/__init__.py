"""Settings that rank best, and what each step of a retrieval contributes."""

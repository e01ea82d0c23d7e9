"""Estimates what a configuration needs from an accelerator before one is rented."""

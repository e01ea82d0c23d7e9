"""What a configuration needs of an accelerator, known before one is rented."""

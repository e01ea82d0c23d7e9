"""Models of any origin as descriptors: what their files define, and what a manifest adds."""

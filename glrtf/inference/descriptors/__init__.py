"""Models of any origin as descriptors: what their files say, what a manifest adds."""

"""Ring 3: what clients of each kind send, made into our model, and our events in their shapes."""

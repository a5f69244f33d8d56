"""Ring 10: the composition root: supervisor, workers, signals."""

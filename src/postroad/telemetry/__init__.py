"""Ring 4: structured logs and metrics."""

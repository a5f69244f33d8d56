"""Ring 8: the HTTP doors."""

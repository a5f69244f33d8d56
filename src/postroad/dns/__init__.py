"""Ring 6: the resolver and its cache."""

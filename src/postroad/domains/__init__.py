"""Ring 7: sending domains: their records, verification and keys."""

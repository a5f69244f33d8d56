"""Ring 3: the final bytes for one recipient, in a fixed order of steps."""

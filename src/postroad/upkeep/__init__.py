"""Ring 7: retention and other work in small slices."""

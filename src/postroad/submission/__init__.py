"""Ring 7: from an offered message to committed rows."""

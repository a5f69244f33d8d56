"""Ring 11: the commands, one file per noun."""

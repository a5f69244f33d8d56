"""Ring 7: what comes back from receivers about messages that were delivered."""

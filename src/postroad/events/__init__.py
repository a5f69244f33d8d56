"""Ring 7: counters made of events, and reading what happened."""

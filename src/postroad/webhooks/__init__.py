"""Ring 7: events posted to the addresses of their senders, and everything that tells of it."""

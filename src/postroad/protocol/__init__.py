"""Ring 0: wire formats and their state machines, bytes in and values out; knows nothing of Postroad."""

"""Ring 5: the network and the clock: dialling, listening, TLS and certificates."""

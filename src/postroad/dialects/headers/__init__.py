"""Options in header fields of a message: ``X-OV-*``, and what other platforms' clients send in their place."""

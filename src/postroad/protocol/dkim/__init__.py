"""DKIM: canonical forms, keys, signing and verifying (RFC 6376, 8301, 8463)."""

"""MIME: byte spans of headers and parts, transfer encodings, composition (RFC 5322, 2045-2049)."""

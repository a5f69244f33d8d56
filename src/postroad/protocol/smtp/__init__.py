"""SMTP: grammar, replies and the two sides of the dialogue as machines without I/O (RFC 5321, 6409, 4954, 3030, 3461)."""

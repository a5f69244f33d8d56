"""Why no certificate was issued."""


class OrderError(Exception):
    """The authority issued no certificate; the message says why in one sentence."""

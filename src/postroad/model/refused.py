"""A change to the control plane that was not made."""


class RefusedError(Exception):
    """A change breaks a rule; its text is one sentence for whoever asked for it."""

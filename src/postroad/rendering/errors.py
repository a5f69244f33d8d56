"""What making a recipient's copy can end with for good."""


class ImpossibleCopyError(ValueError):
    """A copy that cannot be made of the message and its recipient's values: at the next attempt no more than at this one."""

"""A change to the control plane that was not made."""


class RefusedError(Exception):
    """A change breaks a rule; its text is one sentence for whoever asked for it.

    ``field`` names the value that is wrong, where it is one of those given.
    """

    def __init__(self, sentence: str, *, field: str = "") -> None:
        super().__init__(sentence)
        self.field = field


class MissingError(RefusedError):
    """What is asked for does not exist, or belongs to somebody else, which must not be told apart."""


class ForbiddenError(RefusedError):
    """Whoever asks may not do this."""


class TooSoonError(RefusedError):
    """The same would be done in ``retry_after_s`` seconds."""

    def __init__(self, sentence: str, retry_after_s: int) -> None:
        super().__init__(sentence)
        self.retry_after_s = retry_after_s

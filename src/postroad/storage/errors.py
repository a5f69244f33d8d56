"""What can go wrong in storage, apart from programming errors."""

from postroad.model.dedupe import Repeats


class StorageError(Exception):
    """Storage could not do what was asked."""


class BadParameter(StorageError):  # noqa: N818 - reads as what happened
    """A parameter of ``database.url`` is not known or has no sense; the words hold no secret."""

    def __init__(self, what: str) -> None:
        super().__init__(f"database.url: {what}")
        self.what = what


class StorageUnavailable(StorageError):  # noqa: N818 - reads as what happened
    """The database cannot be reached or written at the moment; a later try may work."""


class Conflict(StorageError):  # noqa: N818 - reads as what happened
    """Something with this name or id exists already, or still refers to what should go."""

    def __init__(self, what: str) -> None:
        super().__init__(what)
        self.what = what


class Outdated(StorageError):  # noqa: N818 - reads as what happened
    """What is to be changed was changed by somebody else since it was read."""


class KeyReused(StorageError):  # noqa: N818 - reads as what happened
    """One of several messages that are stored together has an idempotency key that stands for another content."""

    def __init__(self, repeats: Repeats) -> None:
        super().__init__("an idempotency key stands for another content")
        self.repeats = repeats


class CallRepeated(StorageError):  # noqa: N818 - reads as what happened
    """A call of this name was answered before; nothing of this one is stored."""

    def __init__(self) -> None:
        super().__init__("a call of this name was answered before")


class SchemaMismatch(StorageError):  # noqa: N818 - reads as what happened
    """The database's schema is not the one this version works with."""


class MasterKeyMismatch(StorageError):  # noqa: N818 - reads as what happened
    """The database was made with another master key, so its secrets cannot be read."""

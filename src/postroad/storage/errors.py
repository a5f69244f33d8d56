"""What can go wrong in storage, apart from programming errors."""


class StorageError(Exception):
    """Storage could not do what was asked."""


class StorageUnavailable(StorageError):  # noqa: N818 - reads as what happened
    """The database cannot be reached or written at the moment; a later try may work."""


class Conflict(StorageError):  # noqa: N818 - reads as what happened
    """Something with this name or id exists already, or still refers to what should go."""

    def __init__(self, what: str) -> None:
        super().__init__(what)
        self.what = what


class SchemaMismatch(StorageError):  # noqa: N818 - reads as what happened
    """The database's schema is not the one this version works with."""


class MasterKeyMismatch(StorageError):  # noqa: N818 - reads as what happened
    """The database was made with another master key, so its secrets cannot be read."""

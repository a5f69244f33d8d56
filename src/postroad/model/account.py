"""The customer: whose domains, credentials and mail belong together."""

import msgspec


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """One customer of the installation."""

    id: int
    name: str
    created_at: int
    suspended_at: int | None = None

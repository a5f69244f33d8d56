"""Settings of proving who acts."""

from typing import Annotated

import msgspec


class AccountsSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Log-ins: how much hashing at once, and how long a proven password is remembered."""

    hash_threads: Annotated[
        int, msgspec.Meta(ge=1, le=16, description="Threads of each worker that hash passwords; about 20 ms a piece.")
    ] = 1
    hash_queue: Annotated[
        int,
        msgspec.Meta(
            ge=1,
            le=10_000,
            description="Log-ins of each worker that may wait for hashing; further ones get `454 4.7.0`.",
        ),
    ] = 50
    verified_for_s: Annotated[
        int,
        msgspec.Meta(ge=0, le=3600, description="Seconds a proven password is accepted again without hashing."),
    ] = 300
    poll_s: Annotated[
        float,
        msgspec.Meta(gt=0, le=4, description="Seconds between two looks for changed users; five are promised at most."),
    ] = 2.0

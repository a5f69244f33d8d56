"""Settings of proving who acts: SMTP users, and people in the console."""

from typing import Annotated

import msgspec


class AccountsSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Log-ins: how much hashing at once, how long a proof is remembered, and what people in the console need."""

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
    operator_email: Annotated[
        str,
        msgspec.Meta(description="Email address of the operator that is made at the first start."),
    ] = "operator@localhost"
    notices_from: Annotated[
        str,
        msgspec.Meta(
            description="Address that mail of Postroad itself (invitations, links to set a password) comes from; its "
            "domain must be an active sending domain of this installation. Empty sends none."
        ),
    ] = ""
    session_idle_hours: Annotated[
        int,
        msgspec.Meta(ge=1, le=720, description="Hours without a request after which a session of the console ends."),
    ] = 12
    session_days: Annotated[
        int, msgspec.Meta(ge=1, le=365, description="Days after which a session of the console ends in any case.")
    ] = 14

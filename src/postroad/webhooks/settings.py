"""Settings of telling others what happened."""

from typing import Annotated

import msgspec


class WebhooksSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where events may be posted, and how much of that goes on at a time."""

    # Whoever may send names the address: never one that only we can reach.
    allow_private_addresses: Annotated[
        bool,
        msgspec.Meta(
            description="Let webhooks and the callback URLs of messages lead to addresses that are not of the public "
            "Internet; on in `postroad dev`."
        ),
    ] = False
    calls_at_once: Annotated[
        int, msgspec.Meta(ge=1, le=10_000, description="Calls that one worker makes at the same time.")
    ] = 1_000
    calls_per_address: Annotated[
        int, msgspec.Meta(ge=1, le=100, description="Calls that are made to one address at the same time.")
    ] = 16
    backlog: Annotated[
        int,
        msgspec.Meta(
            ge=100,
            le=10_000_000,
            description="Calls that may wait for one address; beyond that the oldest are given up.",
        ),
    ] = 100_000
    poll_ms: Annotated[
        int,
        msgspec.Meta(
            ge=20,
            le=60_000,
            description="Milliseconds between two looks for calls that are due; about 2,000, if that is more, where no call is to be expected.",
        ),
    ] = 250

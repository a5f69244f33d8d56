"""Settings of telling others what happened."""

from typing import Annotated

import msgspec


class WebhooksSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where events may be posted."""

    # Whoever may send names the address: never one that only we can reach.
    allow_private_addresses: Annotated[
        bool,
        msgspec.Meta(
            description="Let messages name callback URLs at addresses that are not of the public Internet; "
            "on in `postroad dev`."
        ),
    ] = False

"""Settings of accepting mail."""

from typing import Annotated

import msgspec


class SubmissionSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What accepted mail is given: how long it may wait, and which addresses it leaves from."""

    expires_after_s: Annotated[
        int,
        msgspec.Meta(ge=1, le=30 * 86_400, description="Seconds after which a delivery that still waits is given up."),
    ] = 72 * 3600
    default_pool: Annotated[
        str, msgspec.Meta(min_length=1, description="Pool of egress addresses for mail that names no other.")
    ] = "default"

"""Settings of address checks."""

from typing import Annotated

import msgspec


class AddressCheckSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Checking addresses before mail goes to them."""

    disposable_domains: Annotated[
        str,
        msgspec.Meta(
            description="File with domains of disposable mailboxes, one a line, instead of the list that comes with "
            "Postroad; a changed one is read within a minute."
        ),
    ] = ""
    dns_within_ms: Annotated[
        int,
        msgspec.Meta(
            ge=100, le=60_000, description="Milliseconds that DNS has for a check; then its result is unknown."
        ),
    ] = 5_000
    at_once: Annotated[
        int,
        msgspec.Meta(
            ge=2,
            le=10_000,
            description="Checks that a worker does at a time, at most half of them for one account; more are refused with 429.",
        ),
    ] = 100

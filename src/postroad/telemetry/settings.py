"""Settings of the logs."""

from typing import Annotated, Literal

import msgspec


class LogSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is logged, and in which form."""

    level: Annotated[
        Literal["debug", "info", "warning", "error"],
        msgspec.Meta(description="The least important events that are still written."),
    ] = "info"
    format: Annotated[
        Literal["console", "json"],
        msgspec.Meta(description="`json` writes one document per line for a log store, `console` lines for people."),
    ] = "console"

"""Settings of the HTTP doors."""

from typing import Annotated

import msgspec


class HttpSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the console listens: the inbox of `postroad dev`."""

    listen: Annotated[
        tuple[str, ...],
        msgspec.Meta(description="Addresses of the inbox of `postroad dev`; `postroad serve` does not listen on them."),
    ] = ("127.0.0.1:8025",)

"""Settings of the HTTP doors."""

from typing import Annotated

import msgspec


class HttpSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the console listens: the inbox of `postroad dev`."""

    listen: Annotated[
        tuple[str, ...],
        msgspec.Meta(description="Addresses of the inbox of `postroad dev`; `postroad serve` does not listen on them."),
    ] = ("127.0.0.1:8025",)
    listen_tls: Annotated[
        tuple[str, ...],
        msgspec.Meta(description="Addresses for HTTPS, usually on port 443, with the certificate of the SMTP doors."),
    ] = ()
    public_url: Annotated[
        str,
        msgspec.Meta(
            description="How people reach the console, such as `https://mail.example.net`; links in mail begin with it."
        ),
    ] = ""

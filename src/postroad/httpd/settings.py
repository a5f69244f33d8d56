"""Settings of the HTTP doors."""

from typing import Annotated

import msgspec


class HttpSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the console and the HTTP APIs listen, and by which name people reach them."""

    listen: Annotated[
        tuple[str, ...],
        msgspec.Meta(
            description="Addresses of the console and the APIs without TLS: for this machine, or for a proxy that adds TLS."
        ),
    ] = ("127.0.0.1:8025",)
    listen_tls: Annotated[
        tuple[str, ...],
        msgspec.Meta(description="Addresses for HTTPS, usually on port 443, with the certificate of the SMTP doors."),
    ] = ()
    public_url: Annotated[
        str,
        msgspec.Meta(
            description="Where people reach the console, such as `https://mail.example.com`: links in mail begin with it, and "
            "the console answers under its name; empty for this machine only."
        ),
    ] = ""
    trusted_proxies: Annotated[
        tuple[str, ...],
        msgspec.Meta(
            description="Networks of proxies whose `X-Forwarded-For` and `X-Forwarded-Proto` are believed; nobody else's are."
        ),
    ] = ()

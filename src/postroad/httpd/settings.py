"""Settings of the HTTP doors."""

from typing import Annotated

import msgspec


class HttpSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the console, the APIs and the tracker listen."""

    listen: Annotated[
        tuple[str, ...],
        msgspec.Meta(
            description="Addresses of the HTTP door without TLS, for a proxy on this machine to stand before."
        ),
    ] = ("127.0.0.1:8025",)
    listen_tls: Annotated[tuple[str, ...], msgspec.Meta(description="Addresses of the HTTP door with TLS.")] = ()
    public_url: Annotated[
        str, msgspec.Meta(description="The URL people reach the HTTP door by; links in mail are made of it.")
    ] = ""
    trusted_proxies: Annotated[
        tuple[str, ...],
        msgspec.Meta(description="Networks of proxies whose word about the client's address is believed."),
    ] = ()

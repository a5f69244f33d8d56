"""Settings of tracking."""

from typing import Annotated, Literal

import msgspec


class TrackingSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Opens, clicks and unsubscribes: where tracked links lead, and how what comes back is kept."""

    host: Annotated[
        str,
        msgspec.Meta(
            description="Host that tracked links lead over where a domain has none of its own, such as `click.example.net`, "
            "or `click.example.net:8080`; it must lead to the HTTP doors. Nothing is tracked without either."
        ),
    ] = ""
    https: Annotated[
        Literal["auto", "on", "off"],
        msgspec.Meta(
            description="Whether tracked links begin with `https:`; `auto` where the host has a certificate of its own or "
            "that of the doors holds it, `on` where a proxy adds TLS."
        ),
    ] = "auto"
    queue: Annotated[
        int,
        msgspec.Meta(
            ge=100,
            le=1_000_000,
            description="Opens and clicks that each worker keeps in memory while storage is away; further ones are answered "
            "all the same, and counted as lost.",
        ),
    ] = 50_000
    machine_networks: Annotated[
        tuple[str, ...],
        msgspec.Meta(
            description="Networks from which only machines ask, beside those that are known: opens and clicks from there "
            "are counted apart."
        ),
    ] = ()
    geo_database: Annotated[
        str,
        msgspec.Meta(
            description="File in MaxMind's format (`.mmdb`) that tells country and city of an address, to be shown with opens and "
            "clicks; a changed file is read within a minute, and at SIGHUP. Each worker keeps it in memory."
        ),
    ] = ""

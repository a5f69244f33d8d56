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
    max_request_size: Annotated[
        int, msgspec.Meta(ge=65_536, le=1_073_741_824, description="Octets of the largest call of an API that is read.")
    ] = 54_945_382
    max_bytes_in_flight: Annotated[
        int,
        msgspec.Meta(
            ge=8_388_608,
            le=68_719_476_736,
            description="Octets of calls that one worker holds in memory; beyond, calls wait or get status 503.",
        ),
    ] = 268_435_456
    max_bytes_spooled: Annotated[
        int,
        msgspec.Meta(
            ge=8_388_608,
            le=1_099_511_627_776,
            description="Octets of calls above 1 MB that one worker keeps in files of the data folder until they are whole.",
        ),
    ] = 2_147_483_648
    calls_per_minute: Annotated[
        int,
        msgspec.Meta(
            ge=0,
            le=10_000_000,
            description="Calls of the APIs that one key may make on one worker; beyond, status 429. 0 for any number.",
        ),
    ] = 120_000
    failed_proofs_per_minute: Annotated[
        int,
        msgspec.Meta(
            ge=0,
            le=1_000_000,
            description="Wrong API keys that one address (IPv6: a /64) may try on one worker; beyond, status 429. 0 for any number.",
        ),
    ] = 60
    max_connections_per_address: Annotated[
        int,
        msgspec.Meta(
            ge=1,
            le=100_000,
            description="Connections of one client address (IPv6: one /64) to one worker; further ones get status 429, "
            "or over HTTPS are closed. Trusted proxies have any number.",
        ),
    ] = 200
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

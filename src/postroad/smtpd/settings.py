"""Settings of the SMTP doors."""

from typing import Annotated

import msgspec


class SmtpSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where mail is submitted, and how much of it at once."""

    listen: Annotated[
        tuple[str, ...], msgspec.Meta(description="Addresses for submission with STARTTLS, as address:port.")
    ] = ("0.0.0.0:587",)
    listen_tls: Annotated[
        tuple[str, ...],
        msgspec.Meta(description="Addresses for submission under TLS from the first octet, usually on port 465."),
    ] = ()
    listen_by_address: Annotated[
        tuple[str, ...],
        msgspec.Meta(description="Addresses for clients whose network address is their login; none by default."),
    ] = ()
    require_tls: Annotated[bool, msgspec.Meta(description="Whether a login needs encryption first.")] = False
    hostname: Annotated[
        str, msgspec.Meta(max_length=253, description="Name in greetings and replies; empty for this machine's name.")
    ] = ""
    proxy_protocol_from: Annotated[
        tuple[str, ...],
        msgspec.Meta(description="Networks of load balancers whose connections begin with a PROXY protocol header."),
    ] = ()
    rbl_zones: Annotated[
        tuple[str, ...],
        msgspec.Meta(
            description="DNS blocklists asked about clients before they log in: `zone`, or `zone=127.0.0.2,127.0.0.4` "
            "with the codes that count; a bare zone counts 127.0.0.2 to 127.0.0.9, which leaves out lists of home networks."
        ),
    ] = ()
    rbl_permanent: Annotated[
        bool,
        msgspec.Meta(
            description="Whether a listed client gets `554 5.7.1`; else `454 4.7.0`, so that no mail is lost by a "
            "passing listing."
        ),
    ] = False
    rbl_allow: Annotated[
        tuple[str, ...],
        msgspec.Meta(description="Networks that blocklists are not asked about; private ones never are."),
    ] = ()
    rbl_timeout_s: Annotated[
        float,
        msgspec.Meta(
            gt=0, le=30, description="Seconds from the connection on that blocklists have; what fails lets in."
        ),
    ] = 2.0
    max_message_size: Annotated[
        int, msgspec.Meta(ge=65_536, le=268_435_456, description="Octets of the largest message taken.")
    ] = 26_214_400
    max_recipients: Annotated[
        # RFC 5321 §4.5.3.1.8: at least 100 must be taken.
        int, msgspec.Meta(ge=100, le=50_000, description="Recipients of one message; further ones get `452 4.5.3`.")
    ] = 1000
    max_sessions: Annotated[
        int, msgspec.Meta(ge=1, le=100_000, description="Sessions of one worker at once; further ones get `421 4.7.0`.")
    ] = 2000
    max_sessions_per_address: Annotated[
        int,
        msgspec.Meta(ge=1, le=100_000, description="Sessions of one client address (IPv6: one /64) in one worker."),
    ] = 200
    max_bytes_in_flight: Annotated[
        int,
        msgspec.Meta(
            ge=1_048_576,
            le=68_719_476_736,
            description="Octets of message text that one worker holds in memory; beyond, messages get `452 4.3.1`.",
        ),
    ] = 268_435_456
    max_errors: Annotated[
        int, msgspec.Meta(ge=1, le=1000, description="Faulty commands in a session before it is ended.")
    ] = 10
    max_unknown_commands: Annotated[
        int, msgspec.Meta(ge=1, le=1000, description="Unknown commands in a session before it is ended.")
    ] = 5
    max_bad_recipients: Annotated[
        int, msgspec.Meta(ge=1, le=50_000, description="Refused recipients in a session before it is ended.")
    ] = 100
    max_auth_failures: Annotated[
        int, msgspec.Meta(ge=1, le=100, description="Failed logins in a session before it is ended.")
    ] = 3
    max_idle_commands: Annotated[
        int,
        msgspec.Meta(
            ge=10, le=100_000, description="Commands such as NOOP and RSET between two messages of a session."
        ),
    ] = 100
    command_timeout_s: Annotated[
        # RFC 5321 §4.5.3.2.7: a server waits at least five minutes for the next command.
        float, msgspec.Meta(gt=0, le=3600, description="Seconds that a session waits for the next command.")
    ] = 300.0
    data_timeout_s: Annotated[
        float, msgspec.Meta(gt=0, le=3600, description="Seconds that a session waits for the next octets of a message.")
    ] = 180.0
    transaction_timeout_s: Annotated[
        float, msgspec.Meta(gt=0, le=86_400, description="Seconds that one message may take from MAIL FROM to its end.")
    ] = 3600.0
    min_data_rate: Annotated[
        int,
        msgspec.Meta(ge=0, description="Octets a second that message text must bring on average, after one minute."),
    ] = 500
    handshake_timeout_s: Annotated[
        float, msgspec.Meta(gt=0, le=600, description="Seconds for a PROXY header, and for a TLS handshake.")
    ] = 30.0
    stop_timeout_s: Annotated[
        float, msgspec.Meta(ge=0, le=3600, description="Seconds that messages under way may take when the node stops.")
    ] = 30.0


class InboundSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The door for mail that comes back, and for mail to sending domains; usually port 25."""

    listen: Annotated[
        tuple[str, ...],
        msgspec.Meta(
            description="Addresses that take returned mail, such as `0.0.0.0:25`; none by default. `domains.inbound_host` is "
            "the name that the domains' MX records lead here by."
        ),
    ] = ()
    max_message_size: Annotated[
        int, msgspec.Meta(ge=65_536, le=268_435_456, description="Octets of the largest message taken there.")
    ] = 26_214_400
    max_recipients: Annotated[
        # RFC 5321 §4.5.3.1.8: at least 100 must be taken.
        int, msgspec.Meta(ge=100, le=1000, description="Recipients of one message; further ones get `452 4.5.3`.")
    ] = 100
    max_sessions: Annotated[
        int, msgspec.Meta(ge=1, le=100_000, description="Sessions of one worker at once; further ones get `421 4.7.0`.")
    ] = 500
    max_sessions_per_address: Annotated[
        int,
        msgspec.Meta(ge=1, le=100_000, description="Sessions of one client address (IPv6: one /64) in one worker."),
    ] = 20
    messages_per_minute: Annotated[
        int,
        msgspec.Meta(
            ge=0,
            description="Messages of one client address (IPv6: one /64) in a minute and in one worker; further ones get "
            "`450 4.7.1`. 0 for any number.",
        ),
    ] = 600
    max_bad_recipients: Annotated[
        int, msgspec.Meta(ge=1, le=50_000, description="Refused recipients in a session before it is ended.")
    ] = 20
    max_bytes_in_flight: Annotated[
        int,
        msgspec.Meta(
            ge=1_048_576,
            le=68_719_476_736,
            description="Octets of message text that one worker holds in memory; beyond, messages get `452 4.3.1`.",
        ),
    ] = 67_108_864
    proxy_protocol_from: Annotated[
        tuple[str, ...],
        msgspec.Meta(description="Networks of load balancers whose connections begin with a PROXY protocol header."),
    ] = ()

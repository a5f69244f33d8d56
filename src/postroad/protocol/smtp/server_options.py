"""What kind of server a machine is, and how much it takes of one client."""

import functools

import msgspec

from postroad.protocol.smtp import future_release
from postroad.protocol.smtp.extension import Extensions, ehlo_keywords
from postroad.protocol.smtp.sasl import MECHANISMS


class ServerLimits(msgspec.Struct, frozen=True, kw_only=True):
    """How much a client may ask of one session."""

    max_command_line: int = 2048
    """RFC 5321 §4.5.3.1.4 has 512 octets, and each extension adds some."""
    max_auth_line: int = 12_288
    """RFC 4954 §4."""
    max_recipients: int = 1000
    max_message_size: int = 26_214_400
    max_errors: int = 10
    max_unknown_commands: int = 5
    max_bad_recipients: int = 100
    max_auth_failures: int = 3
    max_idle_commands: int = 100
    """Commands that bring no message nearer (NOOP, RSET, EHLO …) between two messages."""


class ServerOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What kind of server the machine is."""

    hostname: str
    requires_auth: bool = True
    """Mail needs a login first; where it does not, AUTH is not offered."""
    requires_tls: bool = False
    """A login needs TLS first."""
    has_tls: bool = False
    """STARTTLS can be offered."""
    takes_null_path: bool = False
    has_dsn: bool = True
    """What a client asks about delivery status notifications (RFC 3461) is seen to."""
    max_hold_s: int = 0
    """How far ahead a client may put the sending off (FUTURERELEASE, RFC 4865); 0 where it is not offered."""
    limits: ServerLimits = ServerLimits()


@functools.lru_cache(maxsize=64)
def offered_keywords(options: ServerOptions, *, is_tls: bool, now_s: int) -> tuple[str, ...]:
    """Return what the reply to EHLO offers; the same to all who ask within one second."""
    may_log_in = options.requires_auth and (is_tls or not options.requires_tls)
    extensions = Extensions(
        pipelining=True,
        size=options.limits.max_message_size,
        eight_bit=True,
        smtputf8=True,
        enhanced_status_codes=True,
        chunking=True,
        dsn=options.has_dsn,
        starttls=options.has_tls and not is_tls,
        auth=MECHANISMS if may_log_in else frozenset(),
        limits={"RCPTMAX": options.limits.max_recipients},
        future_release=future_release.offer(options.max_hold_s, now_s * 1000) if options.max_hold_s else None,
    )
    return tuple(ehlo_keywords(extensions))

"""Settings of proving who acts: SMTP users, and people in the console."""

from typing import Annotated
from urllib.parse import urlsplit

import msgspec

_LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})


class OidcSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Signing in to the console by an OpenID provider; on where ``issuer`` is set."""

    issuer: Annotated[
        str,
        msgspec.Meta(
            description="The provider, such as `https://login.example.com/realms/staff`, exactly as it names itself; "
            "its settings are found below it. Empty turns this off."
        ),
    ] = ""
    client_id: Annotated[str, msgspec.Meta(description="What the provider knows this installation by.")] = ""
    client_secret: Annotated[
        str, msgspec.Meta(description="What proves it to the provider; empty for a public client.")
    ] = ""
    name: Annotated[
        str,
        msgspec.Meta(min_length=1, max_length=50, description="The provider's name on the button of the sign-in page."),
    ] = "single sign-on"
    email_domains: Annotated[
        tuple[str, ...],
        msgspec.Meta(description="Domains that people who sign in so have email addresses at; empty for any."),
    ] = ()
    creates_users_in: Annotated[
        str,
        msgspec.Meta(
            description="Account in which people whom nobody invited become users (who may look only) when they first sign "
            "in; needs `email_domains`. Empty lets in only those who exist or are invited."
        ),
    ] = ""
    authorities: Annotated[
        str,
        msgspec.Meta(description="PEM file of the authorities that vouch for the provider; empty for the system's."),
    ] = ""
    allow_private_addresses: Annotated[
        bool,
        msgspec.Meta(description="Also reach the provider at addresses that are not of the public Internet."),
    ] = False

    def __post_init__(self) -> None:
        """Refuse settings that cannot work together."""
        if not self.issuer:
            return
        if not _is_issuer(self.issuer):
            raise ValueError("issuer must be an https:// URL without a query")
        if not self.client_id:
            raise ValueError("client_id is needed where issuer is set")
        if self.creates_users_in and not self.email_domains:
            raise ValueError("creates_users_in needs email_domains: anybody of the provider could come in otherwise")

    def __repr__(self) -> str:
        return f"OidcSettings(issuer={self.issuer!r}, client_id={self.client_id!r}, client_secret=…)"


def _is_issuer(text: str) -> bool:
    try:
        parts = urlsplit(text)
        host, port = parts.hostname, parts.port
    except ValueError:
        return False
    # OpenID Connect Discovery §3: https. Clear text is for trying things out on one machine.
    is_loopback = parts.scheme == "http" and host in _LOOPBACK_NAMES
    is_place = bool(host) and port != 0 and not parts.query and not parts.fragment and " " not in text
    return is_place and (parts.scheme == "https" or is_loopback)


class LockoutSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Lock-outs of log-ins by SMTP: after how many failures, for how long, and who is spared."""

    failures: Annotated[
        int,
        msgspec.Meta(ge=1, le=1000, description="Failed log-ins that lock a client's address (an IPv6 /64) or a name."),
    ] = 10
    # Many who have nothing to do with one another may share a /24.
    network_failures: Annotated[
        int, msgspec.Meta(ge=1, le=100_000, description="Failed log-ins that lock the /24 around IPv4 addresses.")
    ] = 50
    minutes: Annotated[
        tuple[Annotated[int, msgspec.Meta(ge=1, le=10_080)], ...],
        msgspec.Meta(min_length=1, description="Minutes that the first, second, … lock lasts; the last one repeats."),
    ] = (1, 5, 15, 60, 240, 1440)
    forget_failures_minutes: Annotated[
        int, msgspec.Meta(ge=1, le=10_080, description="Minutes without a failure after which counting begins anew.")
    ] = 60
    forget_locks_hours: Annotated[
        int,
        msgspec.Meta(ge=1, le=8760, description="Quiet hours after which the next lock lasts as long as a first one."),
    ] = 24
    good_hours: Annotated[
        int,
        msgspec.Meta(
            ge=0, le=8760, description="Hours after a good log-in in which its address and network are not locked."
        ),
    ] = 24
    known_days: Annotated[
        int,
        msgspec.Meta(
            ge=0,
            le=365,
            description="Days after a good log-in in which its address goes before strangers where passwords wait to be "
            "hashed, and uses that credential on while strangers have locked it.",
        ),
    ] = 30


class AccountsSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Log-ins: how much hashing at once, how long a proof is remembered, and what people in the console need."""

    hash_threads: Annotated[
        int, msgspec.Meta(ge=1, le=16, description="Threads of each worker that hash passwords; about 20 ms a piece.")
    ] = 1
    hash_queue: Annotated[
        int,
        msgspec.Meta(
            ge=1,
            le=10_000,
            description="Log-ins of each worker that may wait for hashing, of known addresses and of strangers so many "
            "each; further ones get `454 4.7.0`.",
        ),
    ] = 50
    # Two workers then spend a fiftieth of two cores on guesses, however many come in.
    strangers_per_s: Annotated[
        float,
        msgspec.Meta(
            gt=0,
            le=1000,
            description="Passwords of strangers (addresses without a good log-in yet) that each worker hashes in a second, "
            "for SMTP and for the console so many each, in the long run; after a quiet time as many more as `hash_queue` "
            "at once.",
        ),
    ] = 1.0
    verified_for_s: Annotated[
        int,
        msgspec.Meta(ge=0, le=3600, description="Seconds a proven password is accepted again without hashing."),
    ] = 300
    poll_s: Annotated[
        float,
        msgspec.Meta(
            gt=0,
            le=4,
            description="Seconds between two looks for lock-outs of other workers; five are promised at most.",
        ),
    ] = 2.0
    operator_email: Annotated[
        str,
        msgspec.Meta(description="Email address of the operator that is made at the first start."),
    ] = "operator@localhost"
    notices_from: Annotated[
        str,
        msgspec.Meta(
            description="Address that mail of Postroad itself (invitations, links to set a password) comes from; its "
            "domain must be an active sending domain of this installation. Empty sends none."
        ),
    ] = ""
    session_idle_hours: Annotated[
        int,
        msgspec.Meta(ge=1, le=720, description="Hours without a request after which a session of the console ends."),
    ] = 12
    session_days: Annotated[
        int, msgspec.Meta(ge=1, le=365, description="Days after which a session of the console ends in any case.")
    ] = 14
    lockout: LockoutSettings = LockoutSettings()
    oidc: OidcSettings = OidcSettings()

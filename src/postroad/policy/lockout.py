"""Who may try another password now: lock-outs that grow with persistence, pass with time and spare the honest.

Failures are counted for three kinds of subject, each on its own: the client's address, the network around it, and the
name that was tried, whether there is such a user or not. Once a subject has failed too often it is locked for a
while, the next time for longer, and after a quiet time all is forgotten.

============  =======================  ==========================================================
scope         subject                  its lock does not hold for
============  =======================  ==========================================================
client        IPv4 address, IPv6 /64   one that has just authenticated well
network       IPv4 /24                 one from within which somebody has just authenticated well
credential    the name as tried        clients that this very credential was proven from before
============  =======================  ==========================================================

A client from which log-ins succeeded before also goes before strangers where passwords wait to be hashed, unless it
has failed so often itself that only its good log-ins keep it from being locked.
"""

import ipaddress

import msgspec

CLIENT = "client"
NETWORK = "network"
CREDENTIAL = "credential"

_LONGEST_NAME = 254
"""Octets of the longest address, and so of the longest user name that can exist (RFC 5321 §4.5.3.1.3)."""


class LockoutRule(msgspec.Struct, frozen=True, kw_only=True):
    """When subjects of one scope are locked, and for how long."""

    failures: int
    """Failures that lock a subject."""
    locks_ms: tuple[int, ...]
    """How long the first, second, … lock lasts; the last one repeats."""
    failures_forgotten_after_ms: int
    """Time without a failure after which a count begins anew."""
    locks_forgotten_after_ms: int
    """Time without a failure or lock after which the next lock is a first one again."""


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """What is remembered of a subject's failures."""

    failures: int = 0
    """Since the last lock ended; while one holds, those that led to it."""
    times_locked: int = 0
    last_failed_at: int = 0
    locked_until: int | None = None

    def is_locked(self, now: int) -> bool:
        """Whether a lock holds."""
        return self.locked_until is not None and now < self.locked_until


CLEAN = Standing()


class LoginFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of whoever wants a password compared."""

    credential: Standing = CLEAN
    client: Standing = CLEAN
    network: Standing = CLEAN
    is_client_good: bool = False
    """The client has just authenticated well, as whomever."""
    is_network_good: bool = False
    """Somebody in the network around it has."""
    is_known: bool = False
    """Log-ins from the client succeeded before."""
    is_known_to_credential: bool = False
    """Log-ins from the client as this credential succeeded before."""


class Locked(msgspec.Struct, frozen=True):
    """No password is compared until then."""

    scope: str
    until: int


class MayTry(msgspec.Struct, frozen=True):
    """The password is compared."""

    is_preferred: bool
    """Before those of strangers."""


def verdict(facts: LoginFacts, client_rule: LockoutRule, now: int) -> Locked | MayTry:
    """Return whether a password is compared, and before whose."""
    for scope, standing, is_spared in (
        (CREDENTIAL, facts.credential, facts.is_known_to_credential),
        (CLIENT, facts.client, facts.is_client_good),
        (NETWORK, facts.network, facts.is_network_good or facts.is_client_good),
    ):
        if standing.locked_until is not None and standing.is_locked(now) and not is_spared:
            return Locked(scope, standing.locked_until)
    return MayTry(facts.is_known and not _is_over(facts.client, client_rule, now))


def failed(standing: Standing, rule: LockoutRule, now: int, *, times: int = 1, may_lock: bool = True) -> Standing:
    """Return a subject's standing after it has failed some times more."""
    if standing.is_locked(now):
        # These were under way when the lock fell. A lock that grew while it holds would be no temporary one.
        return standing
    standing = remembered(standing, rule, now)
    failures = standing.failures + times
    if failures < rule.failures or not may_lock:
        return msgspec.structs.replace(standing, failures=failures, last_failed_at=now)
    longer = rule.locks_ms[min(standing.times_locked, len(rule.locks_ms) - 1)]
    return Standing(
        failures=failures, times_locked=standing.times_locked + 1, last_failed_at=now, locked_until=now + longer
    )


def taken_back(standing: Standing, now: int, *, lock: int | None) -> Standing:
    """Return a subject's standing without a failure that was counted and turned out to be none.

    ``lock`` is the end of the lock that this failure brought, if it brought one: that one goes with it, and no other.
    """
    has_locked = lock is not None and standing.locked_until == lock
    return Standing(
        failures=max(0, standing.failures - 1),
        times_locked=max(0, standing.times_locked - has_locked),
        last_failed_at=now,
        locked_until=None if has_locked else standing.locked_until,
    )


def remembered(standing: Standing, rule: LockoutRule, now: int) -> Standing:
    """Return what time has left of a standing."""
    if standing.is_locked(now):
        return standing
    quiet_since = max(standing.last_failed_at, standing.locked_until or 0)
    starts_anew = standing.locked_until is not None or now - quiet_since >= rule.failures_forgotten_after_ms
    return Standing(
        failures=0 if starts_anew else standing.failures,
        times_locked=0 if now - quiet_since >= rule.locks_forgotten_after_ms else standing.times_locked,
        last_failed_at=standing.last_failed_at,
    )


def client_subject(address: str) -> str:
    """Return what counts as one client: an IPv4 address, or the /64 that one IPv6 host has to itself (RFC 4291 §2.5.1)."""
    if ":" not in address:
        return address
    try:
        parsed = ipaddress.IPv6Address(address)
    except ValueError:
        return address
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.IPv6Network((int(parsed) >> 64 << 64, 64)))


def network_subject(client: str) -> str | None:
    """Return the network around a client: an IPv4 address's /24; a /64 stands for itself."""
    # Every log-in passes here: a text with three dots between numbers is an address by now.
    *octets, last = client.split(".")
    if len(octets) != 3 or not ("".join(octets) + last).isdigit():
        return None
    return f"{'.'.join(octets)}.0/24"


def network_of(address: str) -> str:
    """Return the network that an address is counted in: its /24 or /64; what is no address stands for itself."""
    client = client_subject(address)
    return network_subject(client) or client


def credential_subject(username: str) -> str:
    """Return a name as it was tried, in the spelling and length that names are compared in."""
    return username.strip().lower()[:_LONGEST_NAME]


def _is_over(standing: Standing, rule: LockoutRule, now: int) -> bool:
    return standing.is_locked(now) or remembered(standing, rule, now).failures >= rule.failures

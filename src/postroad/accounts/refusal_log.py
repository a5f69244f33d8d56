"""The log of what is refused at the door, log-ins and API keys: who tried what, in a number of lines that no flood can grow.

The first refusal of a network within a few seconds is a line of its own. The others are counted and become one line
for that network when these seconds are over; where too many networks are refused at once, one line for all the rest. Why, and
what such a line keeps, is told in docs/decisions/0014.
"""

from collections import Counter

import msgspec
import structlog

from postroad.net.clock import Clock

log = structlog.get_logger()

WINDOW_MS = 5_000
_MOST_LINES = 20
"""Lines of each kind in one window."""
_MOST_NETWORKS = 1_000
"""Networks counted apart in one window."""
_MOST_NAMES = 5
_MOST_ADDRESSES = 256
"""As many as a /24 has; an IPv6 client may have any number."""
_LONGEST_NAME = 254


class Wording(msgspec.Struct, frozen=True):
    """What the lines of one kind of refusal are called, and the names in them."""

    one: str
    many: str
    elsewhere: str
    name: str
    names: str


LOGINS = Wording("login_refused", "logins_refused", "logins_refused_elsewhere", "username", "usernames")
API_KEYS = Wording("api_key_refused", "api_keys_refused", "api_keys_refused_elsewhere", "prefix", "prefixes")


class Refused(msgspec.Struct, frozen=True, kw_only=True):
    """A log-in or an API key that was refused."""

    name: str
    """The user name as it was tried, or what may be shown of the key."""
    client_address: str
    network: str
    reason: str
    mechanism: str | None = None
    """Of a log-in; null for what is none."""
    over_tls: bool | None = None
    """Of a log-in; null for what is none."""
    zone: str | None = None
    """The blocklist that names the client, if that is the reason."""

    def facts(self) -> dict[str, object]:
        """Return what is known beside the name."""
        facts: dict[str, object] = {"client_address": self.client_address}
        if self.mechanism is not None:
            facts |= {"mechanism": self.mechanism, "over_tls": self.over_tls}
        facts["reason"] = self.reason
        if self.zone is not None:
            facts["zone"] = self.zone
        return facts


class _Gathered(msgspec.Struct):
    """What a network did since its own line, or all the networks beyond the bounds."""

    last_address: str = ""
    reasons: Counter[str] = msgspec.field(default_factory=Counter)
    mechanisms: Counter[str] = msgspec.field(default_factory=Counter)
    zones: Counter[str] = msgspec.field(default_factory=Counter)
    without_tls: int = 0
    addresses: set[str] = msgspec.field(default_factory=set)
    names: dict[str, None] = msgspec.field(default_factory=dict)

    def add(self, refused: Refused) -> None:
        self.last_address = refused.client_address
        self.reasons[refused.reason] += 1
        if refused.mechanism is not None:
            self.mechanisms[refused.mechanism] += 1
            self.without_tls += not refused.over_tls
        if refused.zone is not None:
            self.zones[refused.zone] += 1
        if len(self.addresses) < _MOST_ADDRESSES:
            self.addresses.add(refused.client_address)
        if len(self.names) < _MOST_NAMES:
            self.names[refused.name[:_LONGEST_NAME]] = None

    def join(self, other: "_Gathered") -> None:
        """Add the counts of another one, for the line of all the rest."""
        self.reasons += other.reasons
        self.mechanisms += other.mechanisms
        self.zones += other.zones
        self.without_tls += other.without_tls

    def counts(self) -> dict[str, object]:
        """Return the numbers; those of log-ins and of blocklists where there were such."""
        counts: dict[str, object] = {"count": self.reasons.total(), "reasons": dict(self.reasons)}
        if self.mechanisms:
            counts |= {"mechanisms": dict(self.mechanisms), "without_tls": self.without_tls}
        if self.zones:
            counts["zones"] = dict(self.zones)
        return counts


class RefusalLog:
    """Writes of refusals what an operator needs to see; ``flush`` must be called now and then."""

    def __init__(self, clock: Clock, wording: Wording) -> None:
        self._clock = clock
        self._wording = wording
        self._began_at = clock()
        self._lines = 0
        self._networks: dict[str, _Gathered] = {}
        self._elsewhere = _Gathered()

    def refused(self, refused: Refused) -> None:
        """Write a line, or count the refusal for the line that is written later."""
        self.flush()
        gathered = self._networks.get(refused.network)
        if gathered is None and len(self._networks) >= _MOST_NETWORKS:
            self._elsewhere.add(refused)
        elif gathered is None and self._lines < _MOST_LINES:
            self._lines += 1
            self._networks[refused.network] = _Gathered()
            log.info(self._wording.one, **{self._wording.name: refused.name[:_LONGEST_NAME]}, **refused.facts())
        else:
            self._networks.setdefault(refused.network, _Gathered()).add(refused)

    def flush(self) -> None:
        """Write what has gathered, once its seconds are over."""
        now = self._clock()
        if now - self._began_at < WINDOW_MS:
            return
        networks = [(network, one) for network, one in self._networks.items() if one.reasons]
        networks.sort(key=lambda pair: pair[1].reasons.total(), reverse=True)
        for network, one in networks[:_MOST_LINES]:
            log.info(
                self._wording.many,
                network=network,
                **one.counts(),
                addresses=len(one.addresses),
                **{self._wording.names: list(one.names)},
                client_address=one.last_address,
            )
        for _, one in networks[_MOST_LINES:]:
            self._elsewhere.join(one)
        if self._elsewhere.reasons:
            log.info(self._wording.elsewhere, **self._elsewhere.counts())
        self._began_at, self._lines, self._networks, self._elsewhere = now, 0, {}, _Gathered()

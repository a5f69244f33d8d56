"""The log of failed log-ins: who tried what, in a number of lines that a flood cannot grow.

The first failure from a network within a few seconds is a line of its own. The others are counted and become one line
for that network when these seconds are over; where too many networks fail at once, one line for all the rest. Why, and what
such a line keeps, is told in docs/decisions/0014.
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


class FailedLogin(msgspec.Struct, frozen=True, kw_only=True):
    """A log-in that was refused."""

    username: str
    """As it was tried."""
    mechanism: str
    client_address: str
    network: str
    over_tls: bool
    reason: str


class _Gathered(msgspec.Struct):
    """What a network did since its own line, or all the networks beyond the bounds."""

    last_address: str = ""
    reasons: Counter[str] = msgspec.field(default_factory=Counter)
    mechanisms: Counter[str] = msgspec.field(default_factory=Counter)
    without_tls: int = 0
    addresses: set[str] = msgspec.field(default_factory=set)
    names: dict[str, None] = msgspec.field(default_factory=dict)

    def add(self, failed: FailedLogin) -> None:
        self.last_address = failed.client_address
        self.reasons[failed.reason] += 1
        self.mechanisms[failed.mechanism] += 1
        self.without_tls += not failed.over_tls
        if len(self.addresses) < _MOST_ADDRESSES:
            self.addresses.add(failed.client_address)
        if len(self.names) < _MOST_NAMES:
            self.names[failed.username[:_LONGEST_NAME]] = None

    def join(self, other: "_Gathered") -> None:
        """Add the counts of another one, for the line of all the rest."""
        self.reasons += other.reasons
        self.mechanisms += other.mechanisms
        self.without_tls += other.without_tls


class LoginLog:
    """Writes of failed log-ins what an operator needs to see; ``flush`` must be called now and then."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._began_at = clock()
        self._lines = 0
        self._networks: dict[str, _Gathered] = {}
        self._elsewhere = _Gathered()

    def failed(self, failed: FailedLogin) -> None:
        """Write a line, or count the failure for the line that is written later."""
        self.flush()
        gathered = self._networks.get(failed.network)
        if gathered is None and len(self._networks) >= _MOST_NETWORKS:
            self._elsewhere.add(failed)
        elif gathered is None and self._lines < _MOST_LINES:
            self._lines += 1
            self._networks[failed.network] = _Gathered()
            _write(failed)
        else:
            self._networks.setdefault(failed.network, _Gathered()).add(failed)

    def flush(self) -> None:
        """Write what has gathered, once its seconds are over."""
        now = self._clock()
        if now - self._began_at < WINDOW_MS:
            return
        networks = [(network, one) for network, one in self._networks.items() if one.reasons]
        networks.sort(key=lambda pair: pair[1].reasons.total(), reverse=True)
        for network, one in networks[:_MOST_LINES]:
            log.info(
                "logins_refused",
                network=network,
                count=one.reasons.total(),
                reasons=dict(one.reasons),
                mechanisms=dict(one.mechanisms),
                without_tls=one.without_tls,
                addresses=len(one.addresses),
                usernames=list(one.names),
                client_address=one.last_address,
            )
        for _, one in networks[_MOST_LINES:]:
            self._elsewhere.join(one)
        if self._elsewhere.reasons:
            log.info(
                "logins_refused_elsewhere",
                count=self._elsewhere.reasons.total(),
                reasons=dict(self._elsewhere.reasons),
                mechanisms=dict(self._elsewhere.mechanisms),
                without_tls=self._elsewhere.without_tls,
            )
        self._began_at, self._lines, self._networks, self._elsewhere = now, 0, {}, _Gathered()


def _write(failed: FailedLogin) -> None:
    log.info(
        "login_refused",
        username=failed.username[:_LONGEST_NAME],
        client_address=failed.client_address,
        mechanism=failed.mechanism,
        over_tls=failed.over_tls,
        reason=failed.reason,
    )

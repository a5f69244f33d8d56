"""A worker's view of where log-ins succeeded: from there nobody is locked out for what strangers do."""

from collections.abc import Sequence
from typing import Any, TypeVar

from postroad.net.clock import Clock
from postroad.policy.lockout import network_subject
from postroad.storage import lockouts
from postroad.storage.database import Database
from postroad.storage.errors import StorageError
from postroad.storage.lockouts import MOST_PER_CALL, LoginNetwork

K = TypeVar("K")

_CAPACITY = 100_000
_TOUCH_AFTER_MS = 600_000
"""A success is written at most this often per client and credential."""
_OVERLAP_MS = 60_000


class LoginNetworks:
    """Which clients log-ins succeeded from, when last, as which credential."""

    def __init__(self, database: Database, clock: Clock, known_for_ms: int) -> None:
        self._database = database
        self._clock = clock
        self._known_for_ms = known_for_ms
        self._by_credential: dict[tuple[str, int], int] = {}
        self._by_client: dict[str, int] = {}
        self._by_network: dict[str, int] = {}
        self._pending: dict[tuple[str, int], int] = {}
        self._looked_at: int | None = None

    def succeeded(self, client: str, credential_id: int) -> bool:
        """Note that a credential was proven from a client; returns whether that was worth writing."""
        now = self._clock()
        if now - self._by_credential.get((client, credential_id), 0) < _TOUCH_AFTER_MS:
            return False
        self._learn(client, credential_id, now)
        if len(self._pending) < _CAPACITY:
            self._pending[client, credential_id] = now
        return True

    def last_of_client(self, client: str) -> int:
        """Return when a log-in last succeeded from a client, as whomever; 0 for never."""
        return self._by_client.get(client, 0)

    def last_in_network(self, network: str) -> int:
        """Return when a log-in last succeeded from within a network."""
        return self._by_network.get(network, 0)

    def last_of_credential(self, client: str, credential_id: int) -> int:
        """Return when a credential was last proven from a client."""
        return self._by_credential.get((client, credential_id), 0)

    async def write(self) -> None:
        """Store the successes that have gathered."""
        while self._pending:
            batch = dict(list(self._pending.items())[:MOST_PER_CALL])
            for key in batch:
                del self._pending[key]
            rows = [LoginNetwork(client, credential_id, at) for (client, credential_id), at in batch.items()]
            try:
                await self._database.write(lockouts.note_successes, rows)
            except StorageError:
                self._pending = batch | self._pending
                raise

    def read_news(self, connection: Any, now: int) -> list[LoginNetwork]:
        """Read from where log-ins succeeded in other workers, and before this one began."""
        since = now - self._known_for_ms if self._looked_at is None else self._looked_at - _OVERLAP_MS
        return lockouts.networks_since(connection, since, _CAPACITY)

    def learn(self, found: Sequence[LoginNetwork], now: int) -> None:
        """Take in what was read."""
        self._looked_at = now
        for one in reversed(found):
            self._learn(one.client, one.credential_id, one.last_success_at)

    def _learn(self, client: str, credential_id: int, at: int) -> None:
        _keep_latest(self._by_credential, (client, credential_id), at)
        _keep_latest(self._by_client, client, at)
        network = network_subject(client)
        if network is not None:
            _keep_latest(self._by_network, network, at)


def _keep_latest(instants: dict[K, int], key: K, at: int) -> None:
    before = instants.pop(key, 0)
    if len(instants) >= _CAPACITY:
        # The one that succeeded, or was heard of, the longest ago.
        del instants[next(iter(instants))]
    instants[key] = max(before, at)

"""Whom the HTTP doors of one worker let in, over all of them."""

from collections.abc import Sequence
from http import HTTPStatus

from postroad.net.address import Networks, client_of
from postroad.net.client_counts import ClientCounts

MAX_CONNECTIONS = 1000


class Clients:
    """Counts the open connections, in all and of each client.

    Behind ``trusted_proxies`` (CIDR networks) are many clients: only they may say by X-Forwarded-For and X-Forwarded-Proto
    who asks, and how, and they may have as many connections as there are.
    """

    def __init__(self, trusted_proxies: Sequence[str] = (), max_connections_per_address: int = 200) -> None:
        self.trusted_proxies = trusted_proxies
        self._proxies = Networks(trusted_proxies)
        self._counts = ClientCounts(max_connections_per_address)
        self.open = 0
        """How many connections there are."""

    def enter(self, address: str) -> HTTPStatus | None:
        """Count one more connection; returns why it is refused, if it is. ``leave`` undoes it either way."""
        self.open += 1
        if address not in self._proxies and not self._counts.claim(client_of(address)):
            return HTTPStatus.TOO_MANY_REQUESTS
        return HTTPStatus.SERVICE_UNAVAILABLE if self.open > MAX_CONNECTIONS else None

    def leave(self, address: str) -> None:
        """Count a connection no longer."""
        self.open -= 1
        if address not in self._proxies:
            self._counts.release(client_of(address))

"""The operator's stored routes, followed while the engine runs."""

from collections.abc import Callable

import structlog

from postroad.delivery.terms import with_stored_routes
from postroad.policy.routing import RoutingRules
from postroad.storage import revision, routes
from postroad.storage.database import Database
from postroad.storage.secrets import Vault

log = structlog.get_logger()


class StoredRoutes:
    """Reads the routes that the operator stored, over those of the configuration, when they may have changed."""

    def __init__(self, database: Database, vault: Vault, configured: RoutingRules) -> None:
        self._database = database
        self._vault = vault
        self._configured = configured
        self._known = configured
        self._revision: int | None = None

    async def changed(self) -> RoutingRules | None:
        """Return the rules as they are now, or None while they are as they were the last time: at first the configured."""
        current = await self._database.read(revision.current)
        if current == self._revision:
            return None
        stored = await self._database.read(routes.list_all, self._vault)
        self._revision = current
        rules = with_stored_routes(self._configured, stored)
        if rules == self._known:
            # Rules that stay the same keep what is known of their sites.
            return None
        self._known = rules
        return rules

    async def tell(self, replace: Callable[[RoutingRules], None]) -> None:
        """Hand over the rules where they are others than before."""
        rules = await self.changed()
        if rules is not None:
            replace(rules)
            log.info("routes_changed")

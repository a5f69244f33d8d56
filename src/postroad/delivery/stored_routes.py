"""The operator's stored routes, followed while the engine runs."""

import asyncio
from collections.abc import Callable

import structlog

from postroad.delivery.terms import with_stored_routes
from postroad.policy.routing import RoutingRules
from postroad.storage import revision, routes
from postroad.storage.database import Database
from postroad.storage.errors import StorageError
from postroad.storage.secrets import Vault

log = structlog.get_logger()

_LOOK_S = 1.0


class StoredRoutes:
    """Reads the routes that the operator stored, over those of the configuration, when they may have changed."""

    def __init__(self, database: Database, vault: Vault, configured: RoutingRules) -> None:
        self._database = database
        self._vault = vault
        self._configured = configured
        self._revision: int | None = None

    async def changed(self) -> RoutingRules | None:
        """Return the rules as they are now, or None while the control plane is as it was the last time."""
        current = await self._database.read(revision.current)
        if current == self._revision:
            return None
        stored = await self._database.read(routes.list_all, self._vault)
        self._revision = current
        return with_stored_routes(self._configured, stored)

    async def keep_telling(self, replace: Callable[[RoutingRules], None], known: RoutingRules) -> None:
        """Hand over other rules than the ``known`` ones within a second of their change, until cancelled."""
        while True:
            try:
                rules = await self.changed()
            except StorageError as error:
                log.warning("routes_not_read", error=str(error))
                rules = None
            if rules is not None and rules != known:
                # Rules that stayed the same keep what is known of their sites.
                known = rules
                replace(rules)
                log.info("routes_changed")
            await asyncio.sleep(_LOOK_S)

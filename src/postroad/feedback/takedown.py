"""Destinations that an operator takes down: links that were mailed lead there no longer."""

from postroad.model.actor import Actor
from postroad.model.audit import entry_of
from postroad.model.refused import MissingError, RefusedError
from postroad.model.tracking import BlockedDestination
from postroad.net.clock import Clock
from postroad.policy.permission import require_operator
from postroad.storage import blocked_destinations
from postroad.storage.database import Database
from postroad.tracking.blocking import understood


class Takedown:
    """Answers operators; nodes follow within a second."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def meant(self, text: str) -> str:
        """Return what a text would block, as it is compared. Raises RefusedError."""
        return _pattern(text)

    async def block(self, actor: Actor, text: str, reason: str = "") -> BlockedDestination:
        """Block a host with all below it, or all URLs that begin so. Raises RefusedError."""
        require_operator(actor)
        blocked = BlockedDestination(
            pattern=_pattern(text), reason=reason, created_at=self._clock(), created_by=actor.name
        )
        entry = entry_of(
            actor,
            "destination.blocked",
            blocked.pattern,
            at=blocked.created_at,
            account_id=None,
            after={"reason": reason},
        )
        if not await self._database.write(blocked_destinations.add, blocked, entry):
            raise RefusedError(f"{blocked.pattern} is blocked already.", field="destination")
        return blocked

    async def unblock(self, actor: Actor, text: str) -> str:
        """Let links lead there again. Raises MissingError."""
        require_operator(actor)
        pattern = _listed(text)
        entry = entry_of(actor, "destination.unblocked", pattern, at=self._clock(), account_id=None)
        if not await self._database.write(blocked_destinations.remove, pattern, entry):
            raise MissingError(f"{pattern} is not blocked.")
        return pattern

    async def find(self, actor: Actor, text: str) -> BlockedDestination:
        """Return one of them. Raises MissingError."""
        pattern = _listed(text)
        found = next((one for one in await self.all(actor) if one.pattern == pattern), None)
        if found is None:
            raise MissingError(f"{pattern} is not blocked.")
        return found

    async def all(self, actor: Actor) -> list[BlockedDestination]:
        """Return all of them."""
        require_operator(actor)
        return await self._database.read(blocked_destinations.list_all)


def _pattern(text: str) -> str:
    try:
        return understood(text)
    except ValueError as error:
        raise RefusedError(str(error), field="destination") from error


def _listed(text: str) -> str:
    """Read what may be written as it is listed: the beginning of a URL without its scheme."""
    return _pattern(f"http://{text}" if "/" in text and "://" not in text else text)

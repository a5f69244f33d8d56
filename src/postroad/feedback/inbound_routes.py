"""Routes of sending domains, as their accounts set them: each change is checked, recorded, and holds at once."""

from collections.abc import Sequence

import msgspec

from postroad.model.actor import Actor
from postroad.model.audit import AuditEntry, entry_of
from postroad.model.domain import SendingDomain
from postroad.model.inbound_route import InboundAction, InboundRoute, RouteGroup
from postroad.model.refused import MissingError, RefusedError
from postroad.net.clock import Clock
from postroad.policy.inbound_routing import MOST_ROUTES, Routing, routing_of
from postroad.policy.pattern import PatternError, pattern
from postroad.policy.permission import require_change, require_sight
from postroad.protocol.smtp.address import AddressError, parse_path
from postroad.storage import domains, inbound_routes
from postroad.storage.database import Database
from postroad.storage.errors import Conflict


class InboundRoutes:
    """Answers whoever may change a sending domain."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def of_domain(self, actor: Actor, domain_name: str) -> list[InboundRoute]:
        """Return a domain's routes in their order."""
        domain = await self._seen(actor, domain_name)
        return await self._database.read(inbound_routes.of_domain, domain.id)

    async def add(
        self,
        actor: Actor,
        domain_name: str,
        *,
        mail_from: str = "",
        mail_to: str = "",
        subject: str = "",
        forward_to: str = "",
        position: int = 0,
    ) -> InboundRoute:
        """Add a route that forwards, or without an address to forward to one that stops. Raises RefusedError.

        ``position`` is where it goes, from 1; at the end for 0.
        """
        domain = await self._changed(actor, domain_name)
        for name, expression in (("mail_from", mail_from), ("mail_to", mail_to), ("subject", subject)):
            _require_pattern(name, expression)
        route = InboundRoute(
            account_id=domain.account_id,
            domain_id=domain.id,
            position=position,
            mail_from=mail_from,
            mail_to=mail_to,
            subject=subject,
            action=InboundAction.FORWARD if forward_to else InboundAction.STOP,
            forward_to=_forward_to(forward_to, domain) if forward_to else "",
            created_at=self._clock(),
            created_by=actor.name,
        )
        entry = self._entry(actor, domain, "inbound_route.added", after=_facts(route))
        added = await self._database.write(inbound_routes.add, route, entry, MOST_ROUTES)
        if added is None:
            raise RefusedError(f"{domain.name} has {MOST_ROUTES} routes, which is the most: remove one first.")
        return added

    async def remove(self, actor: Actor, domain_name: str, position: int) -> InboundRoute:
        """Remove the route at a position; those behind move up. Raises MissingError."""
        domain = await self._changed(actor, domain_name)
        known = await self._database.read(inbound_routes.of_domain, domain.id)
        before = next((_facts(one) for one in known if one.position == position), None)
        entry = self._entry(actor, domain, "inbound_route.removed", before=before)
        removed = await self._database.write(inbound_routes.remove, domain.id, position, entry)
        if removed is None:
            raise MissingError(f"{domain.name} has no route {position}.")
        return removed

    async def move(self, actor: Actor, domain_name: str, position: int, to: int) -> None:
        """Put a route at another position. Raises MissingError."""
        domain = await self._changed(actor, domain_name)
        entry = self._entry(actor, domain, "inbound_route.moved", before={"position": position}, after={"position": to})
        if not await self._database.write(inbound_routes.move, domain.id, position, to, entry):
            raise MissingError(f"{domain.name} has no route {position}, or no place {to}.")

    async def test(self, actor: Actor, domain_name: str, *, mail_from: str, mail_to: str, subject: str) -> Routing:
        """Return what the routes would do with a message."""
        return routing_of(await self.of_domain(actor, domain_name), mail_from, mail_to, subject)

    async def groups(
        self, actor: Actor, account_id: int, *, limit: int, skip: int = 0
    ) -> tuple[list[list[InboundRoute]], int]:
        """Return some of an account's groups of routes, and how many it has; a route that stands alone is one."""
        require_sight(actor, account_id, "account")
        return await self._database.read(inbound_routes.groups, account_id, limit, skip)

    async def group(self, actor: Actor, account_id: int, group_id: int) -> list[InboundRoute]:
        """Return the routes of a group in their order. Raises MissingError."""
        require_sight(actor, account_id, "account")
        found = await self._database.read(inbound_routes.group, account_id, group_id)
        if not found:
            raise MissingError(f"There is no route {group_id}.")
        return found

    async def put_group(
        self, actor: Actor, domain_name: str, wanted: RouteGroup, *, replaced: Sequence[InboundRoute] = ()
    ) -> list[InboundRoute]:
        """Add routes as one group, in the place of another where one is named. Raises RefusedError."""
        domain = await self._changed(actor, domain_name)
        routes = _routes_of(wanted, domain, actor, replaced[0].created_at if replaced else self._clock())
        for one in routes:
            for name in ("mail_from", "mail_to", "subject"):
                _require_pattern(name, getattr(one, name))
        entry = self._entry(
            actor,
            domain,
            "inbound_route.changed" if replaced else "inbound_route.added",
            before=_group_facts(replaced) if replaced else None,
            after=_group_facts(routes),
        )
        try:
            return await self._database.write(
                inbound_routes.put_group, routes, entry, replaced=replaced, most=MOST_ROUTES
            )
        except Conflict as error:
            raise RefusedError(
                f"{domain.name} would have {error.what}, which is the most, or the route was changed just now."
            ) from error

    async def remove_group(self, actor: Actor, account_id: int, group_id: int) -> list[InboundRoute]:
        """Remove a group; those behind move up. Raises MissingError."""
        removed = await self.group(actor, account_id, group_id)
        require_change(actor, account_id, f"route {group_id}")
        domain = await self._database.read(domains.get, removed[0].domain_id)
        assert domain is not None, "a domain takes its routes along"
        entry = self._entry(actor, domain, "inbound_route.removed", before=_group_facts(removed))
        try:
            await self._database.write(inbound_routes.remove_group, removed, entry)
        except Conflict as error:
            raise MissingError(f"There is no route {group_id}.") from error
        return removed

    async def _seen(self, actor: Actor, domain_name: str) -> SendingDomain:
        return await self._database.read(domains.seen, actor, domain_name)

    async def _changed(self, actor: Actor, domain_name: str) -> SendingDomain:
        domain = await self._seen(actor, domain_name)
        require_change(actor, domain.account_id, f"sending domain {domain.name}")
        return domain

    def _entry(
        self,
        actor: Actor,
        domain: SendingDomain,
        action: str,
        *,
        before: dict[str, object] | None = None,
        after: dict[str, object] | None = None,
    ) -> AuditEntry:
        return entry_of(
            actor, action, domain.name, at=self._clock(), account_id=domain.account_id, before=before, after=after
        )


def describe(routes: Sequence[InboundRoute]) -> list[tuple[str, str]]:
    """Return each route in words: when it holds, and what it does."""
    return [(_condition(one), _deed(one)) for one in routes]


def _condition(route: InboundRoute) -> str:
    parts = (("from", route.mail_from), ("to", route.mail_to), ("subject", route.subject))
    return ", ".join(f"{name} /{expression}/" for name, expression in parts if expression) or "everything"


def _deed(route: InboundRoute) -> str:
    return f"forward to {route.forward_to}" if route.action is InboundAction.FORWARD else "stop"


def _require_pattern(name: str, expression: str) -> None:
    try:
        if expression:
            pattern(expression)
    except PatternError as error:
        raise RefusedError(f"{name}: {error}.", field=name) from error


def _forward_to(text: str, domain: SendingDomain) -> str:
    try:
        path = parse_path(text.strip(), is_utf8=True)
    except AddressError as error:
        raise RefusedError(f"forward_to: {error}.", field="forward_to") from error
    if not path:
        raise RefusedError("forward_to: name the address to forward to.", field="forward_to")
    if path.rpartition("@")[2] == domain.name:
        # Where its MX leads here, as it must for the route to see any mail, it would come back at once.
        raise RefusedError(
            f"forward_to: {path} is at {domain.name} itself, whose mail comes here again; name an address elsewhere.",
            field="forward_to",
        )
    return path


def _routes_of(wanted: RouteGroup, domain: SendingDomain, actor: Actor, created_at: int) -> list[InboundRoute]:
    """Return the routes of a group: one for each address to forward to, then one that stops."""
    if not wanted.forward_to and not wanted.is_stop:
        raise RefusedError("A route forwards to an address, or stops.", field="forward_to")
    common = InboundRoute(
        account_id=domain.account_id,
        domain_id=domain.id,
        mail_from=wanted.mail_from,
        mail_to=wanted.mail_to,
        subject=wanted.subject,
        action=InboundAction.STOP,
        created_at=created_at,
        created_by=actor.name,
        priority=wanted.priority,
        description=wanted.description,
        expression=wanted.expression,
    )
    forwarding = [
        msgspec.structs.replace(common, action=InboundAction.FORWARD, forward_to=_forward_to(one, domain))
        for one in wanted.forward_to
    ]
    return [*forwarding, common] if wanted.is_stop else forwarding


def _group_facts(routes: Sequence[InboundRoute]) -> dict[str, object]:
    return _facts(routes[0]) | {"does": ", ".join(_deed(one) for one in routes)}


def _facts(route: InboundRoute) -> dict[str, object]:
    facts = {"from": route.mail_from, "to": route.mail_to, "subject": route.subject, "does": _deed(route)}
    return {name: value for name, value in facts.items() if value}

"""Routes of sending domains on each engine: numbered from 1 without gaps, whoever changes them at once."""

import asyncio
from typing import Any

import pytest

from postroad.accounts.accounts import Accounts
from postroad.feedback.inbound_routes import InboundRoutes
from postroad.model.actor import SYSTEM, Actor, ActorKind
from postroad.model.domain import DomainState, SendingDomain
from postroad.model.refused import ForbiddenError, MissingError, RefusedError
from postroad.policy.inbound_routing import MOST_ROUTES
from postroad.storage import audit, domains, inbound_routes
from postroad.storage.audit import AuditSelector
from postroad.storage.database import Database
from tests.storage.samples import NOW

NAME = "news.example.com"


@pytest.fixture
async def routes(database: Database) -> InboundRoutes:
    account = await Accounts(database, lambda: NOW).ensure_default(SYSTEM)
    assert account.id == 1
    await database.write(
        domains.add, SendingDomain(id=0, account_id=1, name=NAME, state=DomainState.ACTIVE, created_at=NOW)
    )
    return InboundRoutes(database, lambda: NOW)


async def order(routes: InboundRoutes) -> list[tuple[int, str]]:
    return [(one.position, one.mail_to) for one in await routes.of_domain(SYSTEM, NAME)]


async def test_they_keep_their_order(database: Database, routes: InboundRoutes) -> None:
    for mail_to, position in (("a", 0), ("b", 0), ("c", 1), ("d", 9)):
        await routes.add(SYSTEM, NAME, mail_to=mail_to, forward_to="x@there.example", position=position)
    assert await order(routes) == [(1, "c"), (2, "a"), (3, "b"), (4, "d")]
    await routes.move(SYSTEM, NAME, 4, 1)
    assert await order(routes) == [(1, "d"), (2, "c"), (3, "a"), (4, "b")]
    assert (await routes.remove(SYSTEM, NAME, 2)).mail_to == "c"
    assert await order(routes) == [(1, "d"), (2, "a"), (3, "b")]
    written = await database.read(audit.search, AuditSelector(action="inbound_route"), 10)
    assert [one.action.partition(".")[2] for one in written] == ["removed", "moved", "added", "added", "added", "added"]
    assert written[0].before == {"to": "c", "does": "forward to x@there.example"}


async def test_who_adds_at_once_gets_a_place_each(routes: InboundRoutes) -> None:
    await asyncio.gather(*(routes.add(SYSTEM, NAME, mail_to=f"r{number}") for number in range(8)))
    assert [position for position, _ in await order(routes)] == list(range(1, 9))


async def test_there_is_a_most(routes: InboundRoutes) -> None:
    for _ in range(MOST_ROUTES):
        await routes.add(SYSTEM, NAME)
    with pytest.raises(RefusedError, match="which is the most"):
        await routes.add(SYSTEM, NAME)


async def test_what_makes_no_sense_is_refused(routes: InboundRoutes) -> None:
    wrong: dict[str, Any] = {"mail_from": "(", "mail_to": "a**", "subject": "(?<=a)", "forward_to": "nobody"}
    for field, value in wrong.items():
        only: dict[str, Any] = {field: value}
        with pytest.raises(RefusedError, match=f"{field}: "):
            await routes.add(SYSTEM, NAME, **only)
    with pytest.raises(RefusedError, match="comes here again"):
        await routes.add(SYSTEM, NAME, forward_to=f"me@{NAME}")
    for position, to in ((1, 1), (0, 1)):
        with pytest.raises(MissingError):
            await routes.move(SYSTEM, NAME, position, to)
    with pytest.raises(MissingError):
        await routes.remove(SYSTEM, NAME, 1)


async def test_others_neither_see_nor_change_them(routes: InboundRoutes) -> None:
    stranger = Actor(kind=ActorKind.USER, id=1, name="eve@x.example", account_id=2)
    reader = Actor(kind=ActorKind.USER, id=2, name="ann@x.example", account_id=1)
    with pytest.raises(MissingError):
        await routes.of_domain(stranger, NAME)
    assert await routes.of_domain(reader, NAME) == []
    with pytest.raises(ForbiddenError):
        await routes.add(reader, NAME)


async def test_they_go_with_their_domain(database: Database, routes: InboundRoutes) -> None:
    await routes.add(SYSTEM, NAME)
    found = await database.read(inbound_routes.receiving, NAME)
    assert found is not None
    domain, known = found
    assert len(known) == 1
    await database.write(domains.remove, domain.id)
    assert await database.read(inbound_routes.of_domain, domain.id) == []
    assert await database.read(inbound_routes.receiving, NAME) is None

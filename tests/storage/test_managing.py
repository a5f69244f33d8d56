"""What calls that manage an account ask of storage, on each engine: pages, several webhooks at once, groups of routes."""

import asyncio
from typing import Any

import msgspec
import pytest

from postroad.accounts.accounts import Accounts
from postroad.feedback.inbound_routes import InboundRoutes
from postroad.model.actor import SYSTEM, Actor, ActorKind
from postroad.model.audit import entry_of
from postroad.model.credential import CredentialKind, Secret, SmtpUser
from postroad.model.domain import DkimKey, DomainQuery, DomainState, KeyAlgorithm, KeyState, SendingDomain
from postroad.model.event import EventType
from postroad.model.inbound_route import RouteGroup
from postroad.model.options import CallbackFormat
from postroad.model.refused import ForbiddenError, MissingError, RefusedError
from postroad.model.webhook import NO_LOGIN, Login, Webhook
from postroad.policy.inbound_routing import MOST_ROUTES
from postroad.storage import accounts, audit, dkim_keys, domains, inbound_routes, smtp_users, webhooks
from postroad.storage.audit import AuditSelector
from postroad.storage.database import Database
from postroad.storage.errors import Conflict
from postroad.storage.secrets import Vault
from tests.storage.samples import NOW

NAME = "news.example.com"
VAULT = Vault(bytes(range(32)))


def domain(name: str, account_id: int = 1, state: DomainState = DomainState.ACTIVE) -> SendingDomain:
    return SendingDomain(id=0, account_id=account_id, name=name, state=state, created_at=NOW)


@pytest.fixture
async def own(database: Database) -> SendingDomain:
    assert (await Accounts(database, lambda: NOW).ensure_default(SYSTEM)).id == 1
    return await database.write(domains.add, domain(NAME))


@pytest.fixture
async def foreign(database: Database, own: SendingDomain) -> SendingDomain:
    other = await database.write(accounts.add, "other", NOW)
    return await database.write(domains.add, domain("foreign.example", other.id))


async def test_domains_are_found_by_what_is_asked(
    database: Database, own: SendingDomain, foreign: SendingDomain
) -> None:
    await database.write(domains.add, domain("a_b.example.org", state=DomainState.VETTING))
    await database.write(domains.add, domain("axb.example.org", state=DomainState.DISABLED))

    async def names(**asked: Any) -> tuple[list[str], int]:
        found, total = await database.read(domains.page, own.account_id, DomainQuery(**({"limit": 9} | asked)))
        return [one.name for one in found], total

    everything = ["a_b.example.org", "axb.example.org", NAME]
    assert await names() == (everything, 3)
    assert await names(limit=1, skip=1) == (everything[1:2], 3)
    assert await names(is_descending=True, limit=2) == (everything[:0:-1], 3)
    assert await names(part="a_b") == (everything[:1], 1)
    assert await names(part="foreign") == ([], 0)
    assert await names(name=NAME) == ([NAME], 1)
    assert await names(states=(DomainState.VETTING, DomainState.DISABLED)) == (everything[:2], 2)


async def test_keys_in_use_are_listed(database: Database, own: SendingDomain, foreign: SendingDomain) -> None:
    for of, selector, state in (
        (own, "postroad1", KeyState.RETIRED),
        (own, "postroad2", KeyState.ACTIVE),
        (own, "postroad1", KeyState.PUBLISHED),
        (foreign, "postroad1", KeyState.ACTIVE),
    ):
        key = DkimKey(
            id=0,
            domain_id=of.id,
            selector=selector,
            algorithm=KeyAlgorithm.RSA,
            state=state,
            private_key=b"secret",
            public_key="p",
            created_at=NOW,
        )
        await database.write(dkim_keys.add, VAULT, key)

    async def selectors(**asked: Any) -> list[tuple[str, str]]:
        found = await database.read(dkim_keys.in_use, own.account_id, **({"limit": 9} | asked))
        assert all(not key.private_key for _, key in found)
        return [(name, key.selector) for name, key in found]

    assert await selectors() == [(NAME, "postroad2"), (NAME, "postroad1")]
    assert await selectors(limit=1, skip=1) == [(NAME, "postroad1")]
    assert await selectors(selector="postroad2", name=NAME) == [(NAME, "postroad2")]
    assert await selectors(name="foreign.example") == []


async def test_users_come_in_pages(database: Database, own: SendingDomain, foreign: SendingDomain) -> None:
    for of, name in ((own, "b@x.example"), (own, "a@x.example"), (foreign, "c@x.example"), (own, "d@x.example")):
        user = SmtpUser(
            id=0,
            account_id=of.account_id,
            domain_id=of.id,
            username=name,
            kind=CredentialKind.PASSWORD,
            password_hash="x",
            created_at=NOW,
        )
        await database.write(smtp_users.add, user)
    found, total = await database.read(smtp_users.page_of, own.id, 2, 1)
    assert ([one.username for one in found], total) == (["b@x.example", "d@x.example"], 3)


def webhook(of: SendingDomain, url: str, *kinds: EventType) -> Webhook:
    return Webhook(
        account_id=of.account_id,
        domain_id=of.id,
        url=url,
        format=CallbackFormat.MAILGUN,
        event_types=kinds,
        created_at=NOW,
        created_by="someone",
    )


def change(to: Webhook | None, removed: int = 0, login: Login = NO_LOGIN) -> webhooks.Change:
    return webhooks.Change(to, login, entry_of(SYSTEM, "webhook.edited", "x", at=NOW, account_id=1), removed)


async def test_webhooks_are_changed_together_or_not_at_all(database: Database, own: SendingDomain) -> None:
    opened, clicked = EventType.OPENED, EventType.CLICKED
    a, b, c = [
        await database.write(webhooks.add, VAULT, webhook(own, f"https://{name}.example/", opened), NO_LOGIN)
        for name in "abc"
    ]
    # The room that one gives up is another's, in whatever order they are named.
    d, e = (webhook(own, f"https://{name}.example/", opened) for name in "de")
    gives_up = msgspec.structs.replace(a, event_types=(clicked,))
    grows = msgspec.structs.replace(b, event_types=(clicked, opened))
    login = Login(password=Secret("secret"))
    changes = [change(d), change(e, login=login), change(grows), change(None, c.id), change(gives_up)]
    found = await database.write(webhooks.arrange, VAULT, own.id, changes)
    told = {one.url[8]: one.event_types for one in found}
    assert told == {"a": (clicked,), "b": (clicked, opened), "d": (opened,), "e": (opened,)}
    assert await database.read(webhooks.login_of, VAULT, found[-1].id) == login
    assert len(await database.read(audit.search, AuditSelector(action="webhook.edited"), 9)) == 5

    two_more = [change(webhook(own, f"https://{name}.example/", opened)) for name in "fg"]
    with pytest.raises(Conflict, match="3 addresses already"):
        await database.write(webhooks.arrange, VAULT, own.id, [change(None, a.id), *two_more])
    with pytest.raises(Conflict, match="removed just now"):
        await database.write(webhooks.arrange, VAULT, own.id, [change(c)])
    assert await database.read(webhooks.of_domain, own.id) == found
    assert len(await database.read(audit.search, AuditSelector(action="webhook.edited"), 9)) == 5


def group(name: str, priority: int = 0, *to: str) -> RouteGroup:
    return RouteGroup(mail_to=name, forward_to=to or ("x@there.example",), is_stop=True, priority=priority)


async def test_groups_stand_by_priority_and_keep_their_place(database: Database, own: SendingDomain) -> None:
    routes = InboundRoutes(database, lambda: NOW)
    await routes.add(SYSTEM, NAME, mail_to="alone")
    for name, priority in (("c", 2), ("a", 1), ("b", 1)):
        await routes.put_group(SYSTEM, NAME, group(name, priority))

    async def order() -> list[str]:
        stored = await routes.of_domain(SYSTEM, NAME)
        assert [one.position for one in stored] == list(range(1, len(stored) + 1))
        return [one.mail_to for one in stored]

    assert await order() == ["alone", "a", "a", "b", "b", "c", "c"]
    found, total = await routes.groups(SYSTEM, own.account_id, limit=2, skip=1)
    assert ([[one.mail_to for one in routes] for routes in found], total) == ([["a", "a"], ["b", "b"]], 4)
    a = await routes.group(SYSTEM, own.account_id, found[0][0].group)
    same = await routes.put_group(SYSTEM, NAME, group("a2", 1, "x@y.example", "z@y.example"), replaced=a)
    assert await order() == ["alone", "a2", "a2", "a2", "b", "b", "c", "c"]
    assert {one.group for one in same} == {a[0].group}
    assert {one.created_at for one in same} == {NOW}
    await routes.put_group(SYSTEM, NAME, group("a3", 2), replaced=same)
    assert await order() == ["alone", "b", "b", "c", "c", "a3", "a3"]
    # Somebody else has only seen what is gone.
    with pytest.raises(RefusedError, match="changed just now"):
        await routes.put_group(SYSTEM, NAME, group("a4", 2), replaced=[msgspec.structs.replace(a[0], group_id=10**6)])
    await routes.remove_group(SYSTEM, own.account_id, a[0].group)
    assert await order() == ["alone", "b", "b", "c", "c"]
    with pytest.raises(MissingError):
        await routes.remove_group(SYSTEM, own.account_id, a[0].group)
    # One of a group may go alone, as people see each of them.
    await routes.remove(SYSTEM, NAME, 2)
    assert len(await routes.group(SYSTEM, own.account_id, found[1][0].group)) == 1


async def test_a_group_moves_to_another_domain(database: Database, own: SendingDomain) -> None:
    more = await database.write(domains.add, domain("more.example.com"))
    routes = InboundRoutes(database, lambda: NOW)
    first = await routes.put_group(SYSTEM, NAME, group("a"))
    await routes.put_group(SYSTEM, NAME, group("b"))
    moved = await routes.put_group(SYSTEM, more.name, group("a"), replaced=first)
    assert {(one.domain_id, one.group) for one in moved} == {(more.id, first[0].group)}
    assert [one.position for one in await routes.of_domain(SYSTEM, NAME)] == [1, 2]


async def test_groups_have_the_limits_of_routes(database: Database, own: SendingDomain, foreign: SendingDomain) -> None:
    routes = InboundRoutes(database, lambda: NOW)
    await asyncio.gather(*(routes.put_group(SYSTEM, NAME, group(f"r{number}")) for number in range(MOST_ROUTES // 2)))
    stored = await routes.of_domain(SYSTEM, NAME)
    assert [one.position for one in stored] == list(range(1, MOST_ROUTES + 1))
    with pytest.raises(RefusedError, match="which is the most"):
        await routes.put_group(SYSTEM, NAME, group("one more"))
    last = await routes.group(SYSTEM, own.account_id, stored[0].group)
    with pytest.raises(RefusedError, match="which is the most"):
        await routes.put_group(SYSTEM, NAME, group("r", 0, "a@b.example", "c@b.example"), replaced=last)
    assert await routes.of_domain(SYSTEM, NAME) == stored
    with pytest.raises(RefusedError, match="forwards to an address, or stops"):
        await routes.put_group(SYSTEM, NAME, RouteGroup(mail_to="a"))
    theirs = await routes.put_group(SYSTEM, foreign.name, group("a"))
    ann = Actor(kind=ActorKind.USER, id=2, name="ann@x.example", account_id=own.account_id)
    with pytest.raises(MissingError):
        await routes.group(ann, own.account_id, theirs[0].group)
    with pytest.raises(MissingError):
        await routes.groups(ann, foreign.account_id, limit=1)
    with pytest.raises(ForbiddenError):
        await routes.remove_group(ann, own.account_id, stored[0].group)
    with pytest.raises(ForbiddenError):
        await routes.put_group(ann, NAME, group("a"))
    assert len(await database.read(inbound_routes.of_domain, foreign.id)) == 2

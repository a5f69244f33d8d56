"""What the APIs list and count, on both engines."""

from typing import Any

import pytest

from postroad.messages.messages import Messages
from postroad.messages.transmissions import Transmissions
from postroad.model.actor import SYSTEM, command_actor
from postroad.model.delivery import DeliveryState
from postroad.model.domain import DomainState, SendingDomain
from postroad.model.event import EventType
from postroad.model.options import Options
from postroad.model.refused import RefusedError
from postroad.model.suppression import SuppressionKind, Way
from postroad.model.template import TemplateSource
from postroad.storage import accounts, audit, domains, messages, suppressions, templates
from postroad.storage.audit import AuditSelector
from postroad.storage.database import Database
from postroad.suppressions.suppressions import Offered, Suppressions
from postroad.templating.templates import Templates
from postroad.webhooks.happenings import told_happenings
from tests.storage import samples
from tests.storage.samples import NOW, new_id

OPERATOR = command_actor("tests")
LATER = NOW + 3_600_000


@pytest.fixture
async def both(database: Database) -> list[SendingDomain]:
    """Return a sending domain of one account, and one of another."""
    found = []
    for name in ("one", "two"):
        account = await database.write(accounts.add, name, NOW)
        wanted = SendingDomain(
            id=0, account_id=account.id, name=f"{name}.example.com", state=DomainState.ACTIVE, created_at=NOW
        )
        found.append(await database.write(domains.add, wanted))
    return found


async def stored(database: Database, domain: SendingDomain, **facts: Any) -> int:
    one = samples.accepted(account_id=domain.account_id, domain_id=domain.id, **facts)
    await database.accept(one)
    return one.message.id


async def states(database: Database, message_id: int) -> set[DeliveryState]:
    story = await database.read(messages.show, message_id)
    assert story is not None
    return {one.state for one in story.deliveries}


async def test_entries_are_added_together_or_not_at_all(database: Database, both: list[SendingDomain]) -> None:
    service = Suppressions(database, lambda: NOW)
    offered = [Offered(address=f"{name}@x.example", kind=SuppressionKind.UNSUBSCRIBE) for name in "abc"]
    assert len(await service.add_all(OPERATOR, both, offered)) == 6
    assert len(await service.add_all(OPERATOR, both, offered)) == 0
    with pytest.raises(RefusedError):
        await service.add_all(
            OPERATOR, both, [Offered(address="d@x.example", kind=SuppressionKind.BLOCK), offered[0], NONE]
        )
    counted = await database.read(suppressions.summary, [both[0].id], 100)
    assert counted == [(SuppressionKind.UNSUBSCRIBE, Way.HAND, 3)]
    assert await database.read(suppressions.summary, [one.id for one in both], 4) == [
        (SuppressionKind.UNSUBSCRIBE, Way.HAND, 4)
    ]
    entries = await database.read(audit.search, AuditSelector(action="suppression.added"), 10)
    assert {one.target for one in entries} == {"3 addresses of one.example.com", "3 addresses of two.example.com"}
    # The log's own time says when; as a number of milliseconds it would say nothing to anybody.
    await service.add(OPERATOR, both[0].name, "e@x.example", SuppressionKind.BLOCK, reason="asked")
    [newest, *_] = await database.read(audit.search, AuditSelector(action="suppression.added"), 10)
    assert newest.after == {"kind": "block", "way": "hand", "reason": "asked", "created_by": OPERATOR.name}


NONE = Offered(address="no address", kind=SuppressionKind.UNSUBSCRIBE)


async def test_the_newest_versions_are_told(database: Database, both: list[SendingDomain]) -> None:
    service = Templates(database, lambda: NOW)
    first = await service.add(OPERATOR, both[0].name, "first", TemplateSource(text="1"))
    second = await service.add(OPERATOR, both[1].name, "second", TemplateSource(text="1"))
    await service.add_version(OPERATOR, first.id, TemplateSource(text="2"))
    assert await database.read(templates.newest, [first.id, second.id, 999]) == {
        first.id: (2, NOW),
        second.id: (1, NOW),
    }
    assert await database.read(templates.newest, []) == {}


async def test_what_is_scheduled_of_a_campaign_is_found_and_cancelled(
    database: Database, both: list[SendingDomain]
) -> None:
    service = Transmissions(database, lambda: NOW, new_id)
    mine, theirs = both
    spring = Options(tags=("spring", "summer"), deliver_at=LATER)
    wanted = await stored(database, mine, options=spring, channel="sparkpost")
    kept = [
        await stored(database, theirs, options=spring, channel="sparkpost"),
        await stored(database, mine, options=spring),
        await stored(database, mine, options=Options(tags=("spring",)), channel="sparkpost"),
        await stored(database, mine, options=Options(tags=("winter", "spring"), deliver_at=LATER), channel="sparkpost"),
    ]
    found, is_more = await service.scheduled(mine.account_id, None, "spring")
    assert ([one.message.id for one in found], is_more) == ([wanted], False)
    assert (await service.scheduled(mine.account_id, theirs.id, "spring"))[0] == []
    assert await service.cancel_campaign(SYSTEM, mine.account_id, mine.id, "spring")
    assert await states(database, wanted) == {DeliveryState.CANCELLED}
    for one in kept:
        assert await states(database, one) == {DeliveryState.SCHEDULED}


async def test_what_waits_of_a_domain_is_cancelled(database: Database, both: list[SendingDomain]) -> None:
    service = Messages(database, lambda: NOW, new_id)
    mine, theirs = [await stored(database, one) for one in both]
    assert await service.cancel_waiting(OPERATOR, both[0])
    assert await states(database, mine) == {DeliveryState.CANCELLED}
    assert await states(database, theirs) == {DeliveryState.SCHEDULED}


async def test_events_of_several_domains_are_told_with_their_messages(
    database: Database, both: list[SendingDomain]
) -> None:
    for one in both:
        await stored(database, one)
    found = []
    for one in both:
        [event] = (await database.read(messages.show, (await _only(database, one)))).events  # type: ignore[union-attr]
        found.append(event)
    told = await told_happenings(database, found)
    assert [(one.domain, one.event.type, one.message is not None) for one in told] == [
        ("one.example.com", EventType.ACCEPTED, True),
        ("two.example.com", EventType.ACCEPTED, True),
    ]
    assert await told_happenings(database, []) == []


async def _only(database: Database, domain: SendingDomain) -> int:
    [message] = await database.read(messages.search, messages.MessageSelector(domain_id=domain.id), 2)
    return message.id

"""What people see of webhooks: how they stand, the log of their calls, and calls made again; on both engines."""

from typing import Any

import msgspec
import pytest

from postroad.model.credential import Secret
from postroad.model.domain import DomainState, SendingDomain
from postroad.model.event import Event, EventType
from postroad.model.ids import partition_of
from postroad.model.options import CallbackFormat
from postroad.model.webhook import CallAttempt, CallResult, Health, Login, Webhook
from postroad.storage import accounts, domains, messages, webhook_calls, webhook_log, webhook_standing, webhooks
from postroad.storage.database import Database
from postroad.storage.errors import Conflict, Outdated
from postroad.storage.secrets import Vault
from postroad.storage.webhook_log import LogPage, LogSelector
from postroad.storage.webhook_standing import Standing
from tests.storage.samples import DAY, NOW, OWNER, accepted, claim, new_id, settled

VAULT = Vault(bytes(range(32)))
SECRET = Login(password=Secret("pass"), token=Secret("token"))


@pytest.fixture
async def one(database: Database) -> SendingDomain:
    account = await database.write(accounts.add, "acme", NOW)
    wanted = SendingDomain(
        id=0, account_id=account.id, name="news.example.com", state=DomainState.ACTIVE, created_at=NOW
    )
    return await database.write(domains.add, wanted)


async def webhook(database: Database, of: SendingDomain, url: str = "https://hooks.example/a") -> Webhook:
    wanted = Webhook(
        account_id=of.account_id,
        domain_id=of.id,
        url=url,
        format=CallbackFormat.SENDGRID,
        event_types=tuple(EventType),
        created_at=NOW,
        created_by="test",
    )
    return await database.write(webhooks.add, VAULT, wanted, SECRET)


async def event(database: Database, of: SendingDomain, partition: int, kind: EventType = EventType.DELIVERED) -> Event:
    message_id = new_id(partition)
    made = Event(
        id=new_id(partition),
        type=kind,
        at=NOW,
        account_id=of.account_id,
        domain_id=of.id,
        message_id=message_id,
        delivery_id=None,
        recipient="ann@r.example",
        data={},
    )
    await database.append_events([made])
    return made


async def log(database: Database, of: Webhook, *events: Event, **facts: Any) -> CallAttempt:
    partition = partition_of(events[0].id) if events else 1
    values: dict[str, Any] = {
        "id": new_id(partition),
        "call_id": new_id(partition),
        "at": NOW,
        "account_id": of.account_id,
        "domain_id": of.domain_id,
        "receiver": of.id,
        "url": of.url,
        "format": of.format,
        "event_ids": tuple(event.id for event in events),
        "event_types": tuple(event.type.value for event in events),
        "message_ids": tuple(event.message_id for event in events),
        "attempt": 1,
        "result": CallResult.DELIVERED,
    }
    made = CallAttempt(**values | facts)
    await database.write(webhook_log.append, [made])
    return told(made)


def told(attempt: CallAttempt) -> CallAttempt:
    """Return an attempt as the log tells it."""
    return msgspec.structs.replace(attempt, message_ids=())


async def test_a_changed_webhook_has_its_login_where_it_goes_now(database: Database, one: SendingDomain) -> None:
    added = await webhook(database, one)
    wanted = msgspec.structs.replace(
        added, url="https://hooks.example/b", format=CallbackFormat.STANDARD, event_types=(EventType.OPENED,), note="n"
    )

    changed = await database.write(
        webhooks.change, VAULT, wanted, Login(token=Secret("token")), made_from=(added, SECRET)
    )

    assert changed == msgspec.structs.replace(wanted, has_password=False)
    assert await database.read(webhooks.get, added.id) == changed
    assert await database.read(webhooks.login_of, VAULT, added.id) == Login(token=Secret("token"))


async def test_a_changed_webhook_is_tried_at_once(database: Database, one: SendingDomain) -> None:
    hook = await webhook(database, one)
    health = Health(failures=12, failing_since=NOW - DAY, paused_at=NOW, next_try_at=NOW + DAY)
    await database.write(webhook_calls.claim, [hook.id], OWNER, NOW, NOW + 1)
    await database.write(webhook_calls.release, OWNER, {hook.id: health})

    await database.write(webhooks.change, VAULT, hook, SECRET, made_from=(hook, SECRET))

    after = await database.read(webhook_calls.health_of, [hook.id])
    assert after == {hook.id: msgspec.structs.replace(health, next_try_at=None)}


async def test_a_change_leaves_the_room_of_others(database: Database, one: SendingDomain) -> None:
    first = await webhook(database, one)
    for name in "bc":
        await webhook(database, one, f"https://hooks.example/{name}")

    assert await database.write(webhooks.change, VAULT, first, SECRET, made_from=(first, SECRET)) == first
    there = msgspec.structs.replace(first, url="https://hooks.example/b")
    with pytest.raises(Conflict, match="already"):
        await database.write(webhooks.change, VAULT, there, SECRET, made_from=(first, SECRET))


async def test_what_somebody_else_changed_meanwhile_is_not_undone(database: Database, one: SendingDomain) -> None:
    first = await webhook(database, one)
    await database.write(webhooks.set_paused, first.id, NOW)
    noted = msgspec.structs.replace(first, note="n")
    other = Login(password=SECRET.password, token=Secret("another"))

    paused = await database.write(webhooks.change, VAULT, noted, SECRET, made_from=(first, SECRET))
    assert paused == msgspec.structs.replace(noted, paused_at=NOW)
    with pytest.raises(Outdated):
        await database.write(webhooks.change, VAULT, first, SECRET, made_from=(first, SECRET))
    await database.write(webhooks.change, VAULT, noted, other, made_from=(noted, SECRET))
    with pytest.raises(Outdated):
        await database.write(webhooks.change, VAULT, noted, SECRET, made_from=(noted, SECRET))

    assert await database.read(webhooks.get, first.id) == msgspec.structs.replace(paused, has_token=True)
    assert await database.read(webhooks.login_of, VAULT, first.id) == other


async def test_the_log_is_narrowed_by_type_and_result_page_by_page(database: Database, one: SendingDomain) -> None:
    hook = await webhook(database, one)
    opened = [await log(database, hook, await event(database, one, 1, EventType.OPENED)) for _ in range(3)]
    failed = await log(database, hook, await event(database, one, 2), result=CallResult.FAILED)
    mine = LogSelector(receiver=hook.id)
    by_type = LogSelector(receiver=hook.id, event_type=EventType.OPENED)

    newest = await database.read(webhook_log.look, mine, 2)
    assert newest == LogPage(found=[failed, opened[2]], before=opened[2].id)
    rest = await database.read(webhook_log.look, mine, 2, newest.before)
    assert rest == LogPage(found=[opened[1], opened[0]], before=None)
    first = await database.read(webhook_log.look, by_type, 2)
    assert first == LogPage(found=[opened[2], opened[1]], before=opened[1].id)
    assert await database.read(webhook_log.look, by_type, 2, first.before) == LogPage(found=[opened[0]], before=None)
    by_result = LogSelector(receiver=hook.id, results=(CallResult.FAILED, CallResult.REFUSED))
    assert (await database.read(webhook_log.look, by_result, 2)).found == [failed]
    of_none = LogSelector(receiver=hook.id + 1, event_type=EventType.OPENED)
    assert await database.read(webhook_log.look, of_none, 2) == LogPage(found=(), before=None)


async def test_a_search_for_what_is_rare_stops_and_can_be_gone_on_with(
    database: Database, one: SendingDomain, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhook_log, "MOST_LOOKED_AT", 2)
    hook = await webhook(database, one)
    failed = await log(database, hook, await event(database, one, 1), result=CallResult.REFUSED)
    taken = [await log(database, hook, await event(database, one, 1)) for _ in range(3)]
    wanted = LogSelector(receiver=hook.id, results=(CallResult.REFUSED,))

    first = await database.read(webhook_log.look, wanted, 10)
    assert first == LogPage(found=[], before=taken[1].id, is_cut=True)
    second = await database.read(webhook_log.look, wanted, 10, first.before)
    assert second.found == [failed]


async def test_the_logs_of_several_domains_are_one(
    database: Database, one: SendingDomain, monkeypatch: pytest.MonkeyPatch
) -> None:
    second = await database.write(domains.add, msgspec.structs.replace(one, id=0, name="shop.example.com"))
    both = [one.id, second.id]
    hooks = [await webhook(database, one), await webhook(database, second)]
    made = [await log(database, hooks[number % 2], await event(database, one, 1)) for number in range(5)]
    newest = made[::-1]

    first = await database.read(webhook_log.look_over, both, LogSelector(), 2)
    assert first == LogPage(found=newest[:2], before=newest[1].id)
    rest = await database.read(webhook_log.look_over, both, LogSelector(), 3, first.before)
    assert rest == LogPage(found=newest[2:], before=None)
    assert await database.read(webhook_log.look_over, both, LogSelector(), 1, newest[3].id) == LogPage(
        found=[newest[4]], before=None
    )
    assert await database.read(webhook_log.look_over, [], LogSelector(), 2) == LogPage(found=[], before=None)

    # A search that stops in one domain goes no further in the others.
    monkeypatch.setattr(webhook_log, "MOST_LOOKED_AT", 4)
    monkeypatch.setattr(webhook_log, "_FEWEST_LOOKED_AT", 1)
    refused = await log(database, hooks[1], await event(database, one, 1), result=CallResult.REFUSED)
    for _ in range(2):
        await log(database, hooks[0], await event(database, one, 1))
    wanted = LogSelector(results=(CallResult.REFUSED,))
    found: list[CallAttempt] = []
    before = None
    for _ in range(6):
        page = await database.read(webhook_log.look_over, both, wanted, 10, before)
        found += page.found
        before = page.before
        if before is None:
            break
    assert before is None
    assert found == [refused]


async def test_how_webhooks_stand(database: Database, one: SendingDomain, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhook_standing, "COUNTED_UP_TO", 2)
    hook, idle = await webhook(database, one), await webhook(database, one, "https://hooks.example/b")
    for number in range(3):
        made = await event(database, one, 1)
        row = (
            new_id(1),
            1,
            hook.id,
            one.account_id,
            one.id,
            made.id,
            made.message_id,
            NOW + number,
            NOW,
            0,
            None,
            None,
        )
        await database.write(webhook_calls.add, [row])
    last = await log(database, hook, await event(database, one, 1))
    health = Health(failures=12, failing_since=NOW - DAY, paused_at=NOW, last_error="it answered 500")
    await database.write(webhook_calls.claim, [hook.id], OWNER, NOW, NOW + 1)
    await database.write(webhook_calls.release, OWNER, {hook.id: health})

    found = await database.read(webhook_standing.standings, [hook.id, idle.id])

    assert found == {hook.id: Standing(health=health, waiting=2, oldest_at=NOW, last=last), idle.id: Standing()}
    assert found[hook.id].waits_more
    assert await database.read(webhook_standing.dead, [one.id]) == [(hook, health)]
    assert await database.read(webhook_standing.dead, [one.id + 1]) == []
    await database.write(webhooks.set_paused, hook.id, NOW)
    assert await database.read(webhook_standing.dead, [one.id]) == []


async def test_a_message_has_the_attempts_that_told_of_it_for_as_long_as_it_is_kept(
    database: Database, one: SendingDomain
) -> None:
    hook = await webhook(database, one)
    events = [await event(database, one, partition) for partition in (1, 2)]
    both = await log(database, hook, *events)
    again = await log(database, hook, events[1], call_id=both.call_id, attempt=2)
    first, second = [event.message_id or 0 for event in events]

    assert await database.read(webhook_log.of_message, first, 10) == [both]
    assert await database.read(webhook_log.of_message, second, 10) == [again, both]
    assert len(await database.read(webhook_log.of_message, second, 1)) == 1


async def test_what_links_them_goes_with_the_message(database: Database, one: SendingDomain) -> None:
    hook = await webhook(database, one)
    sent = accepted(account_id=one.account_id, domain_id=one.id)
    await database.accept(sent)
    await database.settle([settled(delivery) for delivery in await database.claim(claim())], {})
    attempt = await log(database, hook, await event(database, one, 1), message_ids=(sent.message.id,))
    assert await database.read(webhook_log.of_message, sent.message.id, 10) == [attempt]

    await database.write(messages.delete_finished_before, NOW + DAY, 10)

    assert await database.read(webhook_log.of_message, sent.message.id, 10) == []
    assert await database.read(webhook_log.search, LogSelector(), 10) == [attempt]


async def test_a_call_of_many_messages_is_replayed_whole_and_counted_by_its_events(
    database: Database, one: SendingDomain
) -> None:
    """Each message has a partition of its own."""
    hook = await webhook(database, one)
    events = [await event(database, one, partition) for partition in (1, 2, 3)]
    attempt = await log(database, hook, *events)
    await log(database, hook, events[0], is_test=True)

    assert await database.read(webhook_log.count_of_events, LogSelector(receiver=hook.id), 10) == 3
    assert await database.read(webhook_log.count_of_events, LogSelector(receiver=hook.id + 1), 10) == 0
    made = await database.write(webhook_calls.replay, [attempt], set(), new_id, NOW)

    assert made == 3
    waiting = await database.read(webhook_calls.due, hook.id, NOW, 10)
    assert {call.event_id for call in waiting} == {event.id for event in events}
    material = await database.read(webhook_calls.material_of, [event.id for event in events])
    assert set(material.events) == {event.id for event in events}
    assert await database.read(webhook_standing.next_try_at, waiting[0].id) == NOW
    assert await database.read(webhook_standing.next_try_at, attempt.call_id) is None

"""Webhooks in the database: their limits and secrets, and the calls that events lead to, on both engines."""

from typing import Any

import msgspec
import pytest
from sqlalchemy import Connection

from postroad.model.credential import Secret
from postroad.model.delivery import DeliveryState
from postroad.model.domain import DomainState, SendingDomain
from postroad.model.event import EventType
from postroad.model.ids import partition_of
from postroad.model.message import Accepted
from postroad.model.options import REPORT_DELIVERY, Callback, CallbackFormat, DeliveryOptions, Options
from postroad.model.suppression import Suppression, SuppressionKind
from postroad.model.tracking import Hit, HitKind
from postroad.model.webhook import (
    NO_LOGIN,
    WELL,
    CallAttempt,
    CallResult,
    Health,
    Login,
    WaitingCall,
    Webhook,
    callback_receiver,
)
from postroad.storage import (
    accounts,
    bodies,
    counters,
    deliveries,
    domains,
    events,
    messages,
    outbox,
    responses,
    suppressions,
    webhook_calls,
    webhook_log,
    webhooks,
    workers,
)
from postroad.storage.counters import Period
from postroad.storage.database import Database
from postroad.storage.deliveries import Selector, Steering
from postroad.storage.errors import Conflict
from postroad.storage.outbox import Outbox
from postroad.storage.rows import HOUR_MS
from postroad.storage.secrets import Vault
from postroad.storage.webhook_calls import Outcome, Retry
from postroad.storage.webhook_log import LogSelector
from tests.storage.samples import DAY, MINUTE, NOW, OWNER, accepted, claim, column, event_of, new_id, rejected, settled

VAULT = Vault(bytes(range(32)))
ALL = tuple(EventType)
CALLBACK = Callback("https://message.example/cb", CallbackFormat.STANDARD)


async def domain(database: Database, name: str = "news.example.com") -> SendingDomain:
    account = await database.write(accounts.add, f"account of {name}", NOW)
    one = SendingDomain(id=0, account_id=account.id, name=name, state=DomainState.ACTIVE, created_at=NOW)
    return await database.write(domains.add, one)


async def webhook(
    database: Database, of: SendingDomain, *types: EventType, login: Login = NO_LOGIN, **facts: Any
) -> Webhook:
    values: dict[str, Any] = {
        "account_id": of.account_id,
        "domain_id": of.id,
        "url": "https://hooks.example/a",
        "format": CallbackFormat.MAILGUN,
        "event_types": types or ALL,
        "created_at": NOW,
        "created_by": "test",
    }
    return await database.write(webhooks.add, VAULT, Webhook(**values | facts), login)


async def with_outbox(database: Database) -> None:
    database.outbox = Outbox(new_id)
    database.outbox.subscriptions = await database.read(outbox.subscriptions)


async def waiting(database: Database) -> list[WaitingCall]:
    found = []
    for receiver in await database.read(webhook_calls.due_receivers, NOW + DAY, 100):
        found += await database.read(webhook_calls.due, receiver, NOW + DAY, 100)
    return found


def of_domain(one: Accepted, of: SendingDomain, callback: Callback | None = None) -> Accepted:
    """Return a message as its domain's, with the callback that it names."""
    options = DeliveryOptions(callback=callback)
    marked = tuple(
        msgspec.structs.replace(delivery, options=options) if callback else delivery for delivery in one.deliveries
    )
    told = tuple(msgspec.structs.replace(event, callback=callback) for event in one.events)
    return msgspec.structs.replace(one, deliveries=marked, events=told)


def message(of: SendingDomain, *recipients: str, callback: Callback | None = None, **facts: Any) -> Accepted:
    one = accepted(*recipients, account_id=of.account_id, domain_id=of.id, **facts)
    return of_domain(one, of, callback)


# -- where events are posted -------------------------------------------------------------------------------------------


async def test_a_note_holds_what_the_database_can(database: Database) -> None:
    added = await webhook(database, await domain(database), note="a\0b")
    assert added.note == "a\N{REPLACEMENT CHARACTER}b"


async def test_an_event_of_a_type_has_room_for_three_addresses(database: Database) -> None:
    one = await domain(database)
    for name in "abc":
        await webhook(database, one, EventType.DELIVERED, url=f"https://hooks.example/{name}")

    with pytest.raises(Conflict, match="delivered events are posted to 3 addresses already"):
        await webhook(database, one, EventType.OPENED, EventType.DELIVERED, url="https://hooks.example/d")
    other = await webhook(database, one, EventType.OPENED, url="https://hooks.example/d")

    assert [kept.url[-1] for kept in await database.read(webhooks.of_domain, one.id)] == ["a", "b", "c", "d"]
    assert other.event_types == (EventType.OPENED,)


async def test_the_same_address_in_the_same_format_is_refused_for_a_type_that_it_has(database: Database) -> None:
    one = await domain(database)
    await webhook(database, one, EventType.DELIVERED)

    with pytest.raises(Conflict, match=r"posted to https://hooks\.example/a as mailgun already"):
        await webhook(database, one, EventType.DELIVERED)
    await webhook(database, one, EventType.DELIVERED, format=CallbackFormat.SENDGRID)


async def test_a_password_and_a_token_are_sealed_and_come_back(database: Database) -> None:
    one = await domain(database)
    login = Login(password=Secret("open sesame"), token=Secret("a-token"))

    added = await webhook(database, one, login=login)
    dump = str(await database.read(lambda connection: connection.exec_driver_sql("SELECT * FROM webhooks").all()))

    assert (added.has_password, added.has_token) == (True, True)
    assert await database.read(webhooks.login_of, VAULT, added.id) == login
    assert "sesame" not in dump
    assert "a-token" not in dump
    assert await database.read(webhooks.login_of, VAULT, added.id + 1) is None


async def test_a_domain_takes_its_webhooks_along_when_it_goes(database: Database) -> None:
    one = await domain(database)
    await webhook(database, one)
    await with_outbox(database)
    await database.accept(message(one))
    await database.write(lambda connection: connection.exec_driver_sql("DELETE FROM deliveries"))

    await database.write(domains.remove, one.id)

    assert await waiting(database) == []
    assert await database.read(webhooks.list_all) == []


async def test_an_account_has_one_key_for_events_however_often_it_is_wanted(database: Database) -> None:
    first = await database.write(webhooks.ensure_event_key, VAULT, 1, b"first", NOW)
    again = await database.write(webhooks.ensure_event_key, VAULT, 1, b"second", NOW)

    assert (first, again) == (b"first", b"first")
    assert await database.read(webhooks.event_key, VAULT, 2) is None


# -- calls are written with their events --------------------------------------------------------------------------------


async def test_accepting_and_settling_write_the_calls_of_their_events(database: Database) -> None:
    one = await domain(database)
    hook = await webhook(database, one, EventType.ACCEPTED, EventType.DELIVERED)
    bounces = await webhook(database, one, EventType.BOUNCED, url="https://hooks.example/bounces")
    await with_outbox(database)
    sent = message(one, "a@r.example", "b@r.example")

    await database.accept(sent)
    accepts = await waiting(database)
    held = await database.claim(claim())
    await database.settle([settled(held[0]), settled(held[1], DeliveryState.BOUNCED)], {})
    ends = [call for call in await waiting(database) if call.id not in {one.id for one in accepts}]

    assert [call.event_id for call in accepts] == [event.id for event in sent.events]
    assert {call.receiver for call in accepts} == {hook.id}
    assert [call.receiver for call in ends] == [hook.id, bounces.id]
    assert {partition_of(call.id) for call in accepts + ends} == {partition_of(sent.message.id)}
    assert all(call.message_id == sent.message.id for call in accepts + ends)


async def test_a_report_of_ours_is_counted_nowhere_and_told_to_nobody(database: Database) -> None:
    one = await domain(database)
    await webhook(database, one)
    await with_outbox(database)
    await database.accept(message(one, callback=CALLBACK))
    (bounced,) = await database.claim(claim())
    report = message(one, "app@news.example.com", is_report=True)
    (carrier,) = report.deliveries
    report = msgspec.structs.replace(
        report,
        deliveries=(msgspec.structs.replace(carrier, options=REPORT_DELIVERY),),
        events=(event_of(carrier, EventType.ACCEPTED, is_report=True),),
    )
    await database.settle([settled(bounced, DeliveryState.BOUNCED)], {bounced.id: report})
    (carrier,) = await database.claim(claim())

    steering = Steering(new_id=new_id, now=NOW, by="test")
    await database.release(OWNER, [carrier.id], NOW)
    await database.write(deliveries.cancel, Selector(message_id=report.message.id), steering, 10)
    found = await database.read(counters.read_of, Period.HOUR, 0, NOW // HOUR_MS + 1, [one.id])

    assert {(count.type, count.count) for count in found} == {("accepted", 1), ("bounced", 1)}
    assert {call.message_id for call in await waiting(database)} == {bounced.message_id}
    told = await database.read(events.of_message, report.message.id)
    assert [event.type for event in told] == [EventType.ACCEPTED, EventType.CANCELLED]


async def test_a_settlement_without_its_lease_makes_no_call(database: Database) -> None:
    one = await domain(database)
    await webhook(database, one, EventType.DELIVERED)
    await with_outbox(database)
    await database.accept(message(one))
    (held,) = await database.claim(claim())
    await database.release(OWNER, [held.id], None)

    await database.settle([settled(held)], {})

    assert await waiting(database) == []


async def test_what_is_not_stored_is_not_posted(database: Database) -> None:
    one = await domain(database)
    await webhook(database, one)
    await with_outbox(database)
    sent = message(one)
    await database.accept(sent)

    with pytest.raises(Exception):  # the id is taken  # noqa: B017
        await database.accept(sent)

    assert len(await waiting(database)) == 1


async def test_a_rejection_is_posted_though_it_has_no_message(database: Database) -> None:
    one = await domain(database)
    await webhook(database, one, EventType.REJECTED)
    await with_outbox(database)
    event = msgspec.structs.replace(rejected(domain_id=one.id), account_id=one.account_id)

    await database.append_events([event])
    (call,) = await waiting(database)

    assert (call.event_id, call.message_id) == (event.id, None)


async def test_a_callback_takes_the_place_of_all_webhooks_for_every_event(database: Database) -> None:
    one = await domain(database)
    await webhook(database, one)
    await with_outbox(database)
    sent = message(one, callback=CALLBACK)

    await database.accept(sent)
    (held,) = await database.claim(claim())
    event = msgspec.structs.replace(settled(held).events[0], callback=held.options.callback)
    await database.settle([settled(held, events=(event,))], {})
    calls = await waiting(database)

    assert held.options.callback == CALLBACK
    assert [call.callback for call in calls] == [CALLBACK, CALLBACK]
    assert {call.receiver for call in calls} == {callback_receiver(one.id, CALLBACK)}


async def test_a_suppressed_recipient_at_accept_is_posted_too(database: Database) -> None:
    one = await domain(database)
    await webhook(database, one, EventType.SUPPRESSED)
    await with_outbox(database)
    entry = Suppression(
        account_id=one.account_id, domain_id=one.id, kind=SuppressionKind.BOUNCE, address="a@r.example", created_at=NOW
    )
    await database.write(suppressions.add, [entry])

    await database.accept(message(one, "a@r.example", "b@r.example"))

    assert len(await waiting(database)) == 1


async def test_commands_and_feedback_need_no_memory_of_webhooks(database: Database) -> None:
    one = await domain(database)
    await webhook(database, one, EventType.CANCELLED, EventType.OPENED)
    sent = message(one)
    await database.accept(sent)

    hit = Hit(
        kind=HitKind.OPEN,
        delivery_id=sent.deliveries[0].id,
        domain_id=one.id,
        at=NOW,
        url="",
        agent="",
        client_address="192.0.2.1",
    )
    await database.write(responses.record, [hit], new_id=new_id)
    steering = Steering(by="an operator", now=NOW, new_id=new_id)
    await database.write(deliveries.cancel, Selector(message_id=sent.message.id), steering, 10)
    calls = await waiting(database)
    told = (await database.read(webhook_calls.material, calls)).events

    assert [told[call.event_id].type for call in calls] == [EventType.OPENED, EventType.CANCELLED]


async def test_a_domain_without_webhooks_and_a_database_without_an_outbox_write_no_calls(database: Database) -> None:
    one = await domain(database)
    other = await domain(database, "other.example.com")
    await webhook(database, other)
    await database.accept(message(other))
    await with_outbox(database)

    await database.accept(message(one))

    assert await waiting(database) == []


# -- who serves a receiver ----------------------------------------------------------------------------------------------


async def two_receivers(database: Database) -> tuple[int, int]:
    one = await domain(database)
    first = await webhook(database, one, EventType.ACCEPTED)
    second = await webhook(database, one, EventType.ACCEPTED, url="https://hooks.example/b")
    await with_outbox(database)
    for _ in range(3):
        await database.accept(message(one))
    return first.id, second.id


async def test_a_receiver_is_one_workers_until_its_lease_ends(database: Database) -> None:
    first, second = await two_receivers(database)
    found = await database.read(webhook_calls.due_receivers, NOW, 10)

    mine = await database.write(webhook_calls.claim, [first], 1, NOW, NOW + MINUTE)
    late = await database.write(webhook_calls.claim, found, 2, NOW, NOW + MINUTE)

    assert found == [first, second]
    assert [held.receiver for held in mine] == [first]
    assert [held.receiver for held in late] == [second]
    assert await database.read(webhook_calls.due_receivers, NOW, 10) == []
    assert await database.read(webhook_calls.due_receivers, NOW + MINUTE, 10) == [first, second]
    taken = await database.write(webhook_calls.claim, found, 3, NOW + MINUTE, NOW + 2 * MINUTE)
    assert [held.receiver for held in taken] == [first, second]
    assert await database.write(webhook_calls.renew, 1, [first], NOW + DAY) == frozenset()
    assert await database.write(webhook_calls.renew, 3, [first], NOW + DAY) == {first}


async def test_receivers_of_an_ended_worker_are_free_at_once(database: Database) -> None:
    first, second = await two_receivers(database)
    await database.write(webhook_calls.claim, [first], 1, NOW, NOW + DAY)
    await database.write(webhook_calls.claim, [second], 2, NOW, NOW + DAY)

    await database.write(workers.remove, 1)
    await database.write(webhook_calls.release, 2, {second: WELL})

    assert await database.read(webhook_calls.due_receivers, NOW, 10) == [first, second]


async def test_receivers_take_turns(database: Database) -> None:
    first, second = await two_receivers(database)

    assert await database.read(webhook_calls.due_receivers, NOW, 1, first) == [second]
    assert await database.read(webhook_calls.due_receivers, NOW, 5, first) == [second, first]


async def test_paused_receivers_wait_by_a_person_or_by_the_breaker(database: Database) -> None:
    first, second = await two_receivers(database)
    (held,) = await database.write(webhook_calls.claim, [second], 1, NOW, NOW + MINUTE)
    broken = Health(
        failures=10, failing_since=NOW - DAY, paused_at=NOW, next_try_at=NOW + 2 * MINUTE, last_error="down"
    )

    await database.write(webhooks.set_paused, first, NOW)
    await database.write(webhook_calls.release, 1, {second: broken})

    assert held.health == Health()
    assert await database.read(webhook_calls.due_receivers, NOW + MINUTE, 10) == []
    assert await database.read(webhook_calls.paused_webhooks) == {second: broken}
    assert await database.read(webhook_calls.due_receivers, NOW + 2 * MINUTE, 10) == [second]
    await database.write(webhooks.set_paused, second, None)
    await database.write(webhooks.set_paused, first, None)
    assert await database.read(webhook_calls.due_receivers, NOW + MINUTE, 10) == [first, second]
    (again,) = await database.write(webhook_calls.claim, [second], 2, NOW + MINUTE, NOW + DAY)
    assert (again.health.failures, again.health.next_try_at) == (10, None)


# -- what becomes of calls ----------------------------------------------------------------------------------------------


async def test_due_calls_are_read_in_order_page_by_page(database: Database) -> None:
    first, _ = await two_receivers(database)
    everything = await database.read(webhook_calls.due, first, NOW, 10)
    page = await database.read(webhook_calls.due, first, NOW, 2)
    rest = await database.read(webhook_calls.due, first, NOW, 2, (page[-1].due_at, page[-1].id))

    assert page + rest == everything
    assert [call.id for call in everything] == sorted(call.id for call in everything)


async def test_what_ended_goes_what_is_tried_again_waits_and_the_log_tells_of_both(database: Database) -> None:
    first, second = await two_receivers(database)
    calls = await database.read(webhook_calls.due, first, NOW, 10)
    attempt = attempt_of(calls[0], CallResult.DELIVERED, status=200, reply="fine\0\ud83d", duration_ms=12)
    failed = attempt_of(calls[1], CallResult.FAILED, error="no answer")

    outcome = Outcome(attempts=[attempt, failed], ended=[calls[0].id], retries=[Retry(calls[1].id, NOW + MINUTE, 1)])
    await database.write(webhook_calls.record, outcome)

    assert [one.id for one in await database.read(webhook_calls.due, first, NOW, 10)] == [calls[2].id]
    later = await database.read(webhook_calls.due, first, NOW + MINUTE, 10)
    assert [(one.id, one.attempts) for one in later] == [(calls[2].id, 0), (calls[1].id, 1)]
    log = await database.read(webhook_log.search, LogSelector(receiver=first), 10)
    assert log == [failed, msgspec.structs.replace(attempt, reply="fine\N{REPLACEMENT CHARACTER}?")]
    assert await database.read(webhook_log.search, LogSelector(results=(CallResult.FAILED,)), 10) == [failed]
    assert await database.read(webhook_log.page, LogSelector(call_id=calls[0].id), 10) == log[1:]
    assert await database.read(webhook_log.search, LogSelector(receiver=second), 10) == []
    assert await database.read(webhook_log.search, LogSelector(), 10, failed.id) == log[1:]


def attempt_of(call: WaitingCall, result: CallResult, **facts: Any) -> CallAttempt:
    values: dict[str, Any] = {
        "id": new_id(partition_of(call.id)),
        "call_id": call.id,
        "at": NOW,
        "account_id": call.account_id,
        "domain_id": call.domain_id,
        "receiver": call.receiver,
        "url": "https://hooks.example/a",
        "format": CallbackFormat.MAILGUN,
        "event_ids": (call.event_id,),
        "event_types": ("accepted",),
        "attempt": call.attempts + 1,
        "result": result,
        "request_headers": {"Content-Type": "application/json"},
    }
    return CallAttempt(**values | facts)


async def test_old_attempts_go_in_slices(database: Database) -> None:
    first, _ = await two_receivers(database)
    calls = await database.read(webhook_calls.due, first, NOW, 10)
    await database.write(webhook_log.append, [attempt_of(call, CallResult.DELIVERED) for call in calls])

    assert await database.write(webhook_log.delete_before, NOW - 1, 10) == 0
    assert await database.write(webhook_log.delete_before, NOW + MINUTE, 2) == 2
    assert await database.write(webhook_log.delete_before, NOW + MINUTE, 2) == 1


async def test_what_calls_are_made_of_is_read_with_what_is_told_of_the_header(database: Database) -> None:
    one = await domain(database)
    await webhook(database, one)
    await with_outbox(database)
    sent = message(one, content=b"Subject: hello\r\nX-Order: 7\r\n\r\n" + b"x" * 100_000, options=Options(tags=("a",)))
    await database.accept(sent)
    await database.append_events([msgspec.structs.replace(rejected(domain_id=one.id), account_id=one.account_id)])
    calls = await waiting(database)

    found = await database.read(webhook_calls.material, calls)

    assert set(found.events) == {call.event_id for call in calls}
    assert found.messages == {sent.message.id: sent.message}
    assert found.headers == {sent.message.id: b"X-Order: 7\r\n"}


async def test_what_is_told_of_the_header_outlasts_the_content_and_goes_with_the_message(database: Database) -> None:
    one = await domain(database)
    await webhook(database, one)
    await with_outbox(database)
    sent = message(one, content=b"X-Order: \xff\x00\r\nTo: a@r.example\r\nSubject: s\r\n\r\nhello\r\n")
    bare = message(one, content=b"Subject: s\r\n\r\nTo: nobody\r\n")
    for each in (sent, bare):
        await database.accept(each)
    calls = await waiting(database)
    for delivery in await database.claim(claim()):
        await database.settle([settled(delivery, events=())], {})

    assert await database.write(bodies.delete_due, NOW, 10) == 2
    found = await database.read(webhook_calls.material, calls)
    again = await database.read(webhook_calls.material_of, [call.event_id for call in calls])
    assert found.headers == again.headers == {sent.message.id: b"To: a@r.example\r\nX-Order: \xff\x00\r\n"}
    assert await database.read(column, "SELECT count(*) FROM messages WHERE told_header IS NULL") == [1]

    assert await database.write(messages.delete_finished_before, NOW + DAY, 10) == 2
    assert (await database.read(webhook_calls.material, calls)).headers == {}


async def test_a_message_that_is_no_longer_kept_leaves_its_events(database: Database) -> None:
    one = await domain(database)
    await webhook(database, one)
    await with_outbox(database)
    await database.accept(message(one))
    for table in ("bodies", "messages"):
        await database.write(_emptied, table)
    calls = await waiting(database)

    found = await database.read(webhook_calls.material, calls)

    assert (len(found.events), found.messages, found.headers) == (1, {}, {})


def _emptied(connection: Connection, table: str) -> None:
    connection.exec_driver_sql(f"DELETE FROM {table}")


async def test_a_backlog_is_counted_up_to_a_bound(database: Database) -> None:
    first, _ = await two_receivers(database)

    backlog = await database.read(webhook_calls.backlog, 4)

    assert (backlog.calls, backlog.oldest_at, backlog.paused) == (4, NOW, 0)
    assert await database.read(webhook_calls.count_of, first, 100) == 3
    assert len(await database.read(webhook_calls.expired, NOW, 2)) == 2
    assert await database.read(webhook_calls.expired, NOW - 1, 2) == []


async def test_what_a_sweep_notes_of_a_receiver_outlasts_what_its_worker_notes(database: Database) -> None:
    first, _ = await two_receivers(database)
    await database.write(webhook_calls.claim, [first], 7, NOW, NOW + 60_000)
    waiting = await database.read(webhook_calls.due, first, NOW, 3)
    told = {call.id: attempt_of(call, CallResult.GIVEN_UP) for call in waiting}
    await database.write(webhook_calls.give_up, told, NOW)

    await database.write(webhook_calls.note, 7, {first: Health(failures=2, failing_since=NOW, given_up=1)})
    while_failing = (await database.read(webhook_calls.health_of, [first]))[first]
    await database.write(webhook_calls.note, 7, {first: WELL})
    when_well = (await database.read(webhook_calls.health_of, [first]))[first]

    assert (while_failing.failures, while_failing.given_up, while_failing.told_at) == (2, 3, NOW)
    assert when_well == Health(told_at=NOW)


async def test_calls_beyond_a_bound_are_given_up_the_oldest_first_and_once(database: Database) -> None:
    first, second = await two_receivers(database)
    oldest = [(await database.read(webhook_calls.due, one, NOW, 1))[0] for one in (first, second)]

    found = await database.read(webhook_calls.beyond, 2, 10)
    told = {call.id: attempt_of(call, CallResult.GIVEN_UP) for call in found}
    given_up = [await database.write(webhook_calls.give_up, told, NOW) for _ in range(2)]
    ended = [one.calls for one in given_up]

    assert found == oldest
    lost = Health(given_up=1, told_at=NOW)
    assert given_up[0].to_be_told == {first: (1, lost), second: (1, lost)}
    assert given_up[1].to_be_told == {}
    assert await database.read(webhook_calls.beyond, 2, 1) == []
    assert ended == [2, 0]
    assert len(await database.read(webhook_log.search, LogSelector(), 10)) == 2


async def test_addresses_of_single_messages_are_forgotten_when_nothing_waits_for_them(database: Database) -> None:
    first, second = await two_receivers(database)
    await database.write(webhook_calls.claim, [first, second], 1, NOW, NOW + MINUTE)
    calls = await database.read(webhook_calls.due, second, NOW, 10)
    await database.write(webhook_calls.record, Outcome(ended=[call.id for call in calls]))

    assert await database.write(webhook_calls.forget_receivers, NOW + MINUTE, 10) == 0
    assert await database.write(webhook_calls.forget_receivers, NOW + DAY, 10) == 1
    left = await database.read(column, "SELECT receiver FROM webhook_receivers")
    assert left == [first]

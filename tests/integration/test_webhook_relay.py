"""Calls from their rows to real receivers: good ones, slow, dead and lying ones, and back into the rows."""

import asyncio
import itertools
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from functools import partial
from typing import Any

import msgspec
import pytest
from structlog.testing import capture_logs

from postroad.model.actor import SYSTEM
from postroad.model.domain import DomainState, SendingDomain
from postroad.model.event import Event, EventType
from postroad.model.ids import IdSource, partition_of
from postroad.model.message import Accepted
from postroad.model.options import Callback, CallbackFormat, Options
from postroad.model.webhook import NO_LOGIN, Call, CallAttempt, CallResult, Health, Login, WaitingCall, Webhook
from postroad.net.clock import now_ms
from postroad.net.http_client import HttpClient
from postroad.policy.webhook_retry import LIFETIME_MS, PAUSED_AFTER_FAILURES
from postroad.storage import accounts, bodies, domains, webhook_calls, webhook_log, webhooks
from postroad.storage.database import Database
from postroad.storage.engine import open_database
from postroad.storage.errors import StorageUnavailable
from postroad.storage.outbox import Outbox
from postroad.storage.secrets import Vault
from postroad.storage.webhook_log import LogSelector
from postroad.webhooks.call_log import CallLog
from postroad.webhooks.facts import WebhookFacts
from postroad.webhooks.outages import Outages
from postroad.webhooks.post import Answer, HttpPoster, Poster
from postroad.webhooks.relay import Relay
from postroad.webhooks.settings import WebhooksSettings
from tests.peers.ports import free_port
from tests.peers.webhook_receiver import Received, Reply, WebhookReceiver
from tests.storage import samples
from tests.storage.samples import Place

VAULT = Vault(bytes(range(32)))
MINUTE, HOUR = 60_000, 3_600_000
POLL_MS = 20


class Admins:
    def __init__(self) -> None:
        self.told: list[tuple[str, str]] = []

    async def send(self, account_id: int, *, subject: str, text: str) -> None:
        self.told.append((subject, text))

    @property
    def subjects(self) -> list[str]:
        return [subject.partition(":")[0] for subject, _ in self.told]


class Meter:
    def __init__(self) -> None:
        self.called: Counter[str] = Counter()

    def webhook_called(self, result: str, count: int = 1) -> None:
        self.called[result] += count


class Rig:
    """One worker's relay over a real database, with a clock that can be put forward."""

    def __init__(self, database: Database, domain: SendingDomain, vault: Vault = VAULT) -> None:
        self.database = database
        self.domain = domain
        self.vault = vault
        self.admins, self.meter = Admins(), Meter()
        self.ahead_ms = 0
        self._ids = IdSource(9)
        self._running: list[tuple[Relay, asyncio.Task[None], HttpClient]] = []
        database.outbox = Outbox(self.new_id)
        self.facts = WebhookFacts(database, vault, self.clock, database.outbox)

    def clock(self) -> int:
        return now_ms() + self.ahead_ms

    def new_id(self, partition: int) -> int:
        return self._ids.next(self.clock(), partition)

    async def hook(self, url: str, *types: EventType, login: Login = NO_LOGIN, **facts: Any) -> Webhook:
        values: dict[str, Any] = {
            "account_id": self.domain.account_id,
            "domain_id": self.domain.id,
            "url": url,
            "format": CallbackFormat.MAILGUN,
            "event_types": types or (EventType.ACCEPTED, EventType.DELIVERED),
            "created_at": self.clock(),
            "created_by": "test",
        }
        added = await self.database.write(webhooks.add, self.vault, Webhook(**values | facts), login)
        await self.facts.refresh()
        return added

    async def accept(self, callback: Callback | None = None, to: str = "user@example.net") -> Accepted:
        one = samples.accepted(
            to,
            account_id=self.domain.account_id,
            domain_id=self.domain.id,
            content=b"To: user@example.net\r\nX-Order: 7\r\n\r\nhello\r\n",
            options=Options(
                callback_url=None if callback is None else callback.url,
                callback_format=None if callback is None else callback.format,
                variables={"n": 1},
            ),
        )
        partition = partition_of(one.message.id)
        told = tuple(
            msgspec.structs.replace(event, id=self.new_id(partition), at=self.clock(), callback=callback)
            for event in one.events
        )
        one = msgspec.structs.replace(one, events=told)
        await self.database.accept(one)
        return one

    async def happen(self, one: Accepted, kind: EventType, **data: Any) -> Event:
        event = Event(
            id=self.new_id(partition_of(one.message.id)),
            type=kind,
            at=self.clock(),
            account_id=self.domain.account_id,
            domain_id=self.domain.id,
            message_id=one.message.id,
            delivery_id=one.deliveries[0].id,
            recipient=one.deliveries[0].recipient,
            data=data,
        )
        await self.database.append_events([event])
        return event

    async def end_and_forget(self, one: Accepted) -> None:
        """Let a message's deliveries end, and remove its content."""
        for delivery in await self.database.claim(samples.claim()):
            await self.database.settle([samples.settled(delivery, events=())], {})
        assert await self.database.write(bodies.delete_due, self.clock(), 10) == 1
        assert await self.database.read(bodies.read_many, [one.message.id]) == {}

    def start(self, *, poster: Poster | None = None, owner: int = 1, private: bool = True, **settings: Any) -> Relay:
        client = HttpClient(allow_private_addresses=private, connections=100)
        relay = Relay(
            database=self.database,
            facts=self.facts,
            poster=poster or HttpPoster(client),
            outages=Outages(self.admins),
            meter=self.meter,
            owner=owner,
            clock=self.clock,
            new_id=self.new_id,
            settings=WebhooksSettings(**{"poll_ms": POLL_MS} | settings),
            chance=random.Random(1).random,
        )
        self._running.append((relay, asyncio.create_task(relay.run()), client))
        return relay

    async def stop(self) -> None:
        for relay, task, client in self._running:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await relay.stop(5)
            await client.aclose()
        self._running.clear()

    async def kill(self) -> None:
        """End as a killed worker does: nothing is recorded, and nothing given back."""
        for relay, task, client in self._running:
            task.cancel()
            for _, line in relay._lines.values():
                line.cancel()
            await asyncio.gather(task, *(line for _, line in relay._lines.values()), return_exceptions=True)
            await client.aclose()
        self._running.clear()

    async def log(self, **which: Any) -> list[CallAttempt]:
        return await self.database.read(webhook_log.page, LogSelector(**which), 1_000)

    async def results(self) -> list[str]:
        return [one.result.value for one in await self.log()]

    async def waiting(self) -> int:
        return (await self.database.read(webhook_calls.backlog, 100_000)).calls

    async def put_forward(self, hook: Webhook) -> None:
        """Put the clock to when the next call of a webhook may be tried; what may be tried by now is waited for."""
        waiting = await self.database.read(webhook_calls.due, hook.id, self.clock() + 2 * LIFETIME_MS, 1)
        health = (await self.database.read(webhook_calls.health_of, [hook.id])).get(hook.id)
        if waiting:
            next_at = max(waiting[0].due_at, (health and health.next_try_at) or 0)
            self.ahead_ms += max(0, next_at - self.clock())

    async def forward_until(self, hook: Webhook, holds: Callable[[], Awaitable[bool]], within_s: float = 30.0) -> None:
        """Put the clock from one try of a webhook's calls to the next, until something holds."""

        async def holds_after_a_step() -> bool:
            await self.put_forward(hook)
            return await holds()

        await until(holds_after_a_step, within_s)

    async def tried(self, hook: Webhook, relay: Relay) -> None:
        """Wait until whatever call of a webhook is due has been tried, and what came of it is recorded."""
        await until(partial(self._is_tried, hook, relay))

    async def _is_tried(self, hook: Webhook, relay: Relay) -> bool:
        return not len(relay) and not await self.database.read(webhook_calls.due, hook.id, self.clock(), 1)

    async def rested(self, hook: Webhook, relay: Relay) -> None:
        """Wait until a webhook is paused, its next trial lies ahead, and no call to it is under way.

        A call that fails after the clock went on would count for a long pause, and put the trial off with it.
        """
        await until(partial(self._rests, hook, relay))

    async def _rests(self, hook: Webhook, relay: Relay) -> bool:
        health = (await self.database.read(webhook_calls.paused_webhooks)).get(hook.id)
        return health is not None and (health.next_try_at or 0) > self.clock() and not len(relay)

    async def settled(self) -> None:
        """Wait until no call waits."""
        await until(self.is_settled)

    async def is_settled(self) -> bool:
        return await self.waiting() == 0


async def until(holds: Callable[[], Awaitable[bool]], within_s: float = 30.0) -> None:
    async with asyncio.timeout(within_s):
        while not await holds():
            await asyncio.sleep(0.02)


async def rig_over(place: Place) -> Rig:
    database = await open_database(place.url, data_dir=place.data_dir, clock=now_ms)
    account = await database.write(accounts.add, "acme", now_ms())
    domain = SendingDomain(
        id=0, account_id=account.id, name="news.example.com", state=DomainState.ACTIVE, created_at=now_ms()
    )
    return Rig(database, await database.write(domains.add, domain))


@pytest.fixture
async def rig(sqlite_place: Place) -> AsyncIterator[Rig]:
    made = await rig_over(sqlite_place)
    yield made
    await made.stop()
    await made.database.close()


@pytest.fixture
async def each_rig(place: Place) -> AsyncIterator[Rig]:
    """The same on each engine."""
    made = await rig_over(place)
    yield made
    await made.stop()
    await made.database.close()


def events_of(received: list[Received]) -> list[str]:
    return [one.json["event-data"]["event"] for one in received]


# -- receivers that take calls ------------------------------------------------------------------------------------------


async def test_events_of_a_message_arrive_in_their_order_and_are_logged(each_rig: Rig) -> None:
    rig = each_rig

    def later_where_it_came_first(call: Received) -> Reply:
        return Reply(after_s=0.05 if call.json["event-data"]["event"] == "accepted" else 0)

    with WebhookReceiver(later_where_it_came_first) as receiver:
        hook = await rig.hook(receiver.url)
        messages = [await rig.accept(to=f"r{number}@example.net") for number in range(20)]
        for one in messages:
            await rig.happen(one, EventType.DELIVERED, attempt=1)
        rig.start()
        await rig.settled()
    by_recipient: dict[str, list[str]] = {}
    for call in receiver.calls:
        data = call.json["event-data"]
        by_recipient.setdefault(data["recipient"], []).append(data["event"])
    log = await rig.log(receiver=hook.id)

    assert by_recipient == {f"r{number}@example.net": ["accepted", "delivered"] for number in range(20)}
    assert receiver.most_at_once > 2
    assert {one.result for one in log} == {CallResult.DELIVERED}
    assert len({one.event_ids for one in log}) == 40
    assert (log[0].status, log[0].reply, log[0].attempt, log[0].url) == (200, "ok", 1, receiver.url)
    assert log[0].request_headers["Content-Type"] == "application/json"
    assert rig.meter.called == {"delivered": 40}


async def test_what_is_told_of_a_message_stays_the_same_when_its_content_has_gone(each_rig: Rig) -> None:
    rig = each_rig
    refusals = itertools.chain([Reply(503)], itertools.repeat(Reply()))
    with WebhookReceiver(lambda _: next(refusals)) as receiver:
        hook = await rig.hook(receiver.url, EventType.DELIVERED, EventType.BOUNCED, EventType.COMPLAINED)
        sent = await rig.accept()
        delivered = await rig.happen(sent, EventType.DELIVERED, attempt=1)
        rig.start()
        await until(lambda: _has_called(receiver, 1))
        await rig.end_and_forget(sent)
        await rig.happen(sent, EventType.BOUNCED, is_late=True)
        await rig.happen(sent, EventType.COMPLAINED)
        rig.ahead_ms += 2 * MINUTE
        await rig.settled()
        tried = next(one for one in await rig.log(receiver=hook.id) if one.event_ids == (delivered.id,))
        shown = (await CallLog(rig.database, rig.facts).story(SYSTEM, tried.call_id)).body

    told = [call.json["event-data"] for call in receiver.calls]
    first, again = (one for one in told if one["event"] == "delivered")
    assert again == first
    assert first["message"]["headers"]["X-Order"] == "7"
    assert {one["event"]: one["message"] for one in told} == dict.fromkeys(
        ("delivered", "failed", "complained"), first["message"]
    )
    assert shown is not None
    assert msgspec.json.decode(shown)["event-data"] == first


async def test_calls_of_one_message_wait_for_one_another_and_others_do_not(rig: Rig) -> None:
    def slow_for_accepted(call: Received) -> Reply:
        return Reply(after_s=0.3 if call.json["event-data"]["event"] == "accepted" else 0)

    with WebhookReceiver(slow_for_accepted) as receiver:
        await rig.hook(receiver.url)
        first, second = await rig.accept(), await rig.accept()
        for one in (first, second):
            await rig.happen(one, EventType.DELIVERED)
        rig.start()
        await rig.settled()

    assert events_of(receiver.calls) == ["accepted", "accepted", "delivered", "delivered"]
    assert receiver.most_at_once == 2


async def test_many_events_go_in_one_call_where_the_format_takes_them(rig: Rig) -> None:
    with WebhookReceiver() as receiver:
        await rig.hook(receiver.url, format=CallbackFormat.SENDGRID)
        for _ in range(300):
            await rig.accept()
        rig.start()
        await rig.settled()
    told = [one["event"] for call in receiver.calls for one in call.json]

    assert told == ["processed"] * 300
    assert len(receiver.calls) < 60
    assert "x-twilio-email-event-webhook-signature" in receiver.calls[0].headers
    assert sum(len(one.event_ids) for one in await rig.log()) == 300


async def test_a_callback_is_called_with_its_password_which_the_log_does_not_show(rig: Rig) -> None:
    with WebhookReceiver() as receiver:
        url = receiver.url.replace("http://", "http://app:sesame@")
        await rig.accept(Callback(url, CallbackFormat.SPARKPOST))
        rig.start()
        await rig.settled()
    (attempt,) = await rig.log()

    assert receiver.calls[0].headers["authorization"].startswith("Basic ")
    assert attempt.receiver < 0
    assert attempt.url == receiver.url.replace("http://", "http://app@")
    assert "sesame" not in repr(attempt)
    assert "authorization" not in {name.lower() for name in attempt.request_headers}


async def test_storage_is_left_alone_while_no_call_is_to_be_expected(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("postroad.webhooks.relay._IDLE_MS", 60_000)
    looks: list[object] = []
    read = rig.database.read

    async def counted(fn: Any, *arguments: Any) -> Any:
        looks.extend([fn] if fn is webhook_calls.due_receivers else ())
        return await read(fn, *arguments)

    monkeypatch.setattr(rig.database, "read", counted)
    relay = rig.start()
    await until(lambda: _are_more(looks, 0))
    await asyncio.sleep(20 * POLL_MS / 1000)
    assert len(looks) == 1

    with WebhookReceiver() as receiver:
        # A message of this worker names where its events are posted: that is done at once.
        await rig.accept(Callback(receiver.url, CallbackFormat.MAILGUN))
        await rig.settled()
        assert len(receiver.calls) == 1

    # Its receiver is given back before the next look but one.
    await until(lambda: _serves_nobody(relay))
    looks.clear()
    await until(lambda: _are_more(looks, 1))
    looks.clear()
    rig.ahead_ms += HOUR
    await asyncio.sleep(20 * POLL_MS / 1000)
    assert len(looks) <= 1
    # Other workers may write calls of a webhook.
    await rig.hook(f"http://127.0.0.1:{free_port()}/")
    await until(lambda: _are_more(looks, 10))


async def test_while_storage_is_away_it_is_asked_ever_more_rarely_and_the_log_says_so_once(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A webhook lets it look for calls all the time.
    with WebhookReceiver() as receiver:
        await rig.hook(receiver.url)
        looks: list[object] = []
        read = rig.database.read

        async def away(fn: Any, *arguments: Any) -> Any:
            looks.extend([fn] if fn is webhook_calls.due_receivers else ())
            raise StorageUnavailable("gone for a while")

        monkeypatch.setattr(rig.database, "read", away)
        with capture_logs() as lines:
            rig.start()
            await until(lambda: _are_more(looks, 0))
            await asyncio.sleep(2.0)
            assert len(looks) <= 3
            monkeypatch.setattr(rig.database, "read", read)
            await rig.accept()
            await until(lambda: _has_called(receiver, 1))

    told = [line["event"] for line in lines if "receivers_not_claimed" in line.values()]
    assert told == ["receivers_not_claimed", "storage_works_again"]


async def _are_more(found: Sequence[object], than: int) -> bool:
    return len(found) > than


async def _serves_nobody(relay: Relay) -> bool:
    return not len(relay)


async def test_a_format_without_a_word_for_an_event_makes_no_call(rig: Rig) -> None:
    with WebhookReceiver() as receiver:
        one = await rig.accept()
        event = await rig.happen(one, EventType.HELD)
        callback = Callback(receiver.url, CallbackFormat.MAILGUN)
        await rig.database.append_events([msgspec.structs.replace(event, id=event.id + 1, callback=callback)])
        rig.start()
        await rig.settled()

    assert receiver.calls == []
    assert rig.meter.called == {"silent": 1}


async def test_what_waits_for_a_removed_webhook_is_dropped(rig: Rig) -> None:
    hook = await rig.hook(f"http://127.0.0.1:{free_port()}/")
    await rig.accept()
    await rig.database.write(webhooks.remove, hook.id)
    await rig.facts.refresh()

    rig.start()
    await rig.settled()

    assert rig.meter.called == {"gone": 1}


async def test_a_webhook_that_a_person_paused_waits_until_it_is_resumed(rig: Rig) -> None:
    with WebhookReceiver() as receiver:
        hook = await rig.hook(receiver.url)
        await rig.database.write(webhooks.set_paused, hook.id, rig.clock())
        await rig.accept()
        rig.start()
        await asyncio.sleep(10 * POLL_MS / 1000)
        before = len(receiver.calls)
        await rig.database.write(webhooks.set_paused, hook.id, None)
        await rig.settled()

    assert (before, len(receiver.calls)) == (0, 1)


# -- receivers that do not ----------------------------------------------------------------------------------------------


async def one_failure(rig: Rig, url: str, *, private: bool = True, **facts: Any) -> CallAttempt:
    """Return the first attempt at a call, which fails."""
    await rig.hook(url, **facts)
    await rig.accept()
    rig.start(private=private)
    await until(lambda: _has_log(rig))
    (attempt,) = await rig.log()
    assert attempt.result is CallResult.FAILED
    assert await rig.waiting() == 1
    return attempt


async def _has_log(rig: Rig) -> bool:
    return bool(await rig.log())


async def test_a_dead_address_is_tried_again(rig: Rig) -> None:
    attempt = await one_failure(rig, f"http://127.0.0.1:{free_port()}/")

    assert attempt.status is None
    assert "Connect" in attempt.error


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "169.254.169.254", "[::ffff:10.0.0.1]"])
async def test_an_address_inside_is_refused_where_it_is_connected_to(rig: Rig, host: str) -> None:
    with WebhookReceiver() as receiver:
        attempt = await one_failure(rig, f"http://{host}:{receiver.port}/", private=False)

    assert "not an address of the public Internet" in attempt.error
    assert receiver.calls == []


async def test_a_redirect_is_a_failure_that_is_named(rig: Rig) -> None:
    with WebhookReceiver() as elsewhere, WebhookReceiver() as receiver:
        receiver.answer = lambda _: Reply(302, {"Location": elsewhere.url})
        attempt = await one_failure(rig, receiver.url)

    assert attempt.error == f"it answered 302, and redirects are not followed: {elsewhere.url}"
    assert elsewhere.calls == []


@pytest.mark.parametrize("status", [400, 404, 422, 500, 502])
async def test_other_refusals_are_tried_again(rig: Rig, status: int) -> None:
    with WebhookReceiver(lambda _: Reply(status, body=b"x" * 5_000)) as receiver:
        attempt = await one_failure(rig, receiver.url)

    assert (attempt.status, attempt.error) == (status, f"it answered {status}")
    assert attempt.reply == "x" * 1_024


async def test_garbage_in_place_of_an_answer_is_a_failure(rig: Rig) -> None:
    with WebhookReceiver(lambda _: Reply(raw=b"\x00\x01 what?\r\n\r\n")) as receiver:
        attempt = await one_failure(rig, receiver.url)

    assert attempt.status is None
    assert attempt.error


async def test_a_huge_answer_is_cut_and_its_status_counts(rig: Rig) -> None:
    with WebhookReceiver(lambda _: Reply(body=b"y" * 2_000_000)) as receiver:
        await rig.hook(receiver.url)
        await rig.accept()
        rig.start()
        await rig.settled()

    assert await rig.results() == ["delivered"]


async def test_an_answer_that_never_ends_is_a_failure_in_time(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("postroad.webhooks.post.TIMEOUT_S", 0.5)
    with WebhookReceiver(lambda _: Reply(body=b"z", never_ends=True)) as receiver:
        attempt = await one_failure(rig, receiver.url)

    assert attempt.error == "it did not answer within 0.5 s"


@pytest.mark.parametrize(("chosen", "status"), [(CallbackFormat.MAILGUN, 406), (CallbackFormat.STANDARD, 410)])
async def test_an_answer_that_says_so_ends_a_call(rig: Rig, chosen: CallbackFormat, status: int) -> None:
    with WebhookReceiver(lambda _: Reply(status)) as receiver:
        await rig.hook(receiver.url, format=chosen)
        await rig.accept()
        rig.start()
        await rig.settled()

    assert await rig.results() == ["refused"]
    assert len(receiver.calls) == 1


async def test_406_ends_only_calls_of_mailguns_format(rig: Rig) -> None:
    with WebhookReceiver(lambda _: Reply(406)) as receiver:
        attempt = await one_failure(rig, receiver.url, format=CallbackFormat.STANDARD)

    assert attempt.result is CallResult.FAILED


async def test_retry_after_is_kept_to_by_all_calls_to_the_address(rig: Rig) -> None:
    with WebhookReceiver(lambda _: Reply(429, {"Retry-After": "600"})) as receiver:
        hook = await rig.hook(receiver.url)
        await rig.accept()
        rig.start()
        await until(lambda: _has_log(rig))
        receiver.answer = lambda _: Reply()
        await rig.accept()
        rig.ahead_ms = 9 * MINUTE
        await asyncio.sleep(10 * POLL_MS / 1000)
        early = len(receiver.calls)
        rig.ahead_ms = 11 * MINUTE
        await rig.settled()

    assert (early, len(receiver.calls)) == (1, 3)
    await until(lambda: _is_well(rig, hook.id))


async def _is_well(rig: Rig, webhook_id: int) -> bool:
    health = await rig.database.read(webhook_calls.health_of, [webhook_id])
    return health[webhook_id].failures == 0


async def test_a_call_is_tried_with_growing_pauses_and_the_same_id_and_given_up_after_72_hours(rig: Rig) -> None:
    with WebhookReceiver(lambda _: Reply(500)) as receiver:
        hook = await rig.hook(receiver.url)
        await rig.accept()
        began = rig.clock()
        rig.start()
        await rig.forward_until(hook, rig.is_settled, 60)
        log = await rig.log()

    assert [one.result for one in log[:-1]] == [CallResult.FAILED] * (len(log) - 1)
    assert log[-1].result is CallResult.GIVEN_UP
    assert LIFETIME_MS <= log[-1].at - began < LIFETIME_MS + 2 * HOUR
    assert len({one.call_id for one in log}) == 1
    assert [one.attempt for one in log] == list(range(1, len(log) + 1))
    pauses = [later.at - one.at for one, later in itertools.pairwise(log)]
    assert pauses[0] < MINUTE
    assert max(pauses) <= 8 * HOUR
    assert 12 < len(log) < 60
    assert len({call.headers["webhook-id"] for call in receiver.calls}) == 1
    assert len({call.json["signature"]["token"] for call in receiver.calls}) == 1
    assert "Webhook calls given up" in rig.admins.subjects


async def test_a_dead_address_is_paused_and_its_calls_follow_when_it_works_again(rig: Rig) -> None:
    with WebhookReceiver(lambda _: Reply(503)) as receiver:
        hook = await rig.hook(receiver.url)
        for _ in range(PAUSED_AFTER_FAILURES + 20):
            await rig.accept()
        relay = rig.start()
        await rig.forward_until(hook, partial(_is_told, rig, "Webhook paused"))
        assert rig.ahead_ms < 2 * HOUR
        await rig.rested(hook, relay)
        tried = len(receiver.calls)
        await asyncio.sleep(10 * POLL_MS / 1000)
        health = (await rig.database.read(webhook_calls.paused_webhooks))[hook.id]
        assert health.next_try_at is not None
        rig.ahead_ms += health.next_try_at - rig.clock() + 1_000
        await until(lambda: _has_called(receiver, tried + 1))
        await asyncio.sleep(10 * POLL_MS / 1000)
        while_paused = len(receiver.calls) - tried
        receiver.answer = lambda _: Reply()
        await rig.forward_until(hook, rig.is_settled)
        assert rig.ahead_ms < 60 * HOUR
        await until(lambda: _none_paused(rig))

    assert while_paused == 1
    assert rig.meter.called["delivered"] == PAUSED_AFTER_FAILURES + 20
    assert rig.admins.subjects == ["Webhook paused", "Webhook works again"]
    assert "news.example.com" in rig.admins.told[0][1]
    assert "it answered 503" in rig.admins.told[0][1]


@pytest.mark.parametrize("status", [406, 410])
async def test_a_paused_address_that_refuses_a_call_stays_paused_and_keeps_the_others(rig: Rig, status: int) -> None:
    with WebhookReceiver(lambda _: Reply(503)) as receiver:
        hook = await rig.hook(receiver.url)
        for _ in range(PAUSED_AFTER_FAILURES + 20):
            await rig.accept()
        relay = rig.start()
        await rig.forward_until(hook, partial(_is_told, rig, "Webhook paused"))
        assert rig.ahead_ms < 2 * HOUR
        await rig.rested(hook, relay)
        tried = len(receiver.calls)
        receiver.answer = lambda _: Reply(status)
        rig.ahead_ms += 5 * MINUTE
        await until(lambda: _has_called(receiver, tried + 1))
        await rig.rested(hook, relay)
        await asyncio.sleep(10 * POLL_MS / 1000)

    assert len(receiver.calls) == tried + 1
    assert await rig.waiting() == PAUSED_AFTER_FAILURES + 19
    assert rig.admins.subjects == ["Webhook paused"]


async def test_410_pauses_a_webhook_at_once(rig: Rig) -> None:
    with WebhookReceiver(lambda _: Reply(410)) as receiver:
        hook = await rig.hook(receiver.url, format=CallbackFormat.STANDARD)
        for _ in range(100):
            await rig.accept()
        relay = rig.start()
        await rig.rested(hook, relay)
        refused = len(receiver.calls)
        receiver.answer = lambda _: Reply()
        rig.ahead_ms += 5 * MINUTE
        await rig.settled()
        await until(lambda: _none_paused(rig))

    assert refused < 10
    assert rig.meter.called == {"refused": refused, "delivered": 100 - refused}
    assert rig.admins.subjects == ["Webhook paused", "Webhook works again"]
    assert "410 (Gone)" in rig.admins.told[0][1]
    assert f"postroad webhook remove {hook.id}" in rig.admins.told[0][1]


async def test_a_pause_that_could_not_be_noted_is_noted_at_the_next_try(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    noted: list[dict[int, Health]] = []
    write = rig.database.write

    async def away_once(fn: Any, *arguments: Any) -> Any:
        if fn is webhook_calls.note:
            noted.append(dict(arguments[1]))
            if len(noted) == 1:
                raise StorageUnavailable("gone for a moment")
        return await write(fn, *arguments)

    monkeypatch.setattr(rig.database, "write", away_once)
    with WebhookReceiver(lambda _: Reply(410)) as receiver:
        await rig.hook(receiver.url)
        await rig.accept()
        rig.start()
        await until(lambda: _are_more(noted, 1))

    assert noted[0] == noted[1]
    assert all(health.paused_at is not None for health in noted[0].values())


async def test_406_leaves_a_failing_address_as_it_is(rig: Rig) -> None:
    with WebhookReceiver(lambda _: Reply(500)) as receiver:
        hook = await rig.hook(receiver.url)
        await rig.accept()
        rig.start()
        await until(lambda: _has_failed(rig, hook.id))
        receiver.answer = lambda _: Reply(406)
        rig.ahead_ms += MINUTE
        await rig.settled()
        await rig.stop()

    health = (await rig.database.read(webhook_calls.health_of, [hook.id]))[hook.id]
    assert (health.failures, health.last_error) == (1, "it answered 500")


async def _has_failed(rig: Rig, webhook_id: int) -> bool:
    health = (await rig.database.read(webhook_calls.health_of, [webhook_id])).get(webhook_id)
    return health is not None and health.failures > 0


async def _is_told(rig: Rig, subject: str) -> bool:
    return subject in rig.admins.subjects


async def _none_paused(rig: Rig) -> bool:
    return not await rig.database.read(webhook_calls.paused_webhooks)


async def _has_called(receiver: WebhookReceiver, count: int) -> bool:
    return len(receiver.calls) >= count


async def test_dead_and_slow_receivers_hold_up_nobody_else(rig: Rig) -> None:
    release = asyncio.Event()

    class Stuck:
        """Answers some addresses at once, and others never."""

        def __init__(self) -> None:
            self.at: Counter[str] = Counter()

        async def post(self, url: str, call: Call, now: int) -> Answer:
            self.at[url] += 1
            if "dead" in url:
                await release.wait()
            return Answer(status=200)

    stuck = Stuck()
    for name in ("dead-1", "dead-2", "well"):
        await rig.hook(f"https://{name}.example/", format=CallbackFormat.MAILGUN)
    for _ in range(50):
        await rig.accept()
    rig.start(poster=stuck, calls_at_once=40)
    try:
        async with asyncio.timeout(10):
            while stuck.at["https://well.example/"] < 50:
                await asyncio.sleep(0.02)
        assert stuck.at["https://dead-1.example/"] <= 4
    finally:
        release.set()


async def test_what_ends_while_more_is_read_is_not_called_again(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    read_page = webhook_calls.due

    def slowly(*which: Any) -> list[WaitingCall]:
        page = read_page(*which)
        time.sleep(0.05)  # calls of the page end, and their rows go
        return page

    monkeypatch.setattr(webhook_calls, "due", slowly)
    with WebhookReceiver() as receiver:
        await rig.hook(receiver.url, EventType.ACCEPTED)
        for _ in range(100):
            await rig.accept()
        rig.start()
        await rig.settled()

    assert Counter(call.headers["webhook-id"] for call in receiver.calls).most_common(1)[0][1] == 1
    assert len(receiver.calls) == 100


# -- more than one worker, and their ends --------------------------------------------------------------------------------


async def test_what_was_called_and_not_recorded_is_called_again(each_rig: Rig) -> None:
    rig = each_rig
    with WebhookReceiver(lambda _: Reply(after_s=0.4)) as receiver:
        await rig.hook(receiver.url)
        await rig.accept()
        rig.start(owner=1)
        await until(lambda: _has_called(receiver, 1))
        await rig.kill()
        receiver.answer = lambda _: Reply()
        rig.start(owner=2)
        await asyncio.sleep(0.2)
        early = len(receiver.calls)
        rig.ahead_ms += 2 * MINUTE
        await rig.settled()

    assert (early, len(receiver.calls)) == (1, 2)
    assert len({call.headers["webhook-id"] for call in receiver.calls}) == 1


async def test_two_workers_share_receivers_and_make_each_call_once(each_rig: Rig) -> None:
    rig = each_rig
    with WebhookReceiver() as receiver:
        for name in "abc":
            await rig.hook(f"{receiver.url}/{name}", EventType.ACCEPTED)
        rig.start(owner=1)
        rig.start(owner=2)
        for _ in range(30):
            await rig.accept()
        await rig.settled()

    assert len(receiver.calls) == 90
    assert await rig.results() == ["delivered"] * 90


async def test_a_stop_lets_calls_end_and_leaves_the_rest_to_others(rig: Rig) -> None:
    with WebhookReceiver(lambda _: Reply(after_s=0.3)) as receiver:
        hook = await rig.hook(receiver.url)
        for _ in range(40):
            await rig.accept()
        rig.start()
        await until(lambda: _has_called(receiver, 1))
        await rig.stop()
        made = len(receiver.calls)
        left = await rig.waiting()
        held = await rig.database.write(webhook_calls.claim, [hook.id], 2, rig.clock(), rig.clock() + MINUTE)

    assert made + left == 40
    assert left > 0
    assert await rig.results() == ["delivered"] * made
    assert [one.receiver for one in held] == [hook.id]


async def test_what_is_too_old_or_too_much_is_given_up_with_a_word_in_the_log(rig: Rig) -> None:
    hook = await rig.hook("https://hooks.example/")
    await rig.database.write(webhooks.set_paused, hook.id, rig.clock())
    for _ in range(105):
        await rig.accept()
    relay = rig.start(backlog=100)

    too_many = await relay.sweep()
    rig.ahead_ms = LIFETIME_MS + MINUTE
    too_old = await relay.sweep()
    log = await rig.log()

    assert (too_many, too_old, await rig.waiting()) == (5, 100, 0)
    assert {one.result for one in log} == {CallResult.GIVEN_UP}
    assert Counter(one.error for one in log) == {
        "more than 100 calls waited for the address": 5,
        "its 72 hours were over before it could be tried: the address was paused": 100,
    }
    assert rig.admins.subjects == ["Webhook calls given up"]
    assert "5 calls were given up: more than 100 calls waited for the address." in rig.admins.told[0][1]


async def test_who_takes_all_but_some_events_is_told_of_once_a_day(rig: Rig) -> None:
    def picky(call: Received) -> Reply:
        return Reply(400 if call.json["event-data"]["event"] == "delivered" else 200)

    with WebhookReceiver(picky) as receiver:
        hook = await rig.hook(receiver.url)
        relay = rig.start()
        for number, ahead_ms in enumerate((0, HOUR, LIFETIME_MS, LIFETIME_MS + HOUR)):
            rig.ahead_ms = ahead_ms + MINUTE
            if number < 2:
                await rig.happen(await rig.accept(), EventType.DELIVERED, attempt=1)
            await rig.tried(hook, relay)
            assert rig.meter.called["given_up"] == max(0, number - 1)
            # Another gets through.
            await rig.accept()
            await until(lambda: _is_well(rig, hook.id))

    assert rig.admins.subjects == ["Webhook calls given up"]
    assert "1 call was given up: it answered 400." in rig.admins.told[0][1]
    assert "other calls get through" in rig.admins.told[0][1]

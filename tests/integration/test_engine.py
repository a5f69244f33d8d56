"""The delivery engine over a real database, with an agent that answers as it is told."""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from postroad.delivery.agent import SiteEvent, SiteEventKind
from postroad.delivery.engine import DeliveryEngine, Surroundings
from postroad.delivery.givens import Givens
from postroad.delivery.settings import DeliverySettings, QueueSettings
from postroad.delivery.terms import understand
from postroad.delivery.transmission import Transmission
from postroad.model.attempt import Attempt, FailureKind
from postroad.model.delivery import Delivery, DeliveryState, Lease, lane_of
from postroad.model.domain import DomainSettings, DomainState, SendingDomain
from postroad.model.envelope import Notify
from postroad.model.ids import IdSource
from postroad.model.message import Accepted, Message
from postroad.model.outcome import AttemptFacts, BounceClass, Phase
from postroad.model.route import MailHost, MailHosts, MxStatus, Route
from postroad.net.clock import now_ms
from postroad.policy.identifier import LENGTH
from postroad.protocol.dkim.key import SigningKey
from postroad.queue.scheduler import WaitReason
from postroad.rendering.return_path import read_return_path
from postroad.storage import deliveries, site_limits, workers
from postroad.storage import messages as message_rows
from postroad.storage.database import Database
from postroad.storage.engine import open_database
from postroad.storage.errors import StorageUnavailable
from tests.storage.samples import Place

OWNER = 7
KEY = b"k" * 32
CONTENT = b"From: app@news.test\r\nTo: r@dest.test\r\nSubject: hello\r\n\r\nHello.\r\n"
HOUR = 3_600_000


class Finder:
    """Knows every destination, but those it is told otherwise of."""

    def __init__(self) -> None:
        self.answers: dict[str, MailHosts] = {}
        self.breaks_at = ""
        self.known: dict[str, MailHosts] = {}

    def cached(self, domain: str) -> MailHosts | None:
        return self.known.get(domain)

    async def mail_hosts(self, domain: str) -> MailHosts:
        await asyncio.sleep(0)
        if domain == self.breaks_at:
            raise RuntimeError("a fault of ours")
        answer = self.answers.get(domain) or MailHosts(
            status=MxStatus.FOUND,
            hosts=(MailHost(f"mx.{domain}", 10, ("192.0.2.1",)),),
            expires_at=now_ms() + HOUR,
        )
        self.known[domain] = answer
        return answer


class Domains:
    """One sending domain with one key."""

    def __init__(self) -> None:
        self.settings = DomainSettings()
        private = rsa.generate_private_key(public_exponent=65537, key_size=1024)
        self.keys: Sequence[SigningKey] = (SigningKey("news.test", "pr1", private),)

    async def get(self, domain_id: int) -> SendingDomain:
        return SendingDomain(
            id=domain_id,
            account_id=1,
            name="news.test",
            state=DomainState.ACTIVE,
            settings=self.settings,
            created_at=0,
        )

    async def signing_keys(self, domain_id: int) -> Sequence[SigningKey]:
        return self.keys

    async def return_path_host(self, domain_id: int) -> str:
        return "rp.news.test"


class Meter:
    """Keeps what was counted."""

    def __init__(self) -> None:
        self.counts: list[str] = []

    def delivered(self, destination: str, duration_ms: float, wait_ms: float) -> None:
        self.counts.append("delivered")

    def deferred(self, destination: str, duration_ms: float, *, maybe_delivered: bool = False) -> None:
        self.counts.append("deferred")

    def bounced(self, destination: str, bounce_class: BounceClass, duration_ms: float) -> None:
        self.counts.append("bounced")

    def ready(self, count: int) -> None:
        pass


Answer = Callable[[Transmission], tuple[Phase, int, str]]


class FakeAgent:
    """Answers each transmission as ``answer`` says, after ``hold`` is set."""

    def __init__(self, on_site_event: Callable[[SiteEvent], None]) -> None:
        self.on_site_event = on_site_event
        self.answer: Answer = lambda transmission: (Phase.FINAL_DOT, 250, "taken")
        self.hold = asyncio.Event()
        self.hold.set()
        self.sent: list[Transmission] = []
        self.batches: list[tuple[Route, int]] = []
        self.working = 0
        self.most_working = 0
        self.is_closed = False

    async def run(self, route: Route, batch: Sequence[Transmission], on_attempt: Callable[[Attempt], None]) -> None:
        self.batches.append((route, len(batch)))
        self.working += 1
        self.most_working = max(self.working, self.most_working)
        try:
            await self.hold.wait()
            await asyncio.sleep(0)
            for transmission in batch:
                self.sent.append(transmission)
                phase, code, text = self.answer(transmission)
                facts = AttemptFacts(
                    phase=phase,
                    egress_source=route.source.name,
                    site=route.site,
                    host=route.hops[0].host,
                    host_address=route.hops[0].address,
                    code=code or None,
                    text=text,
                    started_at=now_ms(),
                    duration_ms=1,
                )
                failure = None if code == 250 else FailureKind.REPLY if code else FailureKind.CONNECT
                on_attempt(Attempt(delivery_id=transmission.delivery_id, facts=facts, failure=failure))
        finally:
            self.working -= 1

    async def close(self) -> None:
        self.is_closed = True


class Rig:
    """An engine with all that is around it."""

    def __init__(self, database: Database, settings: DeliverySettings, number: int = 1) -> None:
        self.database = database
        self.finder, self.domains, self.meter = Finder(), Domains(), Meter()
        self.ids = IdSource(number)
        self.clock_is_ahead_by = 0
        self.agents: list[FakeAgent] = []
        terms = understand(settings, frozenset({"us.test"}), frozenset())
        around = Surroundings(
            database=database,
            finder=self.finder,
            domains=self.domains,
            meter=self.meter,
            givens=Givens(lambda: now_ms() + self.clock_is_ahead_by, self.ids.next, random.Random(1).random),
            shuffle=random.Random(1).shuffle,
            make_agent=self._make_agent,
            owner=OWNER * number,
            worker_silence_s=60,
            own_hosts=frozenset({"us.test"}),
            return_path_key=KEY,
        )
        self.engine = DeliveryEngine(settings, terms, around)
        self.running: asyncio.Task[None] | None = None

    @property
    def agent(self) -> FakeAgent:
        return self.agents[0]

    def _make_agent(self, on_site_event: Callable[[SiteEvent], None]) -> FakeAgent:
        self.agents.append(FakeAgent(on_site_event))
        return self.agents[0]

    async def start(self) -> None:
        self.running = asyncio.create_task(self.engine.run())
        await asyncio.sleep(0)

    async def stop(self, within_s: float = 2.0) -> None:
        if self.running is not None:
            await self.engine.stop(within_s)
            await self.running
            self.running = None

    def offer(
        self,
        *recipients: str,
        reverse_path: str = "app@news.test",
        notify: Notify = Notify.UNSET,
        lease: Lease | None = None,
        ret: str | None = None,
        is_report: bool = False,
        lifetime_ms: int = 72 * HOUR,
        domain_id: int = 1,
        due_in_ms: int = 0,
    ) -> Accepted:
        now = now_ms()
        partition = random.Random(now).randrange(1024)
        message = Message(
            id=self.ids.next(now, partition),
            account_id=1,
            domain_id=domain_id,
            credential_id=1,
            reverse_path=reverse_path,
            header_from="app@news.test",
            subject="hello",
            message_id_header="<1@news.test>",
            size=len(CONTENT),
            recipient_count=len(recipients),
            accepted_at=now,
            client_address="127.0.0.1",
            channel="smtp",
            ret=ret,
            is_report=is_report,
        )
        rows = tuple(
            Delivery(
                id=self.ids.next(now, partition),
                message_id=message.id,
                account_id=1,
                domain_id=domain_id,
                recipient=recipient,
                destination=recipient.partition("@")[2],
                pool="default",
                lane=lane_of(domain_id, recipient.partition("@")[2]),
                state=DeliveryState.LEASED if lease else DeliveryState.SCHEDULED,
                due_at=now + due_in_ms,
                expires_at=now + lifetime_ms,
                accepted_at=now,
                notify=notify,
                lease=lease,
            )
            for recipient in recipients
        )
        return Accepted(message=message, content=CONTENT, deliveries=rows, events=())

    async def accept(self, *recipients: str, **facts: Any) -> Accepted:
        accepted = self.offer(*recipients, **facts)
        await self.database.accept(accepted)
        return accepted

    async def states(self, accepted: Accepted) -> list[DeliveryState]:
        return [one.state for one in await self.rows(accepted)]

    async def rows(self, accepted: Accepted) -> list[Delivery]:
        story = await self.database.read(message_rows.show, accepted.message.id)
        assert story is not None
        return sorted(story.deliveries, key=lambda one: one.id)

    async def becomes(self, accepted: Accepted, *states: DeliveryState) -> None:
        await until(lambda: self._has(accepted, list(states)))

    async def _has(self, accepted: Accepted, states: list[DeliveryState]) -> bool:
        return await self.states(accepted) == states


async def until(condition: Callable[[], Awaitable[bool]], within_s: float = 20.0) -> None:
    async with asyncio.timeout(within_s):
        while not await condition():
            await asyncio.sleep(0.01)


def make_settings(**queue: Any) -> DeliverySettings:
    return DeliverySettings(
        hostname="mail.us.test", allow_private_addresses=True, queue=QueueSettings(**({"poll_ms": 100} | queue))
    )


@pytest.fixture
async def database(place: Place) -> AsyncIterator[Database]:
    opened = await open_database(place.url, data_dir=place.data_dir, clock=now_ms)
    yield opened
    await opened.close()


@pytest.fixture
async def rig(database: Database) -> AsyncIterator[Rig]:
    made = Rig(database, make_settings())
    await made.start()
    yield made
    await made.stop()


async def test_an_accepted_message_is_delivered_signed_with_its_own_return_path(rig: Rig) -> None:
    accepted = await rig.accept("a@dest.test", "b@dest.test")
    await rig.becomes(accepted, DeliveryState.DELIVERED, DeliveryState.DELIVERED)
    assert {one.recipient for one in rig.agent.sent} == {"a@dest.test", "b@dest.test"}
    for transmission in rig.agent.sent:
        assert transmission.content.startswith(b"DKIM-Signature:")
        assert transmission.content.endswith(CONTENT)
        assert read_return_path(transmission.reverse_path, [KEY]) == transmission.delivery_id
        assert transmission.reverse_path.endswith("@rp.news.test")
        assert len(transmission.reverse_path.partition("@")[0]) == len("bounce+") + LENGTH
    assert rig.agent.sent[0].content is rig.agent.sent[1].content
    await until(lambda: _is(rig.engine.held == 0))


async def test_the_event_of_an_attempt_names_the_selectors(rig: Rig) -> None:
    accepted = await rig.accept("a@dest.test")
    await rig.becomes(accepted, DeliveryState.DELIVERED)
    story = await rig.database.read(message_rows.show, accepted.message.id)
    assert story is not None
    (event,) = story.events
    assert event.data["selectors"] == ["pr1._domainkey.news.test"]
    assert (event.data["attempt"], event.data["site"]) == (1, "mx.dest.test")


async def test_a_message_handed_over_leaves_without_being_read_back(rig: Rig) -> None:
    first = await rig.accept("a@dest.test")
    await rig.becomes(first, DeliveryState.DELIVERED)
    lease = rig.engine.reserve(rig.offer("b@dest.test").deliveries)
    assert lease is not None
    accepted = await rig.accept("b@dest.test", lease=lease)

    async def fail(*_: Any) -> Any:
        raise AssertionError("read back")

    rig.database.read, read = fail, rig.database.read  # type: ignore[method-assign, assignment]
    rig.engine.hand_over(accepted)
    await until(lambda: _is(len(rig.agent.sent) == 2))
    rig.database.read = read  # type: ignore[method-assign]
    await rig.becomes(accepted, DeliveryState.DELIVERED)


async def test_a_message_whose_commit_went_unanswered_is_delivered_without_waiting_for_its_lease(rig: Rig) -> None:
    first = await rig.accept("a@dest.test")
    await rig.becomes(first, DeliveryState.DELIVERED)
    lease = rig.engine.reserve(rig.offer("b@dest.test").deliveries)
    assert lease is not None
    stored = await rig.accept("b@dest.test", lease=lease)
    rig.engine.withdraw(stored)
    rig.engine.withdraw(rig.offer("c@dest.test", lease=lease))
    await rig.becomes(stored, DeliveryState.DELIVERED)
    await until(lambda: _is(rig.engine.held == 0))
    assert [one.recipient for one in rig.agent.sent] == ["a@dest.test", "b@dest.test"]


async def test_nothing_is_reserved_for_a_site_that_is_unknown_or_paused(rig: Rig) -> None:
    offered = rig.offer("a@dest.test").deliveries
    assert rig.engine.reserve(offered) is None
    rig.agent.answer = lambda transmission: (Phase.CONNECT, 0, "connection refused")
    accepted = await rig.accept("b@dest.test")
    await until(lambda: _is(rig.meter.counts == ["deferred"]))
    assert rig.engine.reserve(offered) is None
    await rig.becomes(accepted, DeliveryState.SCHEDULED)


async def test_nothing_is_reserved_by_an_engine_that_does_not_run(database: Database) -> None:
    rig = Rig(database, make_settings())
    await rig.finder.mail_hosts("dest.test")
    assert rig.engine.reserve(rig.offer("a@dest.test").deliveries) is None


async def test_a_deferred_delivery_is_scheduled_with_its_reply(rig: Rig) -> None:
    rig.agent.answer = lambda transmission: (Phase.RCPT, 450, "greylisted")
    accepted = await rig.accept("a@dest.test")
    await until(lambda: _is(rig.meter.counts == ["deferred"]))
    await rig.becomes(accepted, DeliveryState.SCHEDULED)
    (row,) = await rig.rows(accepted)
    assert (row.attempts, row.last_reply, row.lease) == (1, "mx.dest.test: 450 greylisted", None)
    assert 53_000 < row.due_at - accepted.message.accepted_at < 70_000


async def test_a_refused_recipient_does_not_stop_the_others_and_its_sender_is_told(rig: Rig) -> None:
    rig.agent.answer = lambda one: (
        (Phase.RCPT, 550, "no such user")
        if one.recipient.startswith("bad")
        else (
            Phase.FINAL_DOT,
            250,
            "taken",
        )
    )
    accepted = await rig.accept("bad@dest.test", "good@dest.test")
    await rig.becomes(accepted, DeliveryState.BOUNCED, DeliveryState.DELIVERED)
    await until(lambda: _is(any(one.recipient == "app@news.test" for one in rig.agent.sent)))
    report = next(one for one in rig.agent.sent if one.recipient == "app@news.test")
    assert report.reverse_path == ""
    assert report.content.startswith(b"DKIM-Signature:")
    for part in (b"Action: failed", b"Final-Recipient: rfc822; bad@dest.test", b"Subject: hello"):
        assert part in report.content
    assert b"Hello." not in report.content
    await until(lambda: _is(rig.engine.held == 0))


async def test_a_report_that_bounces_makes_no_other(rig: Rig) -> None:
    rig.agent.answer = lambda one: (Phase.RCPT, 550, "no such user")
    await rig.accept("bad@dest.test")
    await until(lambda: _is(rig.meter.counts == ["bounced", "bounced"]))
    await asyncio.sleep(0.3)
    assert [one.recipient for one in rig.agent.sent] == ["bad@dest.test", "app@news.test"]


@pytest.mark.parametrize("reverse_path", ["x@rp.news.test", "x@us.test", ""])
async def test_no_report_goes_where_we_would_receive_it(rig: Rig, reverse_path: str) -> None:
    rig.agent.answer = lambda one: (Phase.RCPT, 550, "no such user")
    accepted = await rig.accept("bad@dest.test", reverse_path=reverse_path, notify=Notify.FAILURE)
    await rig.becomes(accepted, DeliveryState.BOUNCED)
    await asyncio.sleep(0.3)
    assert [one.recipient for one in rig.agent.sent] == ["bad@dest.test"]


async def test_a_destination_that_does_not_exist_bounces_with_a_report(rig: Rig) -> None:
    rig.finder.answers["gone.test"] = MailHosts(status=MxStatus.NO_SUCH_DOMAIN, expires_at=now_ms() + HOUR)
    accepted = await rig.accept("a@gone.test")
    await rig.becomes(accepted, DeliveryState.BOUNCED)
    (row,) = await rig.rows(accepted)
    assert row.last_reply == "5.1.2 gone.test does not exist."
    await until(lambda: _is([one.recipient for one in rig.agent.sent] == ["app@news.test"]))
    assert b"Status: 5.1.2" in rig.agent.sent[0].content


async def test_trouble_with_dns_defers(rig: Rig) -> None:
    rig.finder.answers["later.test"] = MailHosts(status=MxStatus.TEMPORARY, expires_at=now_ms() + HOUR)
    accepted = await rig.accept("a@later.test")
    await until(lambda: _is(rig.meter.counts == ["deferred"]))
    await rig.becomes(accepted, DeliveryState.SCHEDULED)
    assert rig.agent.sent == []


async def test_a_fault_of_ours_defers_the_one_delivery_and_the_others_leave(rig: Rig) -> None:
    rig.finder.breaks_at = "broken.test"
    accepted = await rig.accept("a@broken.test")
    await until(lambda: _is(rig.meter.counts == ["deferred"]))
    await rig.becomes(accepted, DeliveryState.SCHEDULED)
    (row,) = await rig.rows(accepted)
    assert row.last_reply == "4.3.0 an internal error kept the route from being found"
    await rig.becomes(await rig.accept("b@dest.test"), DeliveryState.DELIVERED)


async def test_a_report_of_ours_that_loops_back_is_cancelled(rig: Rig) -> None:
    rig.finder.answers["loop.test"] = MailHosts(
        status=MxStatus.FOUND, hosts=(MailHost("us.test", 10, ("192.0.2.9",)),), expires_at=now_ms() + HOUR
    )
    accepted = await rig.accept("a@loop.test", is_report=True, reverse_path="")
    await rig.becomes(accepted, DeliveryState.CANCELLED)


async def test_the_last_failure_of_an_expired_delivery_bounces_it(rig: Rig) -> None:
    rig.agent.answer = lambda transmission: (Phase.RCPT, 450, "greylisted")
    accepted = await rig.accept("a@dest.test", lifetime_ms=0)
    await rig.becomes(accepted, DeliveryState.BOUNCED)
    (row,) = await rig.rows(accepted)
    assert row.last_reply == "mx.dest.test: 4.4.7 Not delivered in time. Last reply: 450 greylisted"


async def test_a_refusing_site_is_paused_for_all_and_its_deliveries_wait_in_the_table(database: Database) -> None:
    rig = Rig(database, make_settings(batch=1, first_sessions=1))
    await rig.start()
    rig.agent.answer = lambda transmission: (Phase.CONNECT, 0, "connection refused")
    accepted = await rig.accept("a@dest.test", "b@dest.test", "c@dest.test")
    await until(lambda: _is(rig.engine.held == 0 and rig.meter.counts == ["deferred"]))
    await rig.becomes(accepted, *[DeliveryState.SCHEDULED] * 3)
    assert sorted(row.attempts for row in await rig.rows(accepted)) == [0, 0, 1]

    async def is_told() -> bool:
        return await database.read(site_limits.get, "default", "mx.dest.test") is not None

    await until(is_told)
    await rig.stop()


async def test_a_pause_of_another_worker_is_kept(rig: Rig) -> None:
    limit = site_limits.SiteLimit(
        source="default",
        site="mx.dest.test",
        window=1,
        paused_until=now_ms() + HOUR,
        reason="refused elsewhere",
        updated_at=now_ms(),
    )
    await rig.database.write(site_limits.store, limit)
    rig.agent.hold.clear()
    accepted = await rig.accept("a@dest.test")
    await asyncio.sleep(1.3)
    second = await rig.accept("b@dest.test")

    async def is_set_back() -> bool:
        (row,) = await rig.rows(second)
        return row.due_at >= now_ms() + HOUR - 10_000

    await until(is_set_back)
    assert len(rig.agent.batches) == 1
    rig.agent.hold.set()
    await rig.becomes(accepted, DeliveryState.DELIVERED)


async def test_a_throttling_host_narrows_the_window(rig: Rig) -> None:
    rig.agent.hold.clear()
    await rig.accept("first@dest.test")
    await until(lambda: _is(rig.agent.working == 1))
    for _ in range(5):
        rig.agent.on_site_event(SiteEvent(source="default", site="mx.dest.test", kind=SiteEventKind.THROTTLED))
    accepted = await rig.accept(*[f"{n}@dest.test" for n in range(30)])
    await asyncio.sleep(0.3)
    assert rig.agent.working == 1
    await rig.becomes(accepted, *[DeliveryState.SCHEDULED] * 30)


async def test_what_waits_for_a_session_can_be_explained(database: Database) -> None:
    rig = Rig(database, make_settings(batch=1, first_sessions=1))
    await rig.start()
    rig.agent.hold.clear()
    accepted = await rig.accept("a@dest.test", "b@dest.test")
    await until(lambda: _is(rig.engine.held == 2 and rig.agent.working == 1))
    reasons = [wait.reason for one in accepted.deliveries if (wait := rig.engine.why(one.id))]
    assert reasons == [WaitReason.WINDOW]
    rig.agent.hold.set()
    await rig.stop()


async def test_settlements_that_cannot_be_written_are_kept_until_they_can(rig: Rig) -> None:
    settle, failures = rig.database.settle, 0

    async def fail(settlements: Any, reports: Any) -> frozenset[int]:
        nonlocal failures
        failures += 1
        if failures < 4:
            raise StorageUnavailable("the disk is full")
        return await settle(settlements, reports)

    rig.database.settle = fail  # type: ignore[method-assign]
    accepted = await rig.accept("a@dest.test", "b@dest.test")
    await rig.becomes(accepted, DeliveryState.DELIVERED, DeliveryState.DELIVERED)
    assert failures >= 4
    assert len(rig.agent.sent) == 2


async def test_a_batch_that_fails_inside_is_deferred_and_the_engine_goes_on(rig: Rig) -> None:
    def broken(transmission: Transmission) -> tuple[Phase, int, str]:
        raise RuntimeError("a bug")

    rig.agent.answer = broken
    accepted = await rig.accept("a@dest.test")
    await until(lambda: _is(rig.meter.counts == ["deferred"]))
    await rig.becomes(accepted, DeliveryState.SCHEDULED)
    (row,) = await rig.rows(accepted)
    assert (row.maybe_delivered, row.attempts) == (True, 1)
    rig.agent.answer = lambda transmission: (Phase.FINAL_DOT, 250, "taken")
    await rig.becomes(await rig.accept("b@dest.test"), DeliveryState.DELIVERED)


async def test_a_stop_lets_sessions_finish_and_gives_back_the_rest(database: Database) -> None:
    rig = Rig(database, make_settings(batch=1, first_sessions=1))
    await rig.start()
    rig.agent.hold.clear()
    accepted = await rig.accept("a@dest.test", "b@dest.test", "c@dest.test")
    await until(lambda: _is(rig.agent.working == 1 and rig.engine.held == 3))
    stopping = asyncio.create_task(rig.stop())
    await asyncio.sleep(0.05)
    rig.agent.hold.set()
    await stopping
    rows = await rig.rows(accepted)
    assert sorted(row.state.value for row in rows) == ["delivered", "scheduled", "scheduled"]
    assert not any(row.maybe_delivered for row in rows)
    assert rig.agent.is_closed


async def test_a_stop_breaks_off_what_does_not_end_in_time_and_marks_it(database: Database) -> None:
    rig = Rig(database, make_settings())
    await rig.start()
    rig.agent.hold.clear()
    accepted = await rig.accept("a@dest.test")
    await until(lambda: _is(rig.agent.working == 1))
    await rig.stop(0.05)
    (row,) = await rig.rows(accepted)
    assert (row.state, row.maybe_delivered, row.attempts) == (DeliveryState.SCHEDULED, True, 1)


async def test_a_delivery_whose_lease_was_lost_is_not_sent(rig: Rig) -> None:
    rig.agent.hold.clear()
    accepted = await rig.accept("a@dest.test")
    await until(lambda: _is(rig.agent.working == 1))
    assert await rig.database.release_owner(OWNER) == 1
    rig.agent.hold.set()
    await until(lambda: _is(len(rig.agent.sent) == 2))
    await rig.becomes(accepted, DeliveryState.DELIVERED)
    (row,) = await rig.rows(accepted)
    assert row.attempts == 1


async def test_leases_are_renewed(rig: Rig) -> None:
    rig.agent.hold.clear()
    accepted = await rig.accept("a@dest.test")
    await until(lambda: _is(rig.agent.working == 1))
    before = (await rig.rows(accepted))[0].lease
    await rig.engine._parts.ledger.renew()
    after = (await rig.rows(accepted))[0].lease
    assert before is not None
    assert after is not None
    assert after.until > before.until
    rig.agent.hold.set()


async def test_a_clock_put_forward_repeats_nothing(database: Database) -> None:
    rig = Rig(database, make_settings(batch=1, first_sessions=1))
    await rig.start()
    rig.agent.hold.clear()
    accepted = await rig.accept("a@dest.test", "b@dest.test", "c@dest.test")
    await until(lambda: _is(rig.agent.working == 1 and rig.engine.held == 3))
    rig.clock_is_ahead_by = 2 * HOUR
    await asyncio.sleep(0.3)
    rig.agent.hold.set()
    await rig.becomes(accepted, *[DeliveryState.DELIVERED] * 3)
    assert sorted(one.recipient for one in rig.agent.sent) == ["a@dest.test", "b@dest.test", "c@dest.test"]
    assert not any(row.maybe_delivered for row in await rig.rows(accepted))
    await rig.stop()


async def test_what_others_freed_and_is_claimed_again_while_it_waits_is_sent_once(database: Database) -> None:
    rig = Rig(database, make_settings(batch=1, first_sessions=1))
    await rig.start()
    rig.agent.hold.clear()
    accepted = await rig.accept("a@dest.test", "b@dest.test")
    await until(lambda: _is(rig.agent.working == 1 and rig.engine.held == 2))
    waiting = next(iter(rig.engine._parts.scheduler._key_of))
    await rig.database.release(OWNER, [waiting], None)
    await asyncio.sleep(0.3)
    rig.agent.hold.set()
    await until(lambda: _is(len(rig.agent.sent) == 1))
    await rig.database.write(deliveries.retry_now, deliveries.Selector(), steering(rig), 10)
    await rig.becomes(accepted, *[DeliveryState.DELIVERED] * 2)
    assert sorted(one.recipient for one in rig.agent.sent) == ["a@dest.test", "b@dest.test"]
    await rig.stop()


def steering(rig: Rig) -> deliveries.Steering:
    return deliveries.Steering(by="test", now=now_ms(), new_id=lambda partition: rig.ids.next(now_ms(), partition))


async def test_nothing_begins_with_less_lease_than_a_transfer_may_take(rig: Rig) -> None:
    rig.engine._dispatcher._transfer_ms = HOUR
    accepted = await rig.accept("a@dest.test")
    await asyncio.sleep(0.3)
    assert rig.agent.sent == []
    rig.engine._dispatcher._transfer_ms = 1000
    await rig.becomes(accepted, DeliveryState.DELIVERED)


async def test_a_flood_to_a_dead_destination_does_not_hold_up_anothers_single_message(database: Database) -> None:
    rig = Rig(database, make_settings(ready=200, ready_per_site=50, claim=50))
    rig.agent.answer = lambda one: (
        (Phase.CONNECT, 0, "timed out")
        if "dead" in one.recipient
        else (
            Phase.FINAL_DOT,
            250,
            "taken",
        )
    )
    for _ in range(20):
        await rig.accept(*[f"{n}@dead.test" for n in range(100)])
    await rig.start()
    await until(lambda: _is("deferred" in rig.meter.counts))
    started_at = now_ms()
    accepted = await rig.accept("a@alive.test", domain_id=2)
    await rig.becomes(accepted, DeliveryState.DELIVERED)
    assert now_ms() - started_at < 1000
    assert rig.engine.held <= 200
    await rig.stop()


async def test_many_deliveries_stay_within_the_windows(database: Database) -> None:
    rig = Rig(database, make_settings(batch=5, first_sessions=2, sessions_per_site=3))
    await rig.start()
    accepted = await rig.accept(*[f"{n}@dest.test" for n in range(200)])
    await rig.becomes(accepted, *[DeliveryState.DELIVERED] * 200)
    assert rig.agent.most_working <= 3
    assert max(count for _, count in rig.agent.batches) <= 5
    assert len(rig.agent.sent) == 200
    await rig.stop()


async def test_two_workers_share_one_queue_and_send_everything_once(database: Database) -> None:
    rigs = [Rig(database, make_settings(claim=20), number) for number in (1, 2)]
    accepted = [await rigs[0].accept(*[f"{n}.{m}@dest{m}.test" for n in range(20)]) for m in range(15)]
    for rig in rigs:
        await rig.start()
    for one in accepted:
        await rigs[0].becomes(one, *[DeliveryState.DELIVERED] * 20)
    sent = [transmission.recipient for rig in rigs for transmission in rig.agent.sent]
    assert sorted(sent) == sorted(one.recipient for message in accepted for one in message.deliveries)
    assert all(rig.agent.sent for rig in rigs)
    for rig in rigs:
        await rig.stop()


@pytest.mark.parametrize(
    ("roles", "silent_for_ms"), [(("command",), 0), (("delivery",), 61_000)], ids=["command", "silent"]
)
async def test_who_delivers_nothing_has_no_share_in_the_limits(
    database: Database, roles: tuple[str, ...], silent_for_ms: int
) -> None:
    rig = Rig(database, make_settings(sessions_per_site=1, first_sessions=1))
    for _ in range(20):
        now = now_ms() - silent_for_ms
        await database.write(workers.lease, node="other", pid=1, pools=("default",), roles=roles, now=now)
    await rig.engine._sites.share()
    await rig.start()

    accepted = [await rig.accept(f"a@dest{number}.test") for number in range(10)]

    for one in accepted:
        await rig.becomes(one, DeliveryState.DELIVERED)
    await rig.stop()


async def _is(value: bool) -> bool:
    return value

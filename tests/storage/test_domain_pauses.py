"""Pauses of sending domains, by hand and by upkeep, on each engine."""

import asyncio

import msgspec
import pytest

from postroad.accounts.admin_notices import AdminNotices
from postroad.domains.pause_watch import PauseWatch
from postroad.model.actor import SYSTEM
from postroad.model.audit import AuditEntry, entry_of
from postroad.model.domain import DomainSettings, DomainState, SendingDomain
from postroad.model.event import EventType
from postroad.model.user import Membership, Role, User
from postroad.policy.pause import Tally
from postroad.storage import accounts, audit, counters, domain_pauses, domains, memberships, revision, users
from postroad.storage.audit import AuditSelector
from postroad.storage.database import Database
from postroad.storage.rows import HOUR_MS
from postroad.storage.secrets import Vault
from postroad.upkeep.pulse import Pulse
from postroad.upkeep.rounds import Upkeep
from postroad.upkeep.settings import RetentionSettings
from tests.storage.samples import NOW, accepted, event_of

NAME = "news.example.com"
VAULT = Vault(bytes(32))
ASKS = DomainSettings(pause_bounce_percent=10, pause_after_messages=10)


class Outbox:
    def __init__(self) -> None:
        self.sent: list[tuple[str, str, str]] = []

    async def send(self, *, to: str, subject: str, text: str) -> bool:
        self.sent.append((to, subject, text))
        return True


class CountingMeter:
    def __init__(self) -> None:
        self.rows: list[tuple[str, int]] = []

    def upkeep_done(self, task: str, rows: int) -> None:
        self.rows.append((task, rows))


class ManualClock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> int:
        return self.now


@pytest.fixture
async def domain(database: Database) -> SendingDomain:
    account = await database.write(accounts.add, "customer", NOW)
    for email, role in (("ann@example.com", Role.ADMIN), ("bob@example.com", Role.USER)):
        person = await database.write(users.add, User(id=0, account_id=account.id, email=email, created_at=1))
        member = Membership(user_id=person.id, account_id=account.id, role=role, created_at=1)
        await database.write(memberships.add, member)
    return await database.write(domains.add, _domain(account.id, NAME, ASKS))


def _domain(account_id: int, name: str, settings: DomainSettings) -> SendingDomain:
    return SendingDomain(
        id=0, account_id=account_id, name=name, state=DomainState.ACTIVE, created_at=NOW, settings=settings
    )


def entry(action: str = "domain.paused", at: int = NOW) -> AuditEntry:
    return entry_of(SYSTEM, action, NAME, at=at, account_id=1)


async def happened(database: Database, domain: SendingDomain, kind: EventType, times: int, at: int = NOW) -> None:
    one = accepted(account_id=domain.account_id, domain_id=domain.id).deliveries[0]
    await database.append_events([event_of(one, kind, at=at, tags=["a"]) for _ in range(times)])


async def actions(database: Database) -> list[str]:
    return [one.action for one in await database.read(audit.search, AuditSelector(), 50)]


async def stored(database: Database, domain: SendingDomain) -> SendingDomain:
    found = await database.read(domains.get, domain.id)
    assert found is not None
    return found


async def test_a_pause_is_stored_once_and_noticed_by_other_nodes(database: Database, domain: SendingDomain) -> None:
    before = await database.read(revision.current)
    made = await asyncio.gather(
        *(database.write(domain_pauses.pause, entry(), domain.id, at=NOW, reason="Too much") for _ in range(5))
    )

    assert sorted(made) == [False] * 4 + [True]
    assert await actions(database) == ["domain.paused"]
    assert await database.read(revision.current) == before + 1
    paused = await stored(database, domain)
    assert paused == msgspec.structs.replace(domain, paused_at=NOW, pause_reason="Too much")


async def test_a_change_of_settings_meanwhile_does_not_end_a_pause(database: Database, domain: SendingDomain) -> None:
    await database.write(domain_pauses.pause, entry(), domain.id, at=NOW, reason="Too much")
    after = msgspec.structs.replace(domain, settings=DomainSettings(test_mode=True))
    await database.write(domains.change, VAULT, domain, after)

    assert (await stored(database, domain)).paused_at == NOW


async def test_resuming_remembers_what_was_counted_in_its_hour(database: Database, domain: SendingDomain) -> None:
    await happened(database, domain, EventType.BOUNCED, 9, at=NOW - HOUR_MS)
    await happened(database, domain, EventType.BOUNCED, 3)
    await happened(database, domain, EventType.DELIVERED, 2)
    await happened(database, domain, EventType.COMPLAINED, 4)
    await database.write(counters.fold, 2)
    at = NOW + 1
    assert not await database.write(domain_pauses.resume, entry("domain.resumed"), domain.id, at=at)
    await database.write(domain_pauses.pause, entry(), domain.id, at=NOW, reason="Too much")
    assert await database.write(domain_pauses.resume, entry("domain.resumed"), domain.id, at=at)

    resumed = await stored(database, domain)
    assert (resumed.paused_at, resumed.pause_reason, resumed.resumed_at) == (None, "", at)
    assert (resumed.delivered_before_resume, resumed.bounced_before_resume) == (2, 3)
    assert resumed.complained_before_resume == 4
    assert await actions(database) == ["domain.resumed", "domain.paused"]


async def test_what_ended_is_told_by_domain_and_hour(database: Database, domain: SendingDomain) -> None:
    other = await database.write(domains.add, _domain(domain.account_id, "other.example.com", ASKS))
    hour = NOW // HOUR_MS
    await happened(database, domain, EventType.BOUNCED, 3)
    await happened(database, domain, EventType.ACCEPTED, 5)
    await happened(database, domain, EventType.DELIVERED, 4, at=NOW - HOUR_MS)
    await happened(database, other, EventType.DELIVERED, 7)
    await happened(database, domain, EventType.COMPLAINED, 2, at=NOW - HOUR_MS)

    assert await database.read(domain_pauses.tallies, [domain.id], hour - 1, hour + 1) == {
        domain.id: {hour: Tally(0, 3), hour - 1: Tally(4, 0, 2)}
    }


async def test_upkeep_pauses_domains_that_bounce_too_much_tells_their_admins_and_counts_anew_once_resumed(
    database: Database, domain: SendingDomain
) -> None:
    silent = await database.write(domains.add, _domain(domain.account_id, "silent.example.com", DomainSettings()))
    good = await database.write(domains.add, _domain(domain.account_id, "good.example.com", ASKS))
    outbox, meter, clock = Outbox(), CountingMeter(), ManualClock()
    watch = PauseWatch(database, AdminNotices(database, outbox))
    upkeep = Upkeep(
        database,
        clock,
        incarnation=1,
        settings=RetentionSettings(),
        pulse=Pulse(clock()),
        meter=meter,
        tasks={"pause_domains": watch.pause_domains},
    )
    await upkeep.round()
    for one, delivered, bounced in ((domain, 5, 4), (silent, 0, 50), (good, 95, 5)):
        await happened(database, one, EventType.DELIVERED, delivered)
        await happened(database, one, EventType.BOUNCED, bounced)
    await upkeep.round()
    assert meter.rows == []

    await happened(database, domain, EventType.BOUNCED, 1)
    await upkeep.round()
    await upkeep.round()

    assert meter.rows == [("pause_domains", 1)]
    paused = await stored(database, domain)
    assert paused.paused_at == NOW
    assert paused.pause_reason.startswith("50.0% of the deliveries of the last 24 hours bounced: 5 of 10")
    [told] = outbox.sent
    assert told[:2] == ("ann@example.com", f"{NAME} is paused: too much of its mail bounced")
    assert paused.pause_reason in told[2]
    [written] = await database.read(audit.search, AuditSelector(action="domain.paused"), 9)
    assert (written.actor_name, written.target, written.account_id, written.after) == (
        "postroad",
        NAME,
        domain.account_id,
        {"reason": paused.pause_reason},
    )
    assert [(await stored(database, one)).paused_at for one in (silent, good)] == [None, None]

    clock.now += 60_000
    await database.write(domain_pauses.resume, entry("domain.resumed"), domain.id, at=clock.now)
    await happened(database, domain, EventType.BOUNCED, 9, at=clock.now)
    await upkeep.round()
    assert (await stored(database, domain)).paused_at is None
    await happened(database, domain, EventType.BOUNCED, 1, at=clock.now)
    await upkeep.round()
    assert (await stored(database, domain)).paused_at == clock.now
    assert len(outbox.sent) == 2


async def test_upkeep_pauses_domains_that_recipients_complain_of_and_counts_anew_once_resumed(
    database: Database, domain: SendingDomain
) -> None:
    asks = DomainSettings(pause_complaint_percent=0.3, pause_after_messages=1_000)
    domain = await database.write(domains.add, _domain(domain.account_id, "sale.example.com", asks))
    outbox = Outbox()
    watch = PauseWatch(database, AdminNotices(database, outbox))
    await happened(database, domain, EventType.DELIVERED, 1_000)
    await happened(database, domain, EventType.COMPLAINED, 3)
    assert await watch.pause_domains(database, NOW, None) == 0

    await happened(database, domain, EventType.COMPLAINED, 1)
    assert await watch.pause_domains(database, NOW, None) == 1

    paused = await stored(database, domain)
    assert paused.pause_reason.startswith("Recipients complained 4 times in the last 24 hours")
    assert "0.40%, more than the 0.3% that the domain allows" in paused.pause_reason
    [(to, subject, text)] = outbox.sent
    assert (to, subject) == (
        "ann@example.com",
        "sale.example.com is paused: too many recipients complained of its mail",
    )
    assert paused.pause_reason in text
    assert "postroad events search --type complained" in text

    later = NOW + 60_000
    await database.write(domain_pauses.resume, entry("domain.resumed"), domain.id, at=later)
    await happened(database, domain, EventType.DELIVERED, 999, at=later)
    await happened(database, domain, EventType.COMPLAINED, 5, at=later)
    assert await watch.pause_domains(database, later, None) == 0
    await happened(database, domain, EventType.DELIVERED, 1, at=later)
    assert await watch.pause_domains(database, later, None) == 1


async def test_two_workers_that_both_do_upkeep_pause_and_tell_once(database: Database, domain: SendingDomain) -> None:
    await happened(database, domain, EventType.BOUNCED, 20)
    outbox = Outbox()
    watches = [PauseWatch(database, AdminNotices(database, outbox)) for _ in range(2)]

    paused = await asyncio.gather(*(watch.pause_domains(database, NOW, None) for watch in watches))

    assert sorted(paused) == [0, 1]
    assert len(outbox.sent) == 1
    assert await actions(database) == ["domain.paused"]

"""Mail that Postroad writes itself goes the way of all mail: admitted, stored, queued; or it says why not, and no more."""

import email
import email.policy
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import structlog.testing

from postroad.model.domain import DomainState, SendingDomain
from postroad.model.ids import IdSource
from postroad.net.clock import now_ms
from postroad.node.notices import MailedNotices
from postroad.policy.admission import AdmissionFacts
from postroad.protocol.smtp.data import Fault
from postroad.storage import accounts, bodies, domains
from postroad.storage.database import Database
from postroad.storage.engine import open_database
from postroad.submission.accept import Submissions
from postroad.submission.settings import SubmissionSettings
from tests.storage.samples import claim

LINK = "https://mail.example.com/reset#" + "s3cret" * 12


class Uncounted:
    def accepted(self, channel: str, recipients: int, duration_ms: float) -> None:
        assert channel == "notice"

    def rejected(self, rule: str) -> None:
        pass


class StoredDomains:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def get(self, domain_id: int) -> SendingDomain | None:
        return await self._database.read(domains.get, domain_id)


def facts_for(domain: SendingDomain, message_id: int, now: int, faults: Fault | None) -> AdmissionFacts:
    return AdmissionFacts(
        domain=domain,
        hostname="mail.example.com",
        message_id=message_id,
        now=now,
        identifier_key=bytes(32),
        organisational_domain_of=lambda _: "example.com",
    )


@pytest.fixture
async def database(migrated_file: Path, tmp_path: Path) -> AsyncIterator[Database]:
    shutil.copy(migrated_file, tmp_path)
    opened = await open_database("", data_dir=tmp_path, clock=now_ms, read_connections=1)
    yield opened
    await opened.close()


async def notices_from(database: Database, sender: str, state: DomainState = DomainState.ACTIVE) -> MailedNotices:
    account = await database.write(accounts.add, "acme", 1)
    wanted = SendingDomain(id=0, account_id=account.id, name="news.example.com", state=state, created_at=1)
    await database.write(domains.add, wanted)
    submissions = Submissions(
        database=database,
        domains=StoredDomains(database),
        ready=None,
        ids=IdSource(1),
        clock=now_ms,
        meter=Uncounted(),
        facts_for=facts_for,
        settings=SubmissionSettings(),
    )
    return MailedNotices(database, submissions, sender, now_ms)


async def queued(database: Database) -> list[Any]:
    leased = await database.claim(claim(limit=10, now=now_ms()))
    contents = await database.read(bodies.read_many, [one.message_id for one in leased])
    return [(one, contents[one.message_id]) for one in leased]


async def test_a_notice_is_a_plain_message_from_the_installations_address(database: Database) -> None:
    notices = await notices_from(database, "Noreply@news.example.com")

    assert await notices.send(to="ada@acme.example", subject="Gruß\r\nBcc: x@y.example", text=f"Open this:\n\n{LINK}\n")

    ((delivery, content),) = await queued(database)
    assert delivery.recipient == "ada@acme.example"
    message = email.message_from_bytes(content, policy=email.policy.default)
    assert message["From"] == "Postroad <Noreply@news.example.com>"
    assert (message["Subject"], message["Bcc"]) == ("Gruß Bcc: x@y.example", None)
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["Date"]
    assert message.get_content().split() == ["Open", "this:", LINK]


@pytest.mark.parametrize(
    ("sender", "state", "why"),
    [
        ("", DomainState.ACTIVE, "is not set"),
        ("noreply@other.example", DomainState.ACTIVE, "is not a sending domain of this installation"),
        ("noreply@news.example.com", DomainState.UNVERIFIED, "is not verified"),
        ("noreply", DomainState.ACTIVE, "local@domain"),
    ],
)
async def test_what_cannot_be_sent_is_logged_without_its_text(
    database: Database, sender: str, state: DomainState, why: str
) -> None:
    notices = await notices_from(database, sender, state)

    with structlog.testing.capture_logs() as logs:
        assert not await notices.send(to="ada@acme.example", subject="Set your password", text=LINK)

    (line,) = [one for one in logs if one["event"] == "notice_not_sent"]
    assert why in line["why"]
    assert "s3cret" not in repr(logs)
    assert await queued(database) == []


async def test_an_address_that_is_none_fails_nobody(database: Database) -> None:
    notices = await notices_from(database, "noreply@news.example.com")

    assert not await notices.send(to="not an address", subject="Hello", text="Hello")

"""Clients that repeat what was refused are noticed, told of and slowed down, on both engines; others feel nothing."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from structlog.testing import capture_logs

from postroad.model.client_fault import FaultKind
from postroad.model.credential import CredentialKind, Principal
from postroad.model.envelope import Envelope, Recipient
from postroad.model.submission import ClientFacts, Rejected, Submission
from postroad.policy.repetition import PATIENCE
from postroad.protocol.mime.header import split
from postroad.storage import client_faults
from postroad.storage.database import Database
from postroad.storage.engine import open_database
from postroad.submission.repetitions import Repetitions
from tests.storage.samples import DAY, NOW, Place

FOR_GOOD = Rejected("header_from_not_aligned", "5.7.1", "No.")
FOR_NOW = Rejected("hourly_limit", "4.7.1", "Later.")


class Watch:
    """Repetitions with a clock of its own, which note how long they held replies back."""

    def __init__(self, database: Database) -> None:
        self.database, self.now = database, NOW
        self.pauses: list[float] = []
        self.counts: list[str] = []
        self.repetitions = Repetitions(database, lambda: self.now, self)

    def repeated(self, kind: str) -> None:
        self.counts.append(kind)

    async def submit(self, refused: Rejected | None, **facts: Any) -> None:
        submission = message(**facts)
        if self.repetitions.concerns(submission, is_refused=refused is not None):
            held_s = await self.repetitions.note(submission, refused)
            if held_s:
                self.pauses.append(held_s)

    async def faults(self, credential_id: int = 5) -> list[tuple[FaultKind, int]]:
        await self.repetitions.write()
        found = await self.database.read(client_faults.of_credentials, [credential_id])
        return [(one.kind, one.count) for one in found]


def message(
    subject: str = "Menu",
    body: str = "Soup.",
    date: str = "Mon, 1 Jan 2026 00:00:00 +0000",
    recipient: str = "you@example.net",
    credential_id: int = 5,
    *,
    kind: CredentialKind = CredentialKind.PASSWORD,
) -> Submission:
    text = f"Date: {date}\r\nFrom: a@news.example\r\nSubject: {subject}\r\nMessage-ID: <{date}@x>\r\n\r\n{body}\r\n"
    content = text.encode()
    principal = Principal(
        account_id=1,
        domain_id=1,
        sending_domain="news.example",
        credential_id=credential_id,
        username="app@news.example",
        kind=kind,
    )
    return Submission(
        principal=principal,
        envelope=Envelope("a@news.example", (Recipient(recipient, recipient.partition("@")[2]),)),
        content=content,
        block=split(content),
        received_at=NOW,
        client=ClientFacts(address="192.0.2.1", protocol="ESMTPSA", channel="smtp"),
    )


@pytest.fixture
async def watch(place: Place) -> AsyncIterator[Watch]:
    database = await open_database(place.url, data_dir=place.data_dir, clock=lambda: NOW)
    yield Watch(database)
    await database.close()


async def test_api_keys_are_not_taken_for_the_smtp_users_with_their_numbers(watch: Watch) -> None:
    for _ in range(3):
        await watch.submit(FOR_GOOD, kind=CredentialKind.API_KEY)

    assert (await watch.faults(), watch.pauses) == ([], [])


async def test_the_same_message_again_is_counted_whatever_its_date_and_another_is_not(watch: Watch) -> None:
    await watch.submit(FOR_GOOD)
    await watch.submit(FOR_GOOD, subject="Bill")
    await watch.submit(FOR_GOOD, body="Bread.")
    await watch.submit(FOR_GOOD, recipient="they@example.net")
    await watch.submit(FOR_GOOD, credential_id=6)
    assert await watch.faults() == []

    watch.now += 3_600_000
    await watch.submit(FOR_GOOD, date="Tue, 2 Jan 2026 00:00:00 +0000")
    await watch.submit(FOR_GOOD)
    assert await watch.faults() == [(FaultKind.AFTER_REFUSAL, 2)]
    assert await watch.faults(6) == []
    assert watch.counts == ["after_refusal", "after_refusal"]
    (told,) = await watch.database.read(client_faults.of_credentials, [5])
    assert (told.subject, told.recipient, told.reply) == ("Menu", "you@example.net", "5.7.1 No.")
    assert (told.first_at, told.last_at, told.account_id) == (watch.now, watch.now, 1)


async def test_a_minute_after_4xx_is_soon_enough_and_before_it_is_not_even_where_it_is_accepted(watch: Watch) -> None:
    await watch.submit(FOR_NOW)
    watch.now += 60_000
    await watch.submit(FOR_NOW)
    assert await watch.faults() == []
    watch.now += 59_999
    await watch.submit(None)
    assert await watch.faults() == [(FaultKind.TOO_SOON, 1)]
    await watch.submit(None)
    assert await watch.faults() == [(FaultKind.TOO_SOON, 1)]


async def test_only_repeats_are_held_back_and_only_when_they_do_not_stop(watch: Watch) -> None:
    for _ in range(PATIENCE + 1):
        await watch.submit(FOR_GOOD)
    assert watch.pauses == []
    await watch.submit(FOR_GOOD)
    await watch.submit(FOR_GOOD)
    assert watch.pauses == [1.0, 2.0]
    await watch.submit(FOR_GOOD, subject="Another")
    await watch.submit(None, subject="Good")
    assert watch.pauses == [1.0, 2.0]


async def test_odd_text_is_stored(watch: Watch) -> None:
    await watch.submit(FOR_GOOD, subject="odd \0 text")
    await watch.submit(FOR_GOOD, subject="odd \0 text")
    assert await watch.faults() == [(FaultKind.AFTER_REFUSAL, 1)]


async def test_a_long_queue_that_is_repeated_in_its_order_is_noticed(watch: Watch) -> None:
    for _ in range(2):
        for number in range(300):
            await watch.submit(FOR_GOOD, subject=f"number {number}")
    assert await watch.faults() == [(FaultKind.AFTER_REFUSAL, 300)]


async def test_repeats_are_logged_once_when_they_are_written_with_their_number(watch: Watch) -> None:
    with capture_logs() as logs:
        for _ in range(4):
            await watch.submit(FOR_GOOD)
            await watch.submit(FOR_NOW, credential_id=6)
        assert logs == []
        await watch.repetitions.write()
        await watch.repetitions.write()
    told = [(one["username"], one["kind"], one["count"]) for one in logs if one["event"] == "client_repeats"]
    assert told == [("app@news.example", "after_refusal", 3), ("app@news.example", "too_soon", 3)]


async def test_a_message_that_is_accepted_after_5xx_is_no_fault_whatever_else_was_put_off(watch: Watch) -> None:
    await watch.submit(FOR_GOOD)
    await watch.submit(FOR_NOW, subject="Bill")
    await watch.submit(None)
    assert await watch.faults() == []


async def test_what_has_not_happened_for_a_while_is_forgotten(watch: Watch) -> None:
    await watch.submit(FOR_GOOD)
    await watch.submit(FOR_GOOD)
    assert len(await watch.faults()) == 1
    assert await watch.database.write(client_faults.delete_before, NOW, 10) == 0
    assert await watch.database.write(client_faults.delete_before, NOW + DAY, 10) == 1
    assert await watch.faults() == []

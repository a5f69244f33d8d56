"""Messages of a sender with a limit: taken whole or not at all, and given back where they could not be kept."""

from typing import Any

import msgspec
import pytest

from postroad.model.credential import CredentialKind, Principal
from postroad.model.domain import DomainSettings, DomainState, SendingDomain
from postroad.model.envelope import Envelope, Recipient
from postroad.model.event import EventType
from postroad.model.ids import IdSource
from postroad.model.options import NO_OPTIONS, Options
from postroad.model.submission import ClientFacts, Rejected, Submission
from postroad.policy.admission import AdmissionFacts
from postroad.policy.quota import demands_of
from postroad.protocol.smtp.data import Fault
from postroad.storage import messages, quotas
from postroad.storage.database import Database
from postroad.storage.errors import StorageUnavailable
from postroad.submission.accept import Submissions
from postroad.submission.batch import Receipt
from postroad.submission.repetitions import Repetitions
from postroad.submission.settings import SubmissionSettings
from tests.storage.samples import NOW

DOMAIN = SendingDomain(id=2, account_id=1, name="news.example.com", state=DomainState.ACTIVE, created_at=1)
LIMITED = Principal(
    1, 2, DOMAIN.name, 3, "app@news.example.com", CredentialKind.PASSWORD, hourly_limit=5, daily_limit=8
)
CONTENT = b"From: a@news.example.com\r\nSubject: Hello\r\n\r\nHello\r\n"
HOUR_MS = 3_600_000


class Domains:
    def __init__(self) -> None:
        self.domain = DOMAIN

    async def get(self, domain_id: int) -> SendingDomain | None:
        return self.domain


class Meter:
    def __init__(self) -> None:
        self.refused: list[str] = []

    def accepted(self, channel: str, recipients: int, duration_ms: float) -> None:
        """Count nothing."""

    def rejected(self, rule: str) -> None:
        self.refused.append(rule)

    def repeated(self, kind: str) -> None:
        """Count nothing."""


class Door:
    """Submissions at a clock that a test moves."""

    def __init__(self, database: Database, worker: int = 1) -> None:
        self.now = NOW
        self.meter = Meter()
        self.domains = Domains()
        self._database = database
        self._ids = IdSource(worker)
        self.submissions = self._made(None)

    def watch(self, repetitions: Repetitions | None) -> None:
        """Begin anew with a watch over repeats."""
        self.submissions = self._made(repetitions)

    async def submit(
        self,
        recipients: int,
        principal: Principal = LIMITED,
        content: bytes = CONTENT,
        *,
        envelope: Envelope | None = None,
        options: Options = NO_OPTIONS,
    ) -> Receipt | Rejected:
        named = tuple(Recipient(f"u{n}@example.net", "example.net") for n in range(recipients))
        offered = Submission(
            principal=principal,
            envelope=envelope or Envelope("a@news.example.com", named),
            content=content,
            received_at=self.now,
            client=ClientFacts(address="192.0.2.7"),
            options=options,
        )
        return await self.submissions.submit(offered)

    def _made(self, repetitions: Repetitions | None) -> Submissions:
        return Submissions(
            database=self._database,
            domains=self.domains,
            ready=None,
            ids=self._ids,
            clock=lambda: self.now,
            meter=self.meter,
            facts_for=self._facts,
            settings=SubmissionSettings(),
            repetitions=repetitions,
        )

    def _facts(self, domain: SendingDomain, message_id: int, now: int, faults: Fault | None) -> AdmissionFacts:
        return AdmissionFacts(
            domain=domain,
            hostname="mail.example.org",
            message_id=message_id,
            now=now,
            identifier_key=b"k" * 32,
            organisational_domain_of=lambda name: name,
        )


@pytest.fixture
def door(database: Database) -> Door:
    return Door(database)


async def used(database: Database, door: Door) -> list[int]:
    return await database.read(quotas.used, demands_of(LIMITED, door.domains.domain, door.now))


async def rule_of(result: Receipt | Rejected) -> str:
    return result.rule if isinstance(result, Rejected) else ""


async def test_recipients_are_counted_and_a_message_over_the_limit_is_refused_whole(
    database: Database, door: Door
) -> None:
    rules = [await rule_of(await door.submit(count)) for count in (3, 3, 2, 1)]

    assert rules == ["", "hourly_limit", "", "hourly_limit"]
    assert await used(database, door) == [5, 5]
    assert door.meter.refused == ["hourly_limit", "hourly_limit"]


async def test_the_next_hour_goes_on_until_the_day_is_full(database: Database, door: Door) -> None:
    first = [await rule_of(await door.submit(5))]
    door.now += HOUR_MS
    rules = first + [await rule_of(await door.submit(count)) for count in (3, 1)]

    assert rules == ["", "", "daily_limit"]
    assert await used(database, door) == [3, 8]


async def test_who_has_no_limit_leaves_no_row(database: Database, door: Door) -> None:
    free = msgspec.structs.replace(LIMITED, hourly_limit=None, daily_limit=None)

    assert isinstance(await door.submit(50, free), Receipt)
    assert await used(database, door) == [0, 0]


async def test_a_message_refused_for_its_content_counts_for_nothing(database: Database, door: Door) -> None:
    result = await door.submit(2, content=CONTENT.replace(b"a@news.example.com", b"a@else.example"))

    assert await rule_of(result) == "header_from_not_aligned"
    assert await used(database, door) == [0, 0]


async def test_what_could_not_be_stored_is_given_back(
    database: Database, door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def failing(accepted: Any) -> None:
        raise StorageUnavailable("disk full")

    with monkeypatch.context() as broken:
        broken.setattr(database, "accept", failing)
        with pytest.raises(StorageUnavailable):
            await door.submit(4)

    assert await used(database, door) == [0, 0]
    assert isinstance(await door.submit(5), Receipt)


async def test_a_domains_quota_is_one_for_all_its_users(database: Database, door: Door) -> None:
    door.domains.domain = msgspec.structs.replace(DOMAIN, settings=DomainSettings(hourly_quota=4, daily_quota=20))
    another = msgspec.structs.replace(LIMITED, credential_id=4, hourly_limit=None, daily_limit=None)
    rules = [await rule_of(await door.submit(*asked)) for asked in ((3,), (2, another), (1, another), (1,))]

    assert rules == ["", "hourly_quota", "", "hourly_quota"]
    # What the domain had no room for does not count against the user either.
    assert await used(database, door) == [3, 3, 4, 4]
    door.now += HOUR_MS
    assert isinstance(await door.submit(4, another), Receipt)


async def test_a_domains_quota_is_given_back_where_storing_fails(
    database: Database, door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def failing(accepted: Any) -> None:
        raise StorageUnavailable("disk full")

    door.domains.domain = msgspec.structs.replace(DOMAIN, settings=DomainSettings(daily_quota=4))
    with monkeypatch.context() as broken:
        broken.setattr(database, "accept", failing)
        with pytest.raises(StorageUnavailable):
            await door.submit(4)

    assert await used(database, door) == [0, 0, 0]
    assert isinstance(await door.submit(4), Receipt)


async def test_what_was_stored_is_answered_for_whatever_the_watch_over_repeats_meets(
    database: Database, door: Door
) -> None:
    class Broken(Repetitions):
        def concerns(self, submission: Submission, *, is_refused: bool) -> bool:
            return True

        async def note(self, submission: Submission, refused: Rejected | None) -> float:
            raise RuntimeError("broken")

    door.watch(Broken(database, lambda: NOW, door.meter))

    assert isinstance(await door.submit(1), Receipt)
    assert await rule_of(await door.submit(9)) == "recipients_over_limit"


async def test_who_goes_on_repeating_is_told_later_and_an_accepted_message_never_waits(
    database: Database, door: Door
) -> None:
    door.watch(Repetitions(database, lambda: door.now, door.meter))
    refused = [await door.submit(9) for _ in range(8)]

    assert [one.hold_s for one in refused if isinstance(one, Rejected)] == [0.0] * 6 + [1.0, 2.0]
    assert isinstance(await door.submit(1), Receipt)


OWN_ID = b"Message-ID: <1@news.example.com>\r\n" + CONTENT


async def test_a_repeat_at_a_full_limit_is_answered_with_the_first_and_takes_nothing(
    database: Database, door: Door
) -> None:
    first = await door.submit(5, content=OWN_ID)

    assert isinstance(first, Receipt)
    assert await door.submit(5, content=OWN_ID) == first
    assert await door.submit(2, content=OWN_ID) == first
    assert await used(database, door) == [5, 5]
    assert await rule_of(await door.submit(1)) == "hourly_limit"


async def test_of_a_message_that_repeats_in_part_only_the_new_recipients_are_counted(
    database: Database, door: Door
) -> None:
    first = await door.submit(3, content=OWN_ID)
    more = await door.submit(5, content=OWN_ID)
    too_many = await door.submit(6, LIMITED, OWN_ID)

    assert isinstance(first, Receipt)
    assert isinstance(more, Receipt)
    assert more != first
    assert isinstance(too_many, Rejected)
    assert "and 1 more is too many now" in too_many.text
    assert await used(database, door) == [5, 5]


async def test_a_repeat_under_a_key_of_another_content_is_refused_at_a_full_limit_too(door: Door) -> None:
    keyed = msgspec.structs.replace(NO_OPTIONS, idempotency_key="order-1")
    assert isinstance(await door.submit(5, options=keyed), Receipt)

    assert await rule_of(await door.submit(5, content=CONTENT + b"more\r\n", options=keyed)) == "idempotency_key_reused"


async def test_a_repeat_of_what_a_domain_sent_before_its_pause_is_no_new_mail(door: Door) -> None:
    first = await door.submit(2, content=OWN_ID)
    door.domains.domain = msgspec.structs.replace(DOMAIN, paused_at=NOW)

    assert isinstance(first, Receipt)
    assert await door.submit(2, content=OWN_ID) == first
    assert await rule_of(await door.submit(3, content=OWN_ID)) == "domain_paused"
    assert await rule_of(await door.submit(2)) == "domain_paused"


async def test_the_values_of_a_recipient_are_found_however_its_address_is_quoted(
    database: Database, door: Door
) -> None:
    envelope = Envelope("a@news.example.com", (Recipient('"ann"@example.net', "example.net"),))
    variables = {"ann@example.net": {"name": "Ann"}}
    result = await door.submit(0, envelope=envelope, options=Options(recipient_variables=variables))

    assert isinstance(result, Receipt)
    story = await database.read(messages.show, result.message_id)
    assert story is not None
    assert [one.options.variables for one in story.deliveries] == [{"name": "Ann"}]
    edits = next(one.data["edits"] for one in story.events if one.type is EventType.ACCEPTED)
    assert [one for one in edits if "no recipient" in one] == []


async def test_a_recipient_that_is_named_twice_gets_one_copy(database: Database, door: Door) -> None:
    envelope = Envelope(
        "a@news.example.com",
        tuple(
            Recipient(path, "example.net")
            for path in ("Ann@example.net", "b@example.net", "ann@example.net", '"ann"@example.net')
        ),
    )
    variables = {"ann@example.net": {"name": "Ann"}, "b@example.net": {"name": "B"}}
    result = await door.submit(0, envelope=envelope, options=Options(recipient_variables=variables))

    assert isinstance(result, Receipt)
    story = await database.read(messages.show, result.message_id)
    assert story is not None
    assert [one.options.variables for one in story.deliveries] == [{"name": "Ann"}, {"name": "B"}]
    assert [one.recipient for one in story.deliveries] == ["Ann@example.net", "b@example.net"]
    assert story.message.recipient_count == 2
    edits = next(one.data["edits"] for one in story.events if one.type is EventType.ACCEPTED)
    assert "recipients named again and left out: 2" in edits
    assert await used(database, door) == [2, 2]

"""What needs attention is said once, in a sentence, the worst first."""

import msgspec
import pytest

from postroad.model.domain import DomainState, SendingDomain
from postroad.policy.attention import AttentionFacts, DeadWebhook, Note, Place, Severity, first_steps, notes

NOW = 1_800_000_000_000
HOUR = 3_600_000


def _domain(state: DomainState = DomainState.ACTIVE, failing_since: int | None = None) -> SendingDomain:
    return SendingDomain(
        id=1, account_id=1, name="news.example.com", state=state, created_at=0, failing_since=failing_since
    )


def test_a_paused_domain_is_the_worst_news_and_says_why() -> None:
    paused = msgspec.structs.replace(_domain(), paused_at=NOW, pause_reason="Half of it bounced.")

    assert _notes(domains=(paused,)) == [
        Note(
            severity=Severity.BAD,
            sentence="news.example.com is paused: its new mail is put off. Half of it bounced.",
            place=Place.DOMAIN,
            subject="news.example.com",
        )
    ]


def _notes(**facts: object) -> list[Note]:
    return notes(AttentionFacts(now=NOW, has_smtp_user=True, **facts))  # type: ignore[arg-type]


def test_an_account_in_order_needs_nothing() -> None:
    assert _notes(domains=(_domain(),), delivered=5_000, bounced=20, oldest_waiting_at=NOW - HOUR) == []


@pytest.mark.parametrize(
    ("domain", "severity", "sentence"),
    [
        (_domain(failing_since=NOW - 3 * HOUR), Severity.BAD, "have been missing or different for 3 hours"),
        (_domain(DomainState.UNVERIFIED), Severity.WARN, "is not verified"),
        (_domain(DomainState.DISABLED), Severity.WARN, "is disabled"),
        (_domain(DomainState.REJECTED), Severity.WARN, "was rejected"),
        (_domain(DomainState.VETTING), Severity.HINT, "waits for the operator"),
    ],
)
def test_a_domain_that_cannot_send_well_is_named(domain: SendingDomain, severity: Severity, sentence: str) -> None:
    [note] = _notes(domains=(domain,))

    assert (note.severity, note.place, note.subject) == (severity, Place.DOMAIN, "news.example.com")
    assert sentence in note.sentence
    assert "news.example.com" in note.sentence


@pytest.mark.parametrize(
    ("delivered", "bounced", "is_told"), [(95, 5, False), (94, 6, True), (93, 6, False), (9_400, 600, True)]
)
def test_many_bounces_are_told_where_they_mean_something(delivered: int, bounced: int, is_told: bool) -> None:
    found = _notes(delivered=delivered, bounced=bounced)

    assert [note.place for note in found] == ([Place.BOUNCES] if is_told else [])


def test_a_share_of_bounces_is_told_with_its_numbers() -> None:
    [note] = _notes(delivered=8_800, bounced=1_200)

    assert note.sentence == "12% of the last 24 hours' deliveries bounced: 1,200 of 10,000."


def test_an_old_queue_is_told() -> None:
    assert _notes(oldest_waiting_at=NOW - HOUR) == []
    [note] = _notes(oldest_waiting_at=NOW - 2 * HOUR)
    assert note.sentence == "The oldest message in the queue has waited for 2 hours."


def test_a_certificate_is_told_before_it_ends() -> None:
    assert _notes(certificate_ends_at=NOW + 15 * 24 * HOUR) == []
    [soon] = _notes(certificate_ends_at=NOW + 13 * 24 * HOUR)
    [ended] = _notes(certificate_ends_at=NOW)
    assert (soon.severity, ended.severity) == (Severity.WARN, Severity.BAD)
    assert soon.sentence == "The certificate ends in 13 days."


def test_locked_users_and_waiting_names_are_named_up_to_a_few() -> None:
    [one] = _notes(locked=("app@a.example",))
    [many] = _notes(locked=("a", "b", "c", "d"))
    [waiting] = _notes(waiting_for_vetting=("a.example", "b.example"))

    assert one.sentence == "app@a.example is locked after failed log-ins."
    assert many.sentence == "a, b and 2 more are locked after failed log-ins."
    assert waiting.sentence == "a.example and b.example wait for your decision."


def test_an_active_domain_without_a_user_is_told() -> None:
    without = AttentionFacts(now=NOW, domains=(_domain(),))

    assert [note.place for note in notes(without)] == [Place.SMTP_USERS]
    assert notes(AttentionFacts(now=NOW)) == []


def test_the_worst_comes_first() -> None:
    found = notes(
        AttentionFacts(
            now=NOW,
            domains=(_domain(), _domain(DomainState.UNVERIFIED)),
            delivered=50,
            bounced=50,
            oldest_waiting_at=NOW - 2 * HOUR,
        )
    )

    assert [note.severity.value for note in found] == ["bad", "warn", "warn", "hint"]


def test_the_first_steps_are_done_one_by_one() -> None:
    def done(**facts: object) -> list[bool]:
        return [step.is_done for step in first_steps(AttentionFacts(now=NOW, **facts))]  # type: ignore[arg-type]

    assert done() == [False] * 4
    assert done(domains=(_domain(DomainState.UNVERIFIED),)) == [True, False, False, False]
    assert done(domains=(_domain(),), has_smtp_user=True) == [True, True, True, False]
    assert done(domains=(_domain(),), has_smtp_user=True, has_accepted=True) == [True] * 4


@pytest.mark.parametrize(
    ("delivered", "complained", "is_told"), [(1_000, 3, False), (1_000, 4, True), (99, 50, False), (0, 1, False)]
)
def test_many_complaints_are_told_where_they_mean_something(delivered: int, complained: int, is_told: bool) -> None:
    found = _notes(delivered=delivered, complained=complained)

    assert [note.place for note in found] == ([Place.COMPLAINTS] if is_told else [])


def test_a_share_of_complaints_is_told_with_its_numbers() -> None:
    [note] = _notes(delivered=8_000, complained=1_200)

    assert note.sentence == (
        "Recipients complained of 1,200 messages in the last 24 hours, in which 8,000 were delivered: 15.00%."
    )


def test_addresses_that_take_no_calls_are_named_but_not_all() -> None:
    dead = [DeadWebhook(one, f"https://h{one}.example/", NOW - 2 * HOUR, "it answered 500") for one in range(1, 6)]

    found = _notes(dead_webhooks=tuple(dead))

    assert found[0] == Note(
        severity=Severity.BAD,
        sentence="https://h1.example/ has taken no calls for 2 hours: it answered 500.",
        place=Place.WEBHOOK,
        subject="1",
    )
    assert [one.sentence for one in found[3:]] == ["2 more webhooks take no calls."]
    assert [one.sentence for one in _notes(dead_webhooks=tuple(dead[:4]))[3:]] == ["1 more webhook takes no calls."]

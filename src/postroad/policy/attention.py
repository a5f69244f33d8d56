"""What needs somebody's attention, and the first steps of an account that is new."""

import enum
from collections.abc import Iterator

import msgspec

from postroad.model.domain import DomainState, SendingDomain

_HOUR_MS = 3_600_000
_DAY_MS = 24 * _HOUR_MS
FEWEST_FOR_A_RATE = 100
"""Deliveries that ended, below which a share of bounces says nothing."""
BOUNCES_ARE_MANY_FROM = 0.05
"""Large mailbox providers begin to put a sender's mail off at about this share of unknown recipients."""
COMPLAINTS_ARE_MANY_FROM = 0.003
"""Gmail and Yahoo ask senders to stay below this share."""
_OLD_QUEUE_MS = _HOUR_MS
_MOST_WEBHOOKS = 3
"""That are named one by one."""
_CERTIFICATE_ENDS_SOON_MS = 14 * _DAY_MS


class Severity(enum.Enum):
    """How much a note matters."""

    BAD = "bad"
    """Mail suffers now."""
    WARN = "warn"
    """Mail will suffer, or somebody's does."""
    HINT = "hint"


class Place(enum.Enum):
    """Where something can be done about a note."""

    DOMAINS = "domains"
    DOMAIN = "domain"
    """The domain that is the note's subject."""
    VETTING = "vetting"
    SMTP_USERS = "smtp-users"
    LOCKOUTS = "lockouts"
    BOUNCES = "bounces"
    COMPLAINTS = "complaints"
    DEFERRED = "deferred"
    CERTIFICATE = "certificate"
    WEBHOOK = "webhook"
    """The webhook whose id is the note's subject."""
    WEBHOOKS = "webhooks"


class Note(msgspec.Struct, frozen=True, kw_only=True):
    """One thing to look at."""

    severity: Severity
    sentence: str
    place: Place
    subject: str = ""
    """What it is about, as people name it: a domain."""


class DeadWebhook(msgspec.Struct, frozen=True):
    """An address that the circuit breaker has paused."""

    id: int
    url: str
    since: int
    last_error: str


class AttentionFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What notes are made of."""

    now: int
    domains: tuple[SendingDomain, ...] = ()
    waiting_for_vetting: tuple[str, ...] = ()
    """Names that wait for the operator, of all accounts; only where an operator looks."""
    has_smtp_user: bool = False
    has_accepted: bool = False
    locked: tuple[str, ...] = ()
    """SMTP users that are locked now."""
    repeating: tuple[str, ...] = ()
    """SMTP users whose clients repeat what was refused."""
    delivered: int = 0
    """And did not bounce later."""
    bounced: int = 0
    complained: int = 0
    """All of the last 24 hours."""
    dead_webhooks: tuple[DeadWebhook, ...] = ()
    oldest_waiting_at: int | None = None
    """When the message that has waited longest was accepted."""
    certificate_ends_at: int | None = None
    """Only where an operator looks."""


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One of the first steps of a new account."""

    title: str
    text: str
    place: Place
    is_done: bool


def notes(facts: AttentionFacts) -> list[Note]:
    """Return what needs attention, the worst first."""
    order = list(Severity)
    return sorted(_notes(facts), key=lambda note: order.index(note.severity))


def _notes(facts: AttentionFacts) -> Iterator[Note]:
    for domain in facts.domains:
        yield from _of_domain(domain, facts.now)
    if facts.waiting_for_vetting:
        names = _some(facts.waiting_for_vetting)
        verb = "waits" if len(facts.waiting_for_vetting) == 1 else "wait"
        yield Note(severity=Severity.HINT, sentence=f"{names} {verb} for your decision.", place=Place.VETTING)
    if any(domain.state is DomainState.ACTIVE for domain in facts.domains) and not facts.has_smtp_user:
        sentence = "There is no SMTP user yet: nothing can submit mail."
        yield Note(severity=Severity.HINT, sentence=sentence, place=Place.SMTP_USERS)
    if facts.locked:
        verb = "is" if len(facts.locked) == 1 else "are"
        sentence = f"{_some(facts.locked)} {verb} locked after failed log-ins."
        yield Note(severity=Severity.WARN, sentence=sentence, place=Place.LOCKOUTS)
    if facts.repeating:
        sentence = f"Programs that send as {_some(facts.repeating)} repeat refused messages too soon, or in vain."
        yield Note(severity=Severity.WARN, sentence=sentence, place=Place.SMTP_USERS)
    yield from _of_bounces(facts)
    yield from _of_complaints(facts)
    yield from _of_queue(facts)
    yield from _of_webhooks(facts)
    yield from _of_certificate(facts)


def _of_domain(domain: SendingDomain, now: int) -> Iterator[Note]:
    if domain.paused_at is not None:
        sentence = f"{domain.name} is paused: its new mail is put off. {domain.pause_reason}".rstrip()
        yield Note(severity=Severity.BAD, sentence=sentence, place=Place.DOMAIN, subject=domain.name)
    match domain.state:
        case DomainState.ACTIVE if domain.failing_since is not None:
            since = _length(now - domain.failing_since)
            sentence = f"DNS records of {domain.name} have been missing or different for {since}."
            severity = Severity.BAD
        case DomainState.UNVERIFIED:
            sentence = f"{domain.name} is not verified: publish its DNS records, then verify it."
            severity = Severity.WARN
        case DomainState.DISABLED:
            sentence = f"{domain.name} is disabled: its mail is refused."
            severity = Severity.WARN
        case DomainState.REJECTED:
            sentence = f"{domain.name} was rejected by the operator of this installation."
            severity = Severity.WARN
        case DomainState.VETTING:
            sentence = f"{domain.name} waits for the operator of this installation to approve it."
            severity = Severity.HINT
        case _:
            return
    yield Note(severity=severity, sentence=sentence, place=Place.DOMAIN, subject=domain.name)


def _of_bounces(facts: AttentionFacts) -> Iterator[Note]:
    ended = facts.delivered + facts.bounced
    if ended >= FEWEST_FOR_A_RATE and facts.bounced / ended > BOUNCES_ARE_MANY_FROM:
        share = f"{facts.bounced / ended:.0%}"
        sentence = f"{share} of the last 24 hours' deliveries bounced: {facts.bounced:,} of {ended:,}."
        yield Note(severity=Severity.BAD, sentence=sentence, place=Place.BOUNCES)


def _of_complaints(facts: AttentionFacts) -> Iterator[Note]:
    if facts.delivered >= FEWEST_FOR_A_RATE and facts.complained / facts.delivered > COMPLAINTS_ARE_MANY_FROM:
        sentence = (
            f"Recipients complained of {facts.complained:,} messages in the last 24 hours, in which "
            f"{facts.delivered:,} were delivered: {facts.complained / facts.delivered:.2%}."
        )
        yield Note(severity=Severity.BAD, sentence=sentence, place=Place.COMPLAINTS)


def _of_queue(facts: AttentionFacts) -> Iterator[Note]:
    if facts.oldest_waiting_at is not None and facts.now - facts.oldest_waiting_at > _OLD_QUEUE_MS:
        waits = _length(facts.now - facts.oldest_waiting_at)
        sentence = f"The oldest message in the queue has waited for {waits}."
        yield Note(severity=Severity.WARN, sentence=sentence, place=Place.DEFERRED)


def _of_webhooks(facts: AttentionFacts) -> Iterator[Note]:
    for one in facts.dead_webhooks[:_MOST_WEBHOOKS]:
        since = _length(facts.now - one.since)
        sentence = f"{one.url} has taken no calls for {since}: {one.last_error}."
        yield Note(severity=Severity.BAD, sentence=sentence, place=Place.WEBHOOK, subject=str(one.id))
    more = len(facts.dead_webhooks) - _MOST_WEBHOOKS
    if more > 0:
        sentence = f"{more:,} more {'webhook takes' if more == 1 else 'webhooks take'} no calls."
        yield Note(severity=Severity.BAD, sentence=sentence, place=Place.WEBHOOKS)


def _of_certificate(facts: AttentionFacts) -> Iterator[Note]:
    if facts.certificate_ends_at is None:
        return
    left = facts.certificate_ends_at - facts.now
    if left <= 0:
        sentence = "The certificate has ended: mail programs refuse to connect."
        yield Note(severity=Severity.BAD, sentence=sentence, place=Place.CERTIFICATE)
    elif left < _CERTIFICATE_ENDS_SOON_MS:
        sentence = f"The certificate ends in {_length(left)}."
        yield Note(severity=Severity.WARN, sentence=sentence, place=Place.CERTIFICATE)


def first_steps(facts: AttentionFacts) -> list[Step]:
    """Return the way to the first delivered message, with what is done of it."""
    return [
        Step(
            title="Add a sending domain",
            text="A sub-domain such as news.example.com keeps this mail's reputation apart from your other mail.",
            place=Place.DOMAINS,
            is_done=bool(facts.domains),
        ),
        Step(
            title="Verify it",
            text="Publish the DNS records that its page shows; they are checked by themselves.",
            place=Place.DOMAINS,
            is_done=any(domain.state is DomainState.ACTIVE for domain in facts.domains),
        ),
        Step(
            title="Add an SMTP user",
            text="A name and a password that your application logs in with.",
            place=Place.SMTP_USERS,
            is_done=facts.has_smtp_user,
        ),
        Step(
            title="Send a first message",
            text="It appears here and under Messages within a second.",
            place=Place.SMTP_USERS,
            is_done=facts.has_accepted,
        ),
    ]


def _some(names: tuple[str, ...]) -> str:
    if len(names) <= 2:
        return " and ".join(names)
    return f"{names[0]}, {names[1]} and {len(names) - 2:,} more"


def _length(ms: int) -> str:
    """Return a length of time in its largest unit: ``3 hours``."""
    for unit, length in (("day", _DAY_MS), ("hour", _HOUR_MS), ("minute", 60_000)):
        count = ms // length
        if count:
            return f"{count} {unit}{'' if count == 1 else 's'}"
    return "less than a minute"

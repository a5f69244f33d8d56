"""From an attempt to what is recorded of it: delivered, deferred, bounced."""

from collections.abc import Callable

from bench.micro.scheduler import make_delivery
from postroad.model.attempt import Attempt, FailureKind
from postroad.model.outcome import AttemptFacts, Phase, TlsFacts
from postroad.policy.failure import judge
from postroad.policy.retry import DEFAULT_SCHEDULE
from postroad.policy.settlement import SenderFacts, SettlingFacts, settle

NOW = 1_795_000_000_000
_TLS = TlsFacts(version="TLSv1.3", cipher="TLS_AES_256_GCM_SHA384", certificate_subject="mx.example")


def make_attempt(phase: Phase, code: int, text: str, failure: FailureKind | None) -> Attempt:
    """Make an attempt over TLS."""
    facts = AttemptFacts(
        phase=phase,
        egress_source="default",
        site="mx.example",
        host="mx.example",
        host_address="192.0.2.1",
        tls=_TLS,
        selectors=("pr1._domainkey.news.example",),
        code=code,
        enhanced_status=f"{code // 100}.0.0",
        text=text,
        started_at=NOW - 40,
        duration_ms=40,
    )
    return Attempt(delivery_id=1, facts=facts, failure=failure)


def cases() -> dict[str, Callable[[], object]]:
    """Return the operations to time."""
    delivery = make_delivery(1)
    sender = SenderFacts(reverse_path="app@news.example", is_report=False, mails_bounces=True)
    facts = SettlingFacts(now=NOW, jitter=0.5, event_id=1, schedule=DEFAULT_SCHEDULE)
    attempts = {
        "delivered": make_attempt(Phase.FINAL_DOT, 250, "2.0.0 Ok: queued as 4F2A11", None),
        "deferred": make_attempt(Phase.RCPT, 450, "Greylisted, see https://example.org/greylist", FailureKind.REPLY),
        "bounced": make_attempt(Phase.RCPT, 550, "<a@b.example>: Recipient address rejected", FailureKind.REPLY),
    }

    def settling(attempt: Attempt) -> Callable[[], object]:
        return lambda: settle(delivery, judge(attempt), sender, facts)

    return {f"judge and settle, {name}": settling(attempt) for name, attempt in attempts.items()}

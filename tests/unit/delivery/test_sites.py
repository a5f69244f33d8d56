"""How a site's reception of a batch changes its window."""

import pytest

from postroad.delivery.sites import Reception, Sites
from postroad.model.outcome import AttemptFacts, BounceClass, Bounced, Deferred, Delivered, Outcome, Phase, Scope
from postroad.queue.scheduler import LotKey

KEY = LotKey("main", "mx.test")


class Windows(Sites):
    """Notes what it is told."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def worked(self, key: LotKey) -> None:
        self.told.append("worked")

    def throttled(self, key: LotKey, reason: str) -> None:
        self.told.append(f"throttled: {reason}")

    def refused(self, key: LotKey, reason: str) -> None:
        self.told.append(f"refused: {reason}")


def facts(phase: Phase) -> AttemptFacts:
    return AttemptFacts(phase=phase, text="said", started_at=0, duration_ms=0)


DELIVERED = Delivered(facts(Phase.FINAL_DOT))
NO_SUCH_USER = Bounced(facts(Phase.RCPT), Scope.RECIPIENT, BounceClass.BAD_MAILBOX)
LOST = Deferred(facts(Phase.DATA), Scope.SESSION)
OVER_RATE = Deferred(facts(Phase.RCPT), Scope.SITE)
BLOCKED = Bounced(facts(Phase.MAIL), Scope.SITE, BounceClass.SPAM)
REFUSED = Deferred(facts(Phase.CONNECT), Scope.SITE)
NEVER = Bounced(facts(Phase.GREETING), Scope.SITE, BounceClass.BAD_DOMAIN)


@pytest.mark.parametrize(
    ("outcomes", "expected"),
    [
        ([DELIVERED, DELIVERED], ["worked"]),
        ([NO_SUCH_USER], ["worked"]),
        ([LOST], ["worked"]),
        ([DELIVERED, OVER_RATE], ["throttled: said"]),
        ([BLOCKED], ["throttled: said"]),
        ([REFUSED, REFUSED, REFUSED], ["refused: said"]),
        ([NEVER], ["refused: said"]),
        ([DELIVERED, REFUSED], ["worked"]),
        ([], []),
    ],
)
def test_the_worst_that_was_met_counts_once(outcomes: list[Outcome], expected: list[str]) -> None:
    windows = Windows()
    reception = Reception(windows, KEY)
    for outcome in outcomes:
        reception.note(outcome)
    reception.close()
    assert windows.told == expected

"""When a certificate is asked for."""

import pytest

from postroad.model.certificate import ObtainedCertificate
from postroad.policy.renewal import is_due, pause_after, renewal_at

NOW = 1_790_000_000_000
MINUTE = 60_000
HERE, ELSEWHERE = "https://here.example/directory", "https://elsewhere.example/directory"


def obtained(*, next_attempt_in: int = 1000, attempts: int = 0, directory: str = HERE) -> ObtainedCertificate:
    return ObtainedCertificate(directory=directory, next_attempt_at=NOW + next_attempt_in, attempts=attempts)


def due(seen: ObtainedCertificate | None, covered: tuple[str, ...] = ("a.example", "b.example")) -> bool:
    return is_due(seen, covered, names=("a.example", "b.example"), directory=HERE, now=NOW)


def test_a_certificate_is_renewed_when_a_third_of_its_lifetime_is_left() -> None:
    assert renewal_at(NOW, NOW + 90 * 86_400_000) == NOW + 60 * 86_400_000
    assert renewal_at(NOW, NOW + 30_000) == NOW + 20_000


def test_failures_are_answered_with_growing_pauses_up_to_half_a_day() -> None:
    assert [pause_after(attempts) // MINUTE for attempts in range(1, 10)] == [5, 10, 20, 40, 80, 160, 320, 640, 720]
    assert pause_after(1_000_000) == 720 * MINUTE


@pytest.mark.parametrize(
    ("seen", "is_now"),
    [
        (None, True),
        (obtained(next_attempt_in=0), True),
        (obtained(next_attempt_in=1), False),
        (obtained(attempts=3), False),
        (obtained(next_attempt_in=-1, attempts=3), True),
    ],
)
def test_the_first_one_is_asked_for_at_once_and_the_next_when_it_is_time(
    seen: ObtainedCertificate | None, is_now: bool
) -> None:
    assert due(seen) is is_now


def test_another_name_or_another_authority_is_asked_for_at_once() -> None:
    assert due(obtained(), covered=("a.example",))
    assert due(obtained(directory=ELSEWHERE))
    assert not due(obtained(), covered=("a.example", "b.example", "dropped.example"))


def test_a_new_name_that_fails_waits_its_turn_like_every_failure() -> None:
    assert not due(obtained(attempts=1), covered=("a.example",))

"""A repeat of what was refused is told from a new try, and costs little at first."""

import msgspec
import pytest

from postroad.model.client_fault import FaultKind
from postroad.model.submission import Submission
from postroad.policy.repetition import (
    FORGIVEN_AFTER_MS,
    PATIENCE,
    Conduct,
    Refusal,
    after_fault,
    delay_ms,
    fault_of,
    print_of,
)
from postroad.protocol.mime.header import HeaderBlock, split
from tests.unit.policy.submissions import CONTENT, submission

NOW = 1_780_000_000_000
MINUTE, DAY = 60_000, 86_400_000


@pytest.mark.parametrize(
    ("is_permanent", "passed_ms", "fault"),
    [
        (False, 0, FaultKind.TOO_SOON),
        (False, MINUTE - 1, FaultKind.TOO_SOON),
        (False, MINUTE, None),
        (True, 0, FaultKind.AFTER_REFUSAL),
        (True, DAY - 1, FaultKind.AFTER_REFUSAL),
        (True, DAY, None),
    ],
)
def test_a_minute_is_enough_after_4xx_and_nothing_is_after_5xx(
    *, is_permanent: bool, passed_ms: int, fault: FaultKind | None
) -> None:
    assert fault_of(Refusal(NOW, is_permanent, "no"), NOW + passed_ms, is_accepted=False) is fault


def test_what_is_accepted_at_last_was_too_soon_at_most() -> None:
    assert fault_of(Refusal(NOW, is_permanent=False, reply="no"), NOW, is_accepted=True) is FaultKind.TOO_SOON
    assert fault_of(Refusal(NOW, is_permanent=True, reply="no"), NOW, is_accepted=True) is None


def test_whoever_does_not_stop_waits_longer_each_time_up_to_ten_seconds_and_is_forgiven() -> None:
    conduct, delays = Conduct(), []
    for number in range(PATIENCE + 12):
        conduct = after_fault(conduct, NOW + number * 1_000)
        delays.append(delay_ms(conduct))
    assert delays[:PATIENCE] == [0] * PATIENCE
    assert delays[PATIENCE : PATIENCE + 3] == [1_000, 2_000, 3_000]
    assert delays[-1] == 10_000

    forgiven = after_fault(conduct, conduct.last_at + FORGIVEN_AFTER_MS)
    assert (forgiven.faults, delay_ms(forgiven)) == (1, 0)


def offered(content: bytes) -> Submission:
    return msgspec.structs.replace(submission(content), block=split(content))


@pytest.mark.parametrize("quote", [b'"', b""])
def test_a_multipart_that_is_built_anew_is_the_same_message_and_one_with_another_text_is_not(quote: bytes) -> None:
    multipart = (
        b"Subject: x\r\nContent-Type: multipart/mixed;\r\n boundary=%q%b%q\r\n\r\n"
        b"--%b\r\n\r\nText\r\n--%b  \r\n\r\nMore\r\n--%b--\r\n"
    ).replace(b"%q", quote)
    first, again = (offered(multipart.replace(b"%b", boundary)) for boundary in (b"one", b"two"))
    other = offered(multipart.replace(b"%b", b"two").replace(b"Text", b"Next"))

    assert first.content != again.content
    assert print_of(first) == print_of(again) != print_of(other)


def test_a_field_that_was_mended_makes_another_message_and_a_new_date_does_not() -> None:
    again = CONTENT.replace(b"11:00:00", b"11:00:05").replace(b"<one@", b"<two@")

    assert print_of(offered(CONTENT)) == print_of(offered(again))
    assert print_of(offered(CONTENT)) != print_of(offered(CONTENT.replace(b"To: bob@", b"Cc: bob@")))


def test_of_messages_whose_header_cannot_be_read_only_those_with_the_same_header_are_the_same() -> None:
    broken = CONTENT.replace(b"Subject: ", b"no field\r\nSubject: ")
    again = broken.replace(b"11:00:00", b"11:00:05").replace(b"<one@", b"<two@")
    other = broken.replace(b"no field", b"no field either")

    assert not isinstance(offered(broken).block, HeaderBlock)
    assert print_of(offered(broken)) == print_of(offered(again)) != print_of(offered(other))

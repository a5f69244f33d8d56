"""What an answer to a call comes to."""

import pytest

from postroad.dialects import formats
from postroad.model.options import CallbackFormat
from postroad.model.webhook import Call, CallResult
from postroad.net.http_client import HttpReply
from postroad.webhooks.post import KEPT_CHARACTERS, Answer, answer_of, result_of, shown_headers

NOW = 1_800_000_000_000


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_2xx_is_a_success(status: int) -> None:
    assert answer_of(HttpReply(status, {}, b""), NOW, 7) == Answer(status=status, duration_ms=7)


@pytest.mark.parametrize(
    ("status", "text", "seconds"),
    [
        (429, "120", 120),
        (503, " 5 ", 5),
        (503, "Fri, 15 Jan 2027 08:01:00 GMT", 60),
        (503, "Fri, 15 Jan 2027 07:00:00 GMT", 0),
        (429, "soon", 0),
        (429, "-5", 0),
        (429, "9" * 400, 999_999_999),
        (500, "120", 120),
    ],
)
def test_retry_after_is_read_where_it_belongs(status: int, text: str, seconds: int) -> None:
    assert answer_of(HttpReply(status, {"retry-After": text}, b""), NOW, 0).retry_after_s == seconds


def test_an_answer_is_kept_to_its_first_characters() -> None:
    answer = answer_of(HttpReply(400, {}, "é".encode() * 3_000 + b"\xff"), NOW, 0)

    assert answer.reply == "é" * KEPT_CHARACTERS


@pytest.mark.parametrize(
    ("chosen", "status", "result"),
    [
        (CallbackFormat.MAILGUN, 406, CallResult.REFUSED),
        (CallbackFormat.SENDGRID, 406, CallResult.FAILED),
        (CallbackFormat.SENDGRID, 410, CallResult.REFUSED),
        (CallbackFormat.STANDARD, 404, CallResult.FAILED),
        (CallbackFormat.STANDARD, 200, CallResult.DELIVERED),
    ],
)
def test_what_ends_a_call_is_for_its_format_to_say(chosen: CallbackFormat, status: int, result: CallResult) -> None:
    assert result_of(answer_of(HttpReply(status, {}, b""), NOW, 0), formats.of(chosen)) is result


def test_no_answer_is_a_failure() -> None:
    assert result_of(Answer(error="no connection"), formats.of(CallbackFormat.MAILGUN)) is CallResult.FAILED


def test_headers_that_authenticate_are_not_shown() -> None:
    call = Call(
        body=b"", headers={"authorization": "Basic x", "X-MessageSystems-Webhook-Token": "t", "webhook-id": "1"}
    )

    assert shown_headers(call) == {"webhook-id": "1"}

"""Abuse feedback reports, in the shapes they come in, and what is none."""

import base64
import email
import email.policy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postroad.protocol.arf import MAX_OCTETS, ArfError, FeedbackReport, read_report
from tests.feedback_reports import COMPLAINTS, LEFT_ALONE, around, feedback_report

IDENTIFIER = "0123456789abcdefghjkmnpqrstvw"
RETURN_PATH = "bounce+xyz@rp.news.example.com"
SHAPES = (*COMPLAINTS, *LEFT_ALONE)
PIECES = st.sampled_from(
    [
        b"\r\n", b"\n", b"\r", b"--b", b"--b--", b"--", b": ", b"Content-Type: message/feedback-report", b"Feedback-Type: abuse",
        b"Content-Type: multipart/report; report-type=feedback-report; boundary=b", b"Content-Type: message/rfc822",
        b"Content-Transfer-Encoding: base64", b"Content-Transfer-Encoding: quoted-printable", b"=", b"====", b"YQ", b"\0", b"\xff",
        b"From ", b" ", b"X-Postroad-ID: a", b"<", b">", b"\xed\xa0\x80", b"Message-ID: <a@b>", b"x" * 300,
    ]
)  # fmt: skip


def read(shape: str) -> FeedbackReport:
    return read_report(
        feedback_report(shape, identifier=IDENTIFIER, return_path=RETURN_PATH, recipient="ann@mailbox.example")
    )


@pytest.mark.parametrize("shape", COMPLAINTS)
def test_a_complaint_brings_the_identifier_back_in_every_shape(shape: str) -> None:
    report = read(shape)

    assert report.is_complaint
    assert report.returned("X-Postroad-ID") == (IDENTIFIER,)


@pytest.mark.parametrize(("shape", "feedback_type"), LEFT_ALONE.items())
def test_what_is_no_complaint_says_so(shape: str, feedback_type: str) -> None:
    report = read(shape)

    assert (report.feedback_type, report.is_complaint) == (feedback_type, False)


@pytest.mark.parametrize(
    ("feedback_type", "is_complaint"),
    [("abuse", True), ("FRAUD", True), ("virus", True), ("other", True), ("not-spam", False), ("x-unheard-of", False)],
)
def test_the_type_decides_whether_it_is_a_complaint(feedback_type: str, is_complaint: bool) -> None:
    assert read_report(around(b"Subject: x\r\n\r\n", feedback_type=feedback_type)).is_complaint == is_complaint


def test_the_fields_for_programs_are_read() -> None:
    report = read("yahoo")

    assert report.user_agent == "Yahoo!-Mail-Feedback/2.0"
    assert report.original_mail_from == RETURN_PATH
    assert report.original_recipients == ("ann@mailbox.example",)
    assert report.report_id == "<1764241323.9.arf@mail.example>"
    assert report.returned("return-path") == (f"<{RETURN_PATH}>",)
    assert read("headers_only").feedback_type == "fraud"


def test_the_message_alone_as_an_attachment_is_a_complaint_as_outlook_sends_it() -> None:
    report = read("outlook_jmrp")

    assert (report.feedback_type, report.user_agent) == ("abuse", "")
    assert report.returned("X-HmXmrOriginalRecipient") == ("ann@mailbox.example",)


def test_a_report_within_the_returned_message_is_not_believed() -> None:
    inner = around(b"X-Postroad-ID: stolen\r\n\r\n", feedback_type="virus")
    report = read_report(around(inner))

    assert report.feedback_type == "abuse"
    assert report.returned("X-Postroad-ID") == ()


def test_a_field_in_the_body_of_the_returned_message_is_none_of_its_header() -> None:
    report = read_report(around(b"Subject: x\r\n\r\nX-Postroad-ID: a\r\n"))

    assert report.returned("X-Postroad-ID") == ()


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "neither fields about a message nor the message"),
        (b"Subject: hello\r\n\r\nhello\r\n", "neither fields about a message nor the message"),
        (b"no header at all\r\n", "no feedback report"),
        (
            (
                b"Content-Type: multipart/report; report-type=delivery-status; boundary=b\r\n\r\n--b\r\n"
                b"Content-Type: message/rfc822\r\n\r\nX-Postroad-ID: a\r\n\r\n--b--\r\n"
            ),
            "of a delivery or of a reading",
        ),
        (
            (
                b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: message/delivery-status\r\n\r\n\r\n"
                b"--b\r\nContent-Type: message/rfc822\r\n\r\nX-Postroad-ID: a\r\n\r\n--b--\r\n"
            ),
            "of a delivery or of a reading",
        ),
        (around(b"Subject: x\r\n\r\n", feedback_type=""), "names no Feedback-Type"),
    ],
)
def test_other_mail_is_refused_with_a_sentence(content: bytes, sentence: str) -> None:
    with pytest.raises(ArfError, match=sentence):
        read_report(content)


def test_a_report_without_the_message_is_read() -> None:
    content = around(b"").replace(b"message/rfc822", b"text/html")

    assert read_report(content).returned_header == b""


def test_only_the_beginning_of_a_large_report_is_looked_at() -> None:
    returned = f"X-Postroad-ID: {IDENTIFIER}\r\n\r\n".encode() + b"x" * 70 + b"\r\n" * MAX_OCTETS
    plain = read_report(around(returned))
    encoded = around(base64.encodebytes(returned)).replace(
        b"message/rfc822", b"message/rfc822\r\nContent-Transfer-Encoding: base64"
    )

    assert plain.returned("X-Postroad-ID") == (IDENTIFIER,)
    assert read_report(encoded).returned("X-Postroad-ID") == (IDENTIFIER,)
    assert read_report(around(b"A: b\r\n" * 200_000)).returned("A") == ("b",) * 20


def test_what_stands_behind_the_first_megabyte_is_not_looked_at() -> None:
    words = b"x" * 70 + b"\r\n"
    content = around(b"Subject: x\r\n\r\n").replace(b"Somebody complained.\r\n", words * (MAX_OCTETS // len(words)))

    with pytest.raises(ArfError, match="neither fields about a message nor the message"):
        read_report(content)


def test_quoted_printable_is_decoded_and_what_only_says_it_is_encoded_is_read_as_it_is() -> None:
    returned = f"X-Postroad-ID:=20{IDENTIFIER[:9]}=\r\n{IDENTIFIER[9:]}\r\n\r\n".encode()
    quoted = b"message/rfc822\r\nContent-Transfer-Encoding: Quoted-Printable"
    assert read_report(around(returned).replace(b"message/rfc822", quoted)).returned("X-Postroad-ID") == (IDENTIFIER,)

    clear = f"X-Postroad-ID: {IDENTIFIER}\r\nSubject: =a=\r\n\r\n".encode()
    mislabelled = b"message/rfc822\r\nContent-Transfer-Encoding: base64"
    assert read_report(around(clear).replace(b"message/rfc822", mislabelled)).returned("X-Postroad-ID") == (IDENTIFIER,)


def test_values_are_one_short_line_that_can_be_shown() -> None:
    agent = b"a\0b\x1b[31m\r\n c\xff" + b"d" * 5_000
    report = read_report(around(b"").replace(b"fbl.example/1.0", agent))

    assert report.user_agent.startswith("a b [31m c�ddd")
    assert report.user_agent.isprintable()
    assert len(report.user_agent) <= 1000


@given(st.sampled_from(SHAPES), st.data())
def test_a_damaged_report_is_read_or_refused(shape: str, data: st.DataObject) -> None:
    content = feedback_report(shape, identifier=IDENTIFIER, return_path=RETURN_PATH)
    at = data.draw(st.integers(0, len(content)))
    length = data.draw(st.integers(0, 40))
    _read_or_refused(content[:at] + data.draw(PIECES) + content[at + length :])


@given(st.lists(PIECES, max_size=40).map(b"".join))
def test_whatever_comes_is_read_or_refused(content: bytes) -> None:
    _read_or_refused(content)


def _read_or_refused(content: bytes) -> None:
    try:
        report = read_report(content)
    except ArfError:
        return
    assert report.feedback_type
    for value in (report.user_agent, report.original_mail_from, *report.original_recipients, report.report_id):
        assert value.encode().decode().isprintable()


@pytest.mark.parametrize("shape", SHAPES)
def test_the_standard_library_finds_the_same_fields(shape: str) -> None:
    content = feedback_report(shape, identifier=IDENTIFIER, return_path=RETURN_PATH)
    parsed = email.message_from_bytes(content, policy=email.policy.compat32)
    told = [part for part in parsed.walk() if part.get_content_type() == "message/feedback-report"]
    report = read_report(content)

    if told and not told[0]["Content-Transfer-Encoding"]:
        # To the standard library every message/* part is a message.
        payload: Any = told[0].get_payload()
        [fields] = payload
        assert report.feedback_type == fields["Feedback-Type"].lower()
        assert report.user_agent == fields["User-Agent"]
    assert report.report_id == parsed["Message-ID"]

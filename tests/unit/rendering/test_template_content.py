"""A template's texts in place of the message's own; all else as it was submitted."""

import email
import email.policy
from email.message import EmailMessage
from typing import cast

import pytest

from postroad.rendering.errors import ImpossibleCopyError
from postroad.rendering.template_content import Texts, with_template

TEXTS = Texts(html="<p>Grüße, <b>Ada</b></p>", text="Grüße, Ada", subject="Welcome Ada")
IMAGE = b"\x89PNG\r\n\x1a\n" + bytes(range(256))


def read(content: bytes) -> EmailMessage:
    return email.message_from_bytes(content, policy=email.policy.default)


def submitted(**fields: str) -> EmailMessage:
    message = EmailMessage(policy=email.policy.SMTP)
    for name, value in ({"From": "a@news.test", "To": "b@dest.test"} | fields).items():
        message[name] = value
    return message


def types(content: bytes) -> list[str]:
    return [part.get_content_type() for part in read(content).walk()]


def test_the_templates_texts_stand_in_place_of_the_messages_own() -> None:
    message = submitted(Subject="Mine")
    message.set_content("what nobody reads")
    content = with_template(message.as_bytes(), TEXTS, 77)
    assert types(content) == ["multipart/alternative", "text/plain", "text/html"]
    found = read(content)
    assert found["Subject"] == "Mine"
    assert found["To"] == "b@dest.test"
    assert found.get_body(("plain",)).get_content().strip() == TEXTS.text  # type: ignore[union-attr]
    assert found.get_body(("html",)).get_content().strip() == TEXTS.html  # type: ignore[union-attr]
    assert b"what nobody reads" not in content


@pytest.mark.parametrize("fields", [{}, {"Subject": ""}])
def test_the_templates_subject_fills_a_missing_or_empty_one(fields: dict[str, str]) -> None:
    message = submitted(**fields)
    message.set_content("x")
    assert read(with_template(message.as_bytes(), TEXTS, 1)).get_all("Subject") == ["Welcome Ada"]


def test_a_later_text_with_a_name_is_a_file_and_stays() -> None:
    parts = (
        b"Content-Type: text/plain; name=body.txt\r\n\r\nold",
        b"Content-Type: text/plain; name=notes.txt\r\n\r\nkept",
    )
    given = b"From: a@news.test\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
    given += b"".join(b"--b\r\n" + part + b"\r\n" for part in parts) + b"--b--\r\n"
    content = with_template(given, TEXTS, 5)
    assert parts[1] in content
    assert b"old" not in content


def test_attachments_inline_parts_and_invitations_stay_byte_for_byte() -> None:
    message = submitted(Subject="s")
    message.set_content("old")
    message.add_alternative('old <img src="cid:logo">', subtype="html")
    cast("EmailMessage", message.get_payload(1)).add_related(IMAGE, "image", "png", cid="<logo>")
    message.add_alternative(b"BEGIN:VCALENDAR\r\nEND:VCALENDAR\r\n", maintype="text", subtype="calendar")
    message.add_attachment(IMAGE, maintype="application", subtype="pdf", filename="a.pdf")
    message.add_attachment("not the body", filename="notes.txt")
    given = message.as_bytes()
    content = with_template(given, TEXTS, 5)
    assert types(content) == [
        "multipart/mixed",
        "multipart/related",
        "multipart/alternative",
        "text/plain",
        "text/html",
        "text/calendar",
        "image/png",
        "application/pdf",
        "text/plain",
    ]
    kept = [
        part
        for part in read(given).walk()
        if part.get_content_type() in {"image/png", "application/pdf", "text/calendar"}
    ]
    for part in kept:
        assert part.as_bytes(policy=email.policy.SMTP).strip() in content


def test_a_message_that_is_one_file_keeps_it_as_an_attachment() -> None:
    message = submitted()
    message.set_content(IMAGE, "application", "pdf", filename="a.pdf")
    content = with_template(message.as_bytes(), TEXTS, 5)
    assert types(content) == ["multipart/mixed", "multipart/alternative", "text/plain", "text/html", "application/pdf"]
    [attachment] = read(content).iter_attachments()
    assert attachment.get_content() == IMAGE
    assert attachment.get_filename() == "a.pdf"


def test_a_message_without_a_body_gets_one() -> None:
    content = with_template(b"From: a@news.test\r\nSubject: x\r\n", Texts(html="<p>a</p>"), 5)
    assert types(content) == ["text/html"]
    assert read(content)["MIME-Version"] == "1.0"


def test_long_lines_and_other_letters_are_quoted_printable_and_short_ascii_stays() -> None:
    content = with_template(b"From: a@b.c\r\n\r\nx\r\n", Texts(html="<p>" + "a" * 500 + "</p>", text="plain"), 5)
    assert b"Content-Transfer-Encoding: 7bit\r\n\r\nplain\r\n" in content
    assert max(map(len, content.split(b"\r\n"))) <= 78


def test_the_same_message_is_the_same_at_each_attempt_and_no_boundary_is_met_twice() -> None:
    first = with_template(b"From: a@b.c\r\n\r\nx\r\n", TEXTS, 5)
    assert first == with_template(b"From: a@b.c\r\n\r\nx\r\n", TEXTS, 5)
    again = with_template(first.replace(b"text/html", b"application/x"), TEXTS, 5)
    assert types(again) == ["multipart/alternative", "text/plain", "text/html", "application/x"]


def test_a_signed_message_takes_no_template() -> None:
    signed = b'From: a@b.c\r\nContent-Type: multipart/signed; boundary="b"\r\n\r\n--b\r\n\r\nx\r\n--b--\r\n'
    with pytest.raises(ImpossibleCopyError, match="signed"):
        with_template(signed, TEXTS, 5)


def test_a_boundary_that_stands_in_the_texts_is_not_taken() -> None:
    message = submitted()
    message.set_content("x")
    boundary = read(with_template(message.as_bytes(), TEXTS, 77)).get_boundary()
    forged = f"Hi\r\n--{boundary}--\r\nlast"
    content = with_template(message.as_bytes(), Texts(html="<p>Hi", text=forged), 77)
    assert types(content) == ["multipart/alternative", "text/plain", "text/html"]
    assert read(content).get_body(("plain",)).get_content().splitlines() == forged.splitlines()  # type: ignore[union-attr]

"""A captured message as the inbox shows it."""

from postroad.messages.captured import captured


def test_a_captured_message_is_read_as_its_recipient_reads_it() -> None:
    header = b"Subject: =?ks_c_5601-1987?b?jGM=?=\r\n =?ks_c_5601-1987?b?jGM=?= x\r\nFrom: =?x-sjis?b?h0A=?= <a@b.example>\r\n"
    kind = b"Content-Type: text/plain; charset=iso-2022-jp\r\n"
    seen = captured(header + kind + b"\r\n\x1b$B-j\x1b(B", lambda _domain, _selector: None)

    assert (seen.subject, seen.header_from, seen.text, seen.date) == ("똠똠 x", "① <a@b.example>", "㈱", "")
    assert seen.headers[0] == ("Subject", "똠똠 x")


def test_a_name_of_no_character_set_is_not_believed() -> None:
    seen = captured(
        b"Content-Type: text/html; charset=unicode_escape\r\n\r\n\\u00e4\xc3\xa4", lambda _domain, _selector: None
    )
    assert seen.html == "\\u00e4ä"

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from postroad.protocol.smtp.address import AddressError, parse_path
from postroad.protocol.smtp.command import Mail, Rcpt, decode_xtext, parse_command
from postroad.protocol.smtp.extension import Extensions
from postroad.protocol.smtp.transaction import (
    NO_DSN,
    NOT_EIGHT_BIT,
    Transaction,
    encode_xtext,
    mail_line,
    notes_of,
    rcpt_line,
)

NOTHING = Extensions()
EVERYTHING = Extensions(size=0, eight_bit=True, smtputf8=True, dsn=True, pipelining=True)


def transaction(**changes: object) -> Transaction:
    base = {"key": 1, "reverse_path": "b+1@a.test", "recipient": "to@b.test", "content": b"Subject: x\r\n\r\nx\r\n"}
    return Transaction(**(base | changes))  # type: ignore[arg-type]


FULL = transaction(
    is_eight_bit=True,
    ret="HDRS",
    envid="id+1=2",
    notify="SUCCESS,FAILURE",
    original_recipient="rfc822;to+tag@b.test",
)


def test_a_host_without_extensions_gets_bare_paths() -> None:
    assert mail_line(FULL, NOTHING) == "MAIL FROM:<b+1@a.test>\r\n"
    assert rcpt_line(FULL, NOTHING) == "RCPT TO:<to@b.test>\r\n"


def test_offered_extensions_are_used() -> None:
    mail = "MAIL FROM:<b+1@a.test> SIZE=17 BODY=8BITMIME RET=HDRS ENVID=id+2B1+3D2\r\n"
    assert mail == mail_line(FULL, EVERYTHING)
    rcpt = "RCPT TO:<to@b.test> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;to+2Btag@b.test\r\n"
    assert rcpt == rcpt_line(FULL, EVERYTHING)


def test_parameters_that_nothing_asks_for_are_left_out() -> None:
    assert mail_line(transaction(reverse_path=""), EVERYTHING) == "MAIL FROM:<> SIZE=17\r\n"
    assert rcpt_line(transaction(), EVERYTHING) == "RCPT TO:<to@b.test>\r\n"


@pytest.mark.parametrize("changes", [{"is_utf8": True}, {"recipient": "grüße@b.test"}, {"reverse_path": "ä@a.test"}])
def test_smtputf8_is_asked_for_where_an_address_or_header_needs_it(changes: dict[str, object]) -> None:
    offered = transaction(**changes)
    assert offered.needs_smtputf8
    assert mail_line(offered, EVERYTHING).endswith(" SMTPUTF8\r\n")


def test_an_internationalised_original_recipient_is_written_in_ascii() -> None:
    line = rcpt_line(transaction(original_recipient="utf-8;grü\\ße@b.test"), EVERYTHING)
    assert line == "RCPT TO:<to@b.test> ORCPT=utf-8;gr\\x{FC}\\x{5C}\\x{DF}e@b.test\r\n"


def test_what_the_host_lacks_is_noted() -> None:
    assert notes_of(FULL, NOTHING) == (NOT_EIGHT_BIT, NO_DSN)
    assert notes_of(FULL, EVERYTHING) == ()
    assert notes_of(transaction(), NOTHING) == ()


@pytest.mark.parametrize(
    "path", ["a@b.test>\r\nRCPT TO:<c@d.test", "a\x00@b.test", "a\x7f@b.test", "a\x85@b.test", "\udcff@b.test"]
)
def test_a_path_with_a_control_character_is_not_sound(path: str) -> None:
    assert not transaction(recipient=path).has_sound_paths
    assert not transaction(reverse_path=path).has_sound_paths
    assert transaction().has_sound_paths


@given(st.text(st.characters(codec=None), min_size=1, max_size=20), st.booleans())
@example("نامه\u200cای", False)
@example("क्\u200dष", False)
@example("\U0001fae9", False)
@example(" \u00ad", True)
def test_every_address_that_our_own_server_takes_our_client_can_say(text: str, is_quoted: bool) -> None:
    try:
        path = parse_path(f'<"{text}"@b.test>' if is_quoted else f"<{text}@b.test>", is_utf8=True)
    except AddressError:
        return
    taken = transaction(recipient=path, reverse_path=path)

    assert taken.has_sound_paths
    mail = parse_command(mail_line(taken, EVERYTHING).encode()[:-2], is_utf8=True)
    rcpt = parse_command(rcpt_line(taken, EVERYTHING).encode()[:-2], is_utf8=True)
    assert isinstance(mail, Mail)
    assert isinstance(rcpt, Rcpt)
    assert mail.reverse_path == rcpt.forward_path == path


@given(st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=100))
def test_xtext_reads_back(text: str) -> None:
    assert text == decode_xtext(encode_xtext(text))


@given(st.text(st.characters(codec=None), max_size=100))
def test_xtext_never_breaks_a_command(text: str) -> None:
    assert all(33 <= ord(c) <= 126 and c != "=" for c in encode_xtext(text))


def test_our_own_server_understands_every_parameter() -> None:
    mail = parse_command(mail_line(FULL, EVERYTHING).encode()[:-2])
    rcpt = parse_command(rcpt_line(FULL, EVERYTHING).encode()[:-2])
    assert isinstance(mail, Mail)
    assert isinstance(rcpt, Rcpt)
    assert (FULL.envid, FULL.ret, len(FULL.content)) == (mail.envid, mail.ret, mail.size)
    assert FULL.original_recipient == rcpt.original_recipient
    assert rcpt.notify == ("SUCCESS", "FAILURE")

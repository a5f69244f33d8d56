"""Command lines: what they become, and what is said to those that are malformed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postroad.protocol.smtp.command import (
    Auth,
    Bdat,
    Command,
    Data,
    Ehlo,
    Expn,
    Helo,
    Help,
    Mail,
    Malformed,
    Noop,
    Quit,
    Rcpt,
    Rset,
    StartTls,
    Unknown,
    Vrfy,
    decode_xtext,
    parse_command,
)  # fmt: skip
from postroad.protocol.smtp.transaction import encode_xtext


@pytest.mark.parametrize(
    ("line", "command"),
    [
        (b"EHLO client.example", Ehlo("client.example")),
        (b"ehlo [192.168.1.2]", Ehlo("[192.168.1.2]")),
        (b"EHLO PC_OF_ANN extra", Ehlo("PC_OF_ANN")),
        (b"EHLO b\xfcro-pc", Ehlo("b?ro-pc")),
        (b"HELO <script>", Helo("?script?")),
        (b"AUTH plain dGVzdA==", Auth("PLAIN", "dGVzdA==")),
        (b"AUTH LOGIN", Auth("LOGIN", None)),
        (b"AUTH PLAIN =", Auth("PLAIN", "=")),
        (b"STARTTLS", StartTls()),
        (b"MAIL FROM:<a@b.example>", Mail("a@b.example")),
        (b"mail from: <a@b.example> ", Mail("a@b.example")),
        (b"MAIL FROM:a@b.example SIZE=12", Mail("a@b.example", size=12)),
        (b"MAIL FROM:<>", Mail("")),
        (b'MAIL FROM:<"a> b"@b.example> BODY=7BIT', Mail('"a> b"@b.example')),
        (b"MAIL FROM:<a@b.example> BODY=8bitmime SIZE=0", Mail("a@b.example", size=0, is_eight_bit=True)),
        (b"MAIL FROM:<a@b.example>  SIZE=1  RET=FULL", Mail("a@b.example", size=1, ret="FULL")),
        (b"MAIL FROM:<\xc3\xa4@b.example> SMTPUTF8", Mail("ä@b.example", is_utf8=True)),
        (b"MAIL FROM:<a@b.example> ENVID=a+2Bb", Mail("a@b.example", envid="a+b")),
        (b"MAIL FROM:<a@b.example> AUTH=e+3Dmc2@example.com", Mail("a@b.example")),
        (b"RCPT TO:<c@d.example>", Rcpt("c@d.example")),
        (b"RCPT TO: <c@d.example> NOTIFY=NEVER", Rcpt("c@d.example", ("NEVER",))),
        (b"RCPT TO:<c@d.example> ORCPT=rfc822;c+3D@d.example", Rcpt("c@d.example", (), "rfc822;c=@d.example")),
        (b"RCPT TO:<c@d.example> ORCPT=utf-8;\\x{E4}@d.example", Rcpt("c@d.example", (), "utf-8;ä@d.example")),
        (b"RCPT TO:<c@d.example> ORCPT=utf-8;\\x{0A}@d.example", Rcpt("c@d.example", (), "utf-8;\\x{0A}@d.example")),
        (b"DATA", Data()),
        (b"DATA  ", Data()),
        (b"BDAT 10", Bdat(10, is_last=False)),
        (b"bdat 0 last", Bdat(0, is_last=True)),
        (b"RSET", Rset()),
        (b"NOOP whatever", Noop()),
        (b"VRFY ann", Vrfy()),
        (b"EXPN list", Expn()),
        (b"HELP mail", Help()),
        (b"QUIT", Quit()),
        (b"", Unknown("")),
        (b"MAIL\tFROM:<a@b.example>", Unknown("MAIL?FROM:?A?B.EXAMPLE?")),
    ],
)  # fmt: skip
def test_a_line_becomes_a_command(line: bytes, command: Command) -> None:
    assert parse_command(line) == command


@pytest.mark.parametrize(
    ("line", "status"),
    [
        (b"EHLO", "501 5.5.4"),
        (b"AUTH", "501 5.5.4"),
        (b"AUTH PLAIN a b", "501 5.5.4"),
        (b"STARTTLS now", "501 5.5.4"),
        (b"DATA now", "501 5.5.4"),
        (b"QUIT now", "501 5.5.4"),
        (b"RSET now", "501 5.5.4"),
        (b"MAIL", "501 5.5.4"),
        (b"MAIL <a@b.example>", "501 5.5.4"),
        (b"MAIL FROM:", "501 5.5.4"),
        (b"MAIL FROM:<a@b.example", "501 5.5.4"),
        (b"MAIL FROM:<a@b.example>SIZE=1", "501 5.5.4"),
        (b"MAIL FROM:<a@b..example>", "501 5.1.7"),
        (b"MAIL FROM:<\xc3\xa4@b.example>", "553 5.6.7"),
        (b"MAIL FROM:<a@b.example> SIZE", "501 5.5.4"),
        (b"MAIL FROM:<a@b.example> SIZE=-1", "501 5.5.4"),
        (b"MAIL FROM:<a@b.example> SIZE=" + b"9" * 21, "501 5.5.4"),
        (b"MAIL FROM:<a@b.example> SIZE=1 SIZE=1", "501 5.5.4"),
        (b"MAIL FROM:<a@b.example> BODY=BINARYMIME", "501 5.5.4"),
        (b"MAIL FROM:<a@b.example> SMTPUTF8=yes", "501 5.5.4"),
        (b"MAIL FROM:<a@b.example> RET=SOME", "501 5.5.4"),
        (b"MAIL FROM:<a@b.example> ENVID=", "501 5.5.4"),
        (b"MAIL FROM:<a@b.example> ENVID=a+0D+0Ab", "501 5.5.4"),
        (b"MAIL FROM:<a@b.example> ENVID=a+zz", "501 5.5.4"),
        (b"MAIL FROM:<a@b.example> ENVID=" + b"x" * 101, "501 5.5.4"),
        (b"MAIL FROM:<a@b.example> MT-PRIORITY=3", "555 5.5.4"),
        (b"RCPT TO:<c@d..example>", "501 5.1.3"),
        (b"RCPT TO:<>", "501 5.1.3"),
        (b"RCPT FROM:<c@d.example>", "501 5.5.4"),
        (b"RCPT TO:<c@d.example> NOTIFY=", "501 5.5.4"),
        (b"RCPT TO:<c@d.example> NOTIFY=NEVER,DELAY", "501 5.5.4"),
        (b"RCPT TO:<c@d.example> NOTIFY=DELAY,DELAY", "501 5.5.4"),
        (b"RCPT TO:<c@d.example> ORCPT=ann", "501 5.5.4"),
        (b"RCPT TO:<c@d.example> ORCPT=rfc822;a+0Ab", "501 5.5.4"),
        (b"RCPT TO:<c@d.example> RRVS=x", "555 5.5.4"),
        (b"BDAT", "501 5.5.4"),
        (b"BDAT -1", "501 5.5.4"),
        (b"BDAT 1 FIRST", "501 5.5.4"),
        (b"NOOP \x07", "500 5.5.2"),
        (b"NOOP \xff", "500 5.5.2"),
    ],
)
def test_a_malformed_command_comes_with_its_reply(line: bytes, status: str) -> None:
    command = parse_command(line)

    assert isinstance(command, Malformed)
    assert f"{command.reply.code} {command.reply.enhanced_status}" == status
    assert len(command.reply.text) > 10


def test_a_recipient_beyond_ascii_is_for_transactions_under_smtputf8() -> None:
    line = "RCPT TO:<ä@d.example>".encode()

    assert isinstance(parse_command(line), Malformed)
    assert parse_command(line, is_utf8=True) == Rcpt("ä@d.example")


@given(st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=30))
def test_xtext_comes_back_as_it_was(text: str) -> None:
    assert decode_xtext(encode_xtext(text)) == text


@given(st.binary(max_size=80))
def test_any_line_is_answered(line: bytes) -> None:
    for start in (b"", b"MAIL FROM:<a@b.example> ", b"RCPT TO:<", b"AUTH ", b"BDAT ", b"EHLO "):
        command = parse_command(start + line, is_utf8=True)
        if isinstance(command, Malformed):
            assert command.reply.code >= 500
            assert command.reply.encode().count(b"\r\n") == 1

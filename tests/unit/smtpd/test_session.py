"""What a submission is made of: the envelope and the session's keyword."""

import threading

import msgspec
import pytest

from postroad.dialects.headers.submission import Read, read_options
from postroad.model.envelope import Envelope, Notify, Recipient
from postroad.model.options import OptionFault
from postroad.protocol.mime.header import HeaderBlock, split
from postroad.protocol.smtp.command import Mail, Rcpt
from postroad.protocol.smtp.server_options import ServerLimits
from postroad.smtpd import session
from postroad.smtpd.listener import limits_of
from postroad.smtpd.session import asked_for, envelope_of, protocol_keyword
from postroad.smtpd.settings import SmtpSettings


def test_the_envelope_has_everything_the_commands_said() -> None:
    envelope = envelope_of(
        Mail("a@b.example", size=5, is_eight_bit=True, is_utf8=True, ret="FULL", envid="id"),
        (Rcpt("c@d.example", ("FAILURE", "DELAY"), "rfc822;c@d.example"), Rcpt("e@f.example", ("NEVER",)), Rcpt("g@h")),
    )

    assert envelope == Envelope(
        "a@b.example",
        (
            Recipient("c@d.example", "d.example", Notify.FAILURE | Notify.DELAY, "rfc822;c@d.example"),
            Recipient("e@f.example", "f.example", Notify.NEVER),
            Recipient("g@h", "h"),
        ),
        is_eight_bit=True,
        is_utf8=True,
        ret="FULL",
        envid="id",
    )


@pytest.mark.parametrize(
    ("is_extended", "is_utf8", "is_tls", "is_authenticated", "keyword"),
    [
        (False, False, True, True, "SMTP"),
        (True, False, False, False, "ESMTP"),
        (True, False, True, False, "ESMTPS"),
        (True, False, False, True, "ESMTPA"),
        (True, False, True, True, "ESMTPSA"),
        (True, True, True, True, "UTF8SMTPSA"),
        (True, True, False, False, "UTF8SMTP"),
    ],
)
def test_the_received_keyword_tells_how_the_mail_came(
    is_extended: bool, is_utf8: bool, is_tls: bool, is_authenticated: bool, keyword: str
) -> None:
    facts = {"is_extended": is_extended, "is_utf8": is_utf8, "is_tls": is_tls, "is_authenticated": is_authenticated}

    assert protocol_keyword(**facts) == keyword


@pytest.mark.parametrize("count", [1, 1000])
async def test_the_options_of_a_large_header_are_read_beside_other_sessions(
    count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads: list[int] = []

    def noted(block: HeaderBlock) -> Read | OptionFault:
        threads.append(threading.get_ident())
        return read_options(block)

    monkeypatch.setattr(session, "read_options", noted)
    variables: dict[str, dict[str, str]] = {f"a{number}@d.example": {} for number in range(count)}
    block = split(
        b"X-OV-Recipient-Variables: " + b",\r\n ".join(msgspec.json.encode(variables).split(b",")) + b"\r\n\r\n"
    )
    found = await asked_for(Mail("a@b.example"), block, 0)
    assert isinstance(found, Read)
    assert found.options.recipient_variables == variables
    assert (threads == [threading.get_ident()]) is (count == 1)


def test_the_default_limits_are_those_of_the_protocol() -> None:
    assert limits_of(SmtpSettings()) == ServerLimits()


@pytest.mark.parametrize(
    "settings",
    [{"max_recipients": 99}, {"max_message_size": 0}, {"command_timeout_s": 0}, {"max_sessions": 0}, {"unknown": 1}],
)
def test_settings_out_of_bounds_are_refused(settings: dict[str, object]) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(settings, SmtpSettings)

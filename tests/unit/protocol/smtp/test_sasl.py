"""AUTH PLAIN and AUTH LOGIN as exchanges of lines."""

import base64

import pytest

from postroad.protocol.smtp.sasl import Challenge, Credentials, SaslError, SaslExchange

ADA = Credentials("ada", "s3cret")


def _encoded(octets: bytes) -> str:
    return base64.b64encode(octets).decode()


def test_plain_comes_with_the_command_or_after_an_empty_challenge() -> None:
    response = _encoded(b"\0ada\0s3cret")
    asked = SaslExchange("PLAIN")

    assert SaslExchange("PLAIN").begin(response) == ADA
    assert asked.begin(None) == Challenge("")
    assert asked.answer(response.encode()) == ADA


def test_login_asks_for_name_and_password_in_turn() -> None:
    exchange = SaslExchange("LOGIN")

    assert exchange.begin(None) == Challenge(_encoded(b"Username:"))
    assert exchange.answer(_encoded(b"ada").encode()) == Challenge(_encoded(b"Password:"))
    assert exchange.answer(_encoded(b"s3cret").encode()) == ADA


def test_login_takes_the_name_with_the_command_too() -> None:
    exchange = SaslExchange("LOGIN")

    assert exchange.begin(_encoded(b"ada")) == Challenge(_encoded(b"Password:"))
    assert exchange.answer(_encoded(b"s3cret").encode()) == ADA


def test_one_may_name_oneself_as_the_one_to_act_for_and_nobody_else() -> None:
    assert SaslExchange("PLAIN").begin(_encoded(b"ada\0ada\0s3cret")) == ADA
    with pytest.raises(SaslError) as refused:
        SaslExchange("PLAIN").begin(_encoded(b"root\0ada\0s3cret"))

    assert (refused.value.reply.code, refused.value.reply.enhanced_status) == (535, "5.7.8")


@pytest.mark.parametrize(
    ("response", "enhanced_status"),
    [
        (b"*", "5.7.0"),
        (b"not base64!", "5.5.2"),
        (b"AGE", "5.5.2"),
        (_encoded(b"\0ada").encode(), "5.5.2"),
        (_encoded(b"\0ada\0a\0b").encode(), "5.5.2"),
        (_encoded(b"\0ada\0\xff").encode(), "5.5.2"),
    ],
)
def test_a_cancelled_or_malformed_answer_ends_the_exchange_with_501(response: bytes, enhanced_status: str) -> None:
    exchange = SaslExchange("PLAIN")
    exchange.begin(None)

    with pytest.raises(SaslError) as ended:
        exchange.answer(response)

    assert (ended.value.reply.code, ended.value.reply.enhanced_status) == (501, enhanced_status)


def test_a_name_with_a_nul_in_it_is_no_name() -> None:
    with pytest.raises(SaslError) as ended:
        SaslExchange("LOGIN").begin(_encoded(b"a\0b"))
    assert ended.value.reply.code == 501


def test_an_equals_sign_is_an_empty_response() -> None:
    assert SaslExchange("LOGIN").begin("=") == Challenge(_encoded(b"Password:"))


def test_a_password_is_not_shown() -> None:
    assert "s3cret" not in repr(ADA)

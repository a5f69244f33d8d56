"""The shapes in which a key comes in the Authorization header."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postroad.httpd.api.authorization import key_in
from postroad.policy.key_text import KeyTextKind, key_text

KEY = "prd_abcdef"


def basic(pair: str) -> str:
    return base64.b64encode(pair.encode()).decode()


@pytest.mark.parametrize(
    "header",
    [
        f"Bearer {KEY}",
        f"bearer   {KEY} ",
        f"Basic {basic(f'api:{KEY}')}",
        f"BASIC {basic(f':{KEY}')}",
        f"Basic {basic(f'anybody@example.com:{KEY}')}",
        KEY,
        f" {KEY} ",
    ],
)
def test_a_key_is_found_in_each_shape(header: str) -> None:
    assert key_in(header) == KEY


def test_a_key_may_be_the_user_name_where_there_is_no_password() -> None:
    key = key_text(KeyTextKind.DOMAIN, bytes(32))
    assert key_in(f"Basic {basic(f'{key}:')}") == key
    assert key_in(f"Basic {basic(f'{key}:{KEY}')}") == KEY


@pytest.mark.parametrize(
    "header",
    ["", " ", "Bearer", "Bearer ", "Basic", "Basic !!", "Basic YXBp", f"Basic {basic('api:')}", "Basic /w==",
     f"Digest {KEY}", f"Token {KEY}", "Basic é"],
)  # fmt: skip
def test_other_headers_carry_no_key(header: str) -> None:
    assert key_in(header) is None


@given(st.text())
def test_any_text_is_read_without_an_error(header: str) -> None:
    assert key_in(header) != ""

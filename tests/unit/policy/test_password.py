import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postroad.model.credential import Secret
from postroad.policy.password import RANDOM_BYTES, generate_password, password_refusal, prepared


@pytest.mark.parametrize(
    "password", ["Secret-1", "Ünder_score", "ÉCOLE française!", "A" * 255 + "!", "Correct horse, battery"]
)
def test_password_that_keeps_the_rule_is_taken(password: str) -> None:
    assert password_refusal(password) is None


@pytest.mark.parametrize(
    ("password", "sentence"),
    [
        ("Abcde-7", "The password needs at least 8 characters (it has 7)."),
        ("abcdefg-", "The password needs a capital letter."),
        ("Abcdefgh", "The password needs a special character."),
        ("abcdefgh", "The password needs a capital letter and a special character."),
        ("", "The password needs at least 8 characters (it has 0), a capital letter and a special character."),
        ("Abcd efgh", "The password needs a special character."),
        ("Abcdefg-\0", "A password has no control characters."),
        ("A-" + "b" * 255, "A password has at most 256 characters."),
    ],
)
def test_refusal_names_what_is_missing(password: str, sentence: str) -> None:
    assert password_refusal(password) == sentence


def test_composed_and_decomposed_accents_are_one_password() -> None:
    assert prepared("Cafe\u0301-1234") == prepared("Café-1234")
    assert prepared("Two\u00a0words-1") == prepared("Two words-1")


@given(st.binary(min_size=RANDOM_BYTES, max_size=RANDOM_BYTES))
def test_made_passwords_keep_the_rule_without_ambiguous_letters(random_bytes: bytes) -> None:
    password = generate_password(random_bytes)

    assert password_refusal(password) is None
    assert not set(password) & set("Il1Oo0")
    assert len(password) == 23
    assert "…" in repr(password)
    assert isinstance(password, Secret)


def test_each_random_octet_counts() -> None:
    """Passwords made of inputs that differ do not repeat."""
    inputs = [hashlib.sha256(bytes([number])).digest() for number in range(256)]

    assert len({generate_password(one) for one in inputs}) == 256


def test_too_little_randomness_is_an_error() -> None:
    with pytest.raises(ValueError, match="32 random octets, not 16"):
        generate_password(bytes(16))

"""Signed identifiers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postroad.policy.identifier import LENGTH, read_identifier, sign_identifier

OLD, NEW = b"o" * 32, b"n" * 32


@given(st.integers(0, 2**63 - 1))
def test_an_identifier_reads_back_in_any_case_under_any_key(identifier: int) -> None:
    token = sign_identifier(identifier, "test", OLD)

    assert len(token) == LENGTH
    assert read_identifier(token, "test", [NEW, OLD]) == identifier
    assert read_identifier(token.upper(), "test", [OLD]) == identifier


def test_a_token_is_good_for_its_purpose_and_key_only() -> None:
    token = sign_identifier(1, "test", OLD)

    assert read_identifier(token, "other", [OLD]) is None
    assert read_identifier(token, "test", [NEW]) is None
    assert read_identifier(token, "test", []) is None


@pytest.mark.parametrize("at", range(LENGTH))
def test_any_changed_letter_is_seen(at: int) -> None:
    token = sign_identifier(2**62 + 12345, "test", OLD)
    changed = token[:at] + ("2" if token[at] != "2" else "3") + token[at + 1 :]

    assert read_identifier(changed, "test", [OLD]) is None


@pytest.mark.parametrize("token", ["", "a" * 28, "a" * 30, "u" * 29, "é" * 29, " " * 29, "-" * 29])
def test_what_is_no_token_names_nothing(token: str) -> None:
    assert read_identifier(token, "test", [OLD]) is None

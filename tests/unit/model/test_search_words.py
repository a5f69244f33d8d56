"""Terms are the same however a text is written, and never run into each other."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postroad.model.search_words import (
    MOST_WORDS,
    account_term,
    message_id_term,
    recipient_term,
    terms_of,
    words_of,
)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Hello, World!", ["hello", "world"]),
        ("Réservation n°5: Hôtel", ["reservation", "n", "5", "hotel"]),
        ("Re\u0301servation", ["reservation"]),
        ("Straße STRASSE", ["strasse", "strasse"]),
        ("ΣΊΣΥΦΟΣ Σίσυφος", ["σισυφοσ", "σισυφοσ"]),
        ("İstanbul", ["istanbul"]),
        ("東京タワー", ["東", "京", "タ", "ワ", "ー"]),
        ("snake_case a-b", ["snake", "case", "a", "b"]),
        ("50% off", ["50", "off"]),
        ("", []),
    ],
)
def test_words_are_folded(text: str, words: list[str]) -> None:
    assert words_of(text) == words


def test_words_are_few_and_short() -> None:
    assert len(words_of("a " * 1_000)) == MOST_WORDS
    assert words_of("x" * 500) == ["x" * 40]


@given(st.text(max_size=60))
def test_folding_twice_changes_nothing(text: str) -> None:
    words = words_of(text)

    assert words_of(" ".join(words)) == words
    assert all("_" not in word and " " not in word for word in words)


@given(st.text(min_size=1, max_size=40), st.integers(min_value=1, max_value=10))
def test_the_beginning_of_an_address_is_the_beginning_of_its_term(address: str, length: int) -> None:
    whole = recipient_term(address)

    assert " " not in whole
    assert terms_of(1, 1, "", [address]).startswith(f" {account_term(1)} ")
    if address.isascii():
        assert whole.startswith(recipient_term(address[:length]))


def test_a_message_id_is_known_with_and_without_brackets() -> None:
    assert message_id_term("<a@b>") == message_id_term(" a@b ") != message_id_term("A@b")


def test_nobody_can_write_the_terms_that_say_whose_a_message_is() -> None:
    terms = terms_of(1, 1, "_a2 a2 _d3", ["_a2@example.net"]).split()

    assert "_a2" not in terms
    assert [term for term in terms if term.startswith("_a")] == ["_a1"]

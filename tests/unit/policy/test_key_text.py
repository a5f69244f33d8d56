"""Keys are recognised by anybody who has their text, and by nobody who has it wrong."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postroad.policy.key_text import RANDOM_BYTES, SHOWN_LENGTH, KeyTextKind, digest_of, key_text, kind_of, shown_part

KINDS = st.sampled_from(list(KeyTextKind))
RANDOM = st.binary(min_size=RANDOM_BYTES, max_size=RANDOM_BYTES)


@given(KINDS, RANDOM)
def test_every_key_says_what_it_is_for(kind: KeyTextKind, random: bytes) -> None:
    text = key_text(kind, random)

    assert kind_of(text) is kind
    assert re.fullmatch(r"pr[daw]_[0-9A-Za-z]{49}", text)
    assert repr(text) == "Secret('…')"
    assert shown_part(text) == text[:SHOWN_LENGTH]


@given(RANDOM, RANDOM)
def test_different_octets_make_different_keys(one: bytes, other: bytes) -> None:
    same = one == other

    assert (key_text(KeyTextKind.DOMAIN, one) == key_text(KeyTextKind.DOMAIN, other)) is same


@given(KINDS, RANDOM, st.integers(0, 52), st.characters(min_codepoint=33, max_codepoint=0x2FF))
def test_one_wrong_character_is_noticed(kind: KeyTextKind, random: bytes, place: int, character: str) -> None:
    text = str(key_text(kind, random))
    mistyped = text[:place] + character + text[place + 1 :]

    assert mistyped == text or kind_of(mistyped) is None


@pytest.mark.parametrize("text", ["", "prd_", "prd_" + "0" * 49, "sk_live_4711", "prd_" + "é" * 49])
def test_other_texts_are_no_keys(text: str) -> None:
    assert kind_of(text) is None


def test_too_little_randomness_is_refused() -> None:
    with pytest.raises(ValueError, match="32 random octets"):
        key_text(KeyTextKind.ACCOUNT, bytes(16))


def test_the_stored_digest_is_sha_256() -> None:
    assert digest_of("abc").hex().startswith("ba7816bf8f01cfea")

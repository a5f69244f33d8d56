"""Tokens: what was signed comes back, and nothing else does."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postroad.model.ids import EPOCH_MS, IdSource
from postroad.tracking.token import (
    HEAD_LETTERS,
    Kind,
    Leaving,
    Place,
    Signer,
    Token,
    TrackingKey,
    leaving_payload,
    read_leaving,
    read_token,
)

HOST = "t.example.com"
KEY = TrackingKey(1, 0, b"k" * 32)
SECRETS = {1: KEY.secret}
DELIVERY = IdSource(3).next(EPOCH_MS + 10**11, 5)
URL = b"https://shop.example/a?b=1&c=2#d"


def signer(key: TrackingKey = KEY, host: str = HOST) -> Signer:
    return Signer(key, host, domain_id=7, delivery_id=DELIVERY)


@pytest.mark.parametrize("kind", list(Kind))
@given(payload=st.binary(max_size=300))
def test_what_was_signed_comes_back(kind: Kind, payload: bytes) -> None:
    text = signer().token(kind, payload)

    assert read_token(text, HOST, SECRETS) == Token(kind, 7, DELIVERY, payload)
    assert len(signer().head(kind, payload)) == HEAD_LETTERS


def test_every_letter_that_is_changed_and_every_cut_makes_it_worthless() -> None:
    text = signer().token(Kind.CLICK, URL)
    others = {text[:at] + ("A" if text[at] != "A" else "B") + text[at + 1 :] for at in range(len(text))}
    others |= {text[:at] for at in range(len(text))}
    # The last letters of a token hold bits that no octet has.
    others |= {text[:-1] + letter for letter in "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"} - {
        text
    }
    others |= {text + "=", text + "A", f" {text}", text + "\n", text.lower(), "", "ä" * 40}

    assert {read_token(other, HOST, SECRETS) for other in others} == {None}


@given(st.text(alphabet="ABCDabcd0189-_=+/ \x00ä", max_size=60))
def test_strangers_letters_are_no_token(text: str) -> None:
    assert read_token(text, HOST, SECRETS) is None


def test_a_token_is_bound_to_its_host_and_key() -> None:
    text = signer().token(Kind.CLICK, URL)

    assert read_token(text, "t.other.example", SECRETS) is None
    assert read_token(text, HOST, {1: b"x" * 32}) is None
    assert read_token(text, HOST, {2: KEY.secret}) is None


def test_earlier_keys_go_on() -> None:
    newer = TrackingKey(2, 5, b"n" * 32)
    secrets = SECRETS | {2: newer.secret}

    for key in (KEY, newer):
        assert read_token(signer(key).token(Kind.OPEN), HOST, secrets) == Token(Kind.OPEN, 7, DELIVERY, b"")


def test_a_destination_cannot_be_moved_to_another_token() -> None:
    mine, other = (signer().token(Kind.CLICK, url) for url in (URL, b"https://evil.example/"))

    assert read_token(mine[:HEAD_LETTERS] + other[HEAD_LETTERS:], HOST, SECRETS) is None


def test_a_secret_is_not_shown() -> None:
    assert "k" * 8 not in repr(KEY)


def test_who_leaves_is_in_the_link_itself() -> None:
    leaving = Leaving("änn@example.net", ("News", "sale"))

    assert read_leaving(leaving_payload(leaving)) == leaving


def test_links_stay_short() -> None:
    place = Place("https://t.example.com", HOST)
    link = place.link(Kind.CLICK) + signer().token(Kind.CLICK, URL)

    assert len(link) <= len(place.origin) + 3 + HEAD_LETTERS + len(URL) * 4 // 3 + 1

"""Addresses to unsubscribe by mail."""

import random

from postroad.rendering.leaving_address import LeavingToken, make_leaving_address, mark_of, read_leaving_address

KEY, OTHER = b"k" * 32, b"o" * 32
ADDRESS = make_leaving_address(2**62 + 5, 7, "Ann@receiver.example", host="rp.news.example", key=KEY)


def test_it_is_read_in_any_case_and_under_any_of_the_keys() -> None:
    token = LeavingToken(2**62 + 5, 7, mark_of("ann@receiver.example", KEY))
    assert len(ADDRESS.partition("@")[0]) <= 64
    assert read_leaving_address(ADDRESS, [KEY]) == token
    assert read_leaving_address(ADDRESS.upper(), [OTHER, KEY]) == token


def test_it_is_worth_nothing_under_another_key_or_host() -> None:
    assert read_leaving_address(ADDRESS, [OTHER]) is None
    assert read_leaving_address(ADDRESS.replace("rp.news", "rp.other"), [KEY]) is None
    assert read_leaving_address(ADDRESS.replace("unsubscribe+", "bounce+"), [KEY]) is None


def test_no_letter_of_it_can_be_changed() -> None:
    chance = random.Random(1)
    local, _, host = ADDRESS.partition("@")
    for at in range(len("unsubscribe+"), len(local)):
        other = chance.choice([letter for letter in "0123456789abcdefghjkmnpqrstvwxyz" if letter != local[at]])
        assert read_leaving_address(f"{local[:at]}{other}{local[at + 1 :]}@{host}", [KEY]) is None
    for wrong in (
        "",
        "@",
        "unsubscribe+@rp.news.example",
        f"{local}0@{host}",
        f"{local[:-1]}@{host}",
        f"{local[:-1]}ü@{host}",
    ):
        assert read_leaving_address(wrong, [KEY]) is None


def test_the_mark_is_that_of_one_address() -> None:
    assert mark_of("ANN@receiver.example", KEY) == mark_of("ann@receiver.example", KEY)
    assert mark_of("bob@receiver.example", KEY) != mark_of("ann@receiver.example", KEY)

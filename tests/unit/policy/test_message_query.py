"""What is typed into the search box is understood as people mean it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postroad.model.ids import lowest_at, text_of
from postroad.model.search_words import destination_term, message_id_term, recipient_term, tag_term
from postroad.policy.message_query import Reading, readings, tag_query

NOW = 1_780_000_000_000
AN_ID = lowest_at(NOW - 1_000) | 12_345


def test_nothing_typed_leaves_nothing_out() -> None:
    assert readings("", NOW) == readings("  ", NOW) == (Reading(),)


def test_what_holds_no_word_finds_nothing_as_words() -> None:
    assert all(reading.beginnings or reading.terms for reading in readings("!!!", NOW))
    assert readings("?! --", NOW) == ()


def test_words_are_whole_but_the_last() -> None:
    assert readings("Réservation CONFIRMÉE hôt", NOW) == (
        Reading(terms=("reservation", "confirmee"), beginnings=("hot",)),
    )


def test_one_word_may_also_begin_an_address() -> None:
    assert readings("zoe", NOW) == (Reading(beginnings=("zoe",)), Reading(beginnings=(recipient_term("zoe"),)))


def test_tags_are_named_and_narrow_down_whatever_else_is_typed() -> None:
    assert readings("tag:orders", NOW) == (Reading(terms=(tag_term("orders"),)),)
    assert readings('menu TAG:"spring campaign " tag:ORDERS', NOW) == (
        Reading(terms=(tag_term("spring campaign"), tag_term("orders")), beginnings=("menu",)),
        Reading(terms=(tag_term("spring campaign"), tag_term("orders")), beginnings=(recipient_term("menu"),)),
    )
    assert readings("tag: ?", NOW) == readings("tag ?", NOW)
    assert readings('tag:""', NOW) == readings('tag:"', NOW) == (Reading(),)
    assert readings('tag:"spring cam', NOW) == (Reading(terms=(tag_term("spring cam"),)),)
    assert readings('tag:"a" b', NOW) == readings("tag:a b", NOW)


@given(st.text(min_size=1, max_size=40).filter(lambda tag: bool(tag.strip())))
def test_every_tag_can_be_asked_for(tag: str) -> None:
    assert readings(tag_query(tag), NOW) == (Reading(terms=(tag_term(tag.strip()),)),)


def test_an_address_is_one_or_the_beginning_of_one_or_a_message_id() -> None:
    assert readings("Zoe@exam", NOW) == (
        Reading(beginnings=(recipient_term("zoe@exam"),)),
        Reading(terms=(message_id_term("Zoe@exam"),)),
    )
    assert readings("@exam", NOW) == (Reading(beginnings=(destination_term("exam"),)),)
    assert readings("<1.a@b>", NOW)[0] == Reading(terms=(message_id_term("1.a@b"),))


def test_an_address_and_words_go_together() -> None:
    assert readings("order zoe@example.net shipped", NOW) == (
        Reading(terms=("order", "shipped"), beginnings=(recipient_term("zoe@example.net"),)),
    )


def test_an_id_or_its_beginning_is_read_as_one_first() -> None:
    whole = readings(text_of(AN_ID).lower(), NOW)
    begun = readings(text_of(AN_ID)[:7], NOW)

    assert whole[0].id_range == (AN_ID, AN_ID)
    lowest, highest = begun[0].id_range or (0, 0)
    assert lowest <= AN_ID <= highest
    assert text_of(lowest)[:7] == text_of(highest)[:7] == text_of(AN_ID)[:7]


def test_numbers_and_words_that_no_id_begins_with_yet_are_words() -> None:
    for typed in ("1234567", "order", "hello", "0123", "invoice"):
        assert all(reading.id_range is None for reading in readings(typed, NOW)), typed


@given(st.text(max_size=40))
def test_whatever_is_typed_has_readings_of_plain_terms(typed: str) -> None:
    for reading in readings(typed, NOW):
        for term in (*reading.terms, *reading.beginnings):
            assert term
            assert not any(sign in term for sign in " '\"\\&|!:*()^-+%\0")


@pytest.mark.parametrize("typed", [
    "ada@example.net,", "ada@example.net;", '"ada@example.net"', "'ada@example.net'", "mailto:ada@example.net",
    "Ada Lovelace <ada@example.net>", '"Lovelace, Ada" <ada@example.net>;', "To: <ada@example.net>",
])  # fmt: skip
def test_an_address_is_found_as_it_is_copied(typed: str) -> None:
    assert Reading(beginnings=(recipient_term("ada@example.net"),)) in readings(typed, NOW)


def test_a_message_id_is_found_with_its_name() -> None:
    assert readings("Message-ID: <1.a@b.example>", NOW) == readings("<1.a@b.example>", NOW)


@pytest.mark.parametrize("typed", ["ada@Exämple.net", "ada@exa\u0308mple.net", "ada@xn--exmple-cua.net"])
def test_a_domain_is_found_as_people_write_it(typed: str) -> None:
    assert readings(typed, NOW)[0] == Reading(beginnings=(recipient_term("ada@xn--exmple-cua.net"),))
    assert readings(typed.removeprefix("ada"), NOW) == (Reading(beginnings=(destination_term("xn--exmple-cua.net"),)),)

"""Ids: never made twice, ordered by time, and the same when a person types them back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postroad.model.ids import (
    EPOCH_MS,
    HIGHEST_ID,
    PARTITIONS,
    WORKERS,
    IdSource,
    from_text,
    lowest_at,
    made_at,
    partition_of,
    range_of,
    text_of,
    to_base32,
)

NOW = EPOCH_MS + 30_000_000_000
IDS = st.integers(0, 2**63 - 1)


@given(st.lists(st.tuples(st.integers(-5_000, 5_000), st.integers(0, PARTITIONS - 1)), min_size=1, max_size=200))
def test_ids_of_one_source_differ_and_grow_in_a_partition_whatever_the_clock_does(
    steps: list[tuple[int, int]],
) -> None:
    source = IdSource(7)

    made = [source.next(NOW + offset, partition) for offset, partition in steps]

    assert len(set(made)) == len(made)
    assert [partition_of(one) for one in made] == [partition for _, partition in steps]
    for partition in set(map(partition_of, made)):
        in_order = [one for one in made if partition_of(one) == partition]
        assert sorted(in_order) == in_order


def test_a_source_goes_on_from_where_it_was_when_the_clock_goes_back() -> None:
    source = IdSource(0)
    before = source.next(NOW, 5)

    after = source.next(NOW - 60_000, 5)

    assert after > before
    assert made_at(after) == NOW


def test_more_ids_than_a_millisecond_has_run_ahead_of_the_clock() -> None:
    source = IdSource(255)

    made = [source.next(NOW, 1023) for _ in range(33)]

    assert [made_at(one) for one in made] == [NOW] * 32 + [NOW + 1]


def test_workers_never_make_the_same_id() -> None:
    made = {IdSource(worker).next(NOW, 0) for worker in range(WORKERS)}

    assert len(made) == WORKERS


@pytest.mark.parametrize("worker", [-1, WORKERS])
def test_a_worker_number_has_eight_bits(worker: int) -> None:
    with pytest.raises(ValueError, match="0 to 255"):
        IdSource(worker)


def test_ids_fit_sixty_three_bits_until_the_year_2060() -> None:
    last = IdSource(WORKERS - 1).next(EPOCH_MS + 2**40 - 1, PARTITIONS - 1)

    assert 0 < last < 2**63
    assert from_text(text_of(last)) == last


def test_the_lowest_id_of_an_instant_bounds_those_made_at_it() -> None:
    made = IdSource(0).next(NOW, 0)

    assert lowest_at(NOW) <= made < lowest_at(NOW + 1)
    assert lowest_at(EPOCH_MS - 1) == 0


@given(IDS)
def test_an_id_reads_back_from_its_text_in_any_case_and_with_hyphens(identifier: int) -> None:
    text = text_of(identifier)

    assert len(text) == 13
    assert from_text(text) == identifier
    assert from_text(f" {text[:5].lower()}-{text[5:]} ") == identifier


@given(IDS, IDS)
def test_texts_sort_as_their_ids_do(one: int, other: int) -> None:
    assert (text_of(one) < text_of(other)) == (one < other)


def test_letters_that_are_misread_stand_for_digits() -> None:
    assert from_text("OOOOOOOOOOOIL") == from_text("0000000000011")


@pytest.mark.parametrize("text", ["", "0" * 12, "0" * 14, "U" * 13, "Z" * 13, "0000000000 00", "0000000000é00"])
def test_what_is_no_id_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not an id"):
        from_text(text)


@given(IDS, st.integers(1, 13))
def test_an_id_is_within_the_range_of_each_of_its_beginnings(identifier: int, length: int) -> None:
    lowest, highest = range_of(text_of(identifier)[:length].lower())

    assert lowest <= identifier <= highest


@pytest.mark.parametrize("text", ["", "06N%", "06N1U", "8", "Z", "0" * 14, "0" * 12 + "é"])
def test_what_no_id_begins_with_is_named_as_it_was_typed(text: str) -> None:
    with pytest.raises(ValueError, match=f"^{text!r} is not the beginning of an id: "):
        range_of(text)


@given(st.integers(0, 2**80 - 1), st.integers(1, 16))
def test_base32_writes_the_lowest_bits_letter_by_letter(value: int, letters: int) -> None:
    alphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

    expected = "".join(alphabet[value >> 5 * place & 31] for place in reversed(range(letters)))

    assert to_base32(value, letters) == expected


@pytest.mark.parametrize("year_9999", [253_402_300_799_000, 2**62])
def test_times_before_and_behind_all_ids_lead_to_ids_that_storage_can_hold(year_9999: int) -> None:
    assert lowest_at(0) == lowest_at(-year_9999) == 0
    assert lowest_at(NOW) < lowest_at(year_9999) <= HIGHEST_ID
    assert lowest_at(year_9999) == lowest_at(made_at(HIGHEST_ID))

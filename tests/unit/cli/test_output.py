from datetime import timedelta, timezone

import pytest

from postroad.cli.output import counted, duration, echo, facts, local_time, table, utc_time
from postroad.protocol.mime.date import format_date


def test_columns_are_aligned_and_lines_have_no_trailing_spaces() -> None:
    assert table(("name", "state"), [("a.example", "active"), ("long.example.org", "x\ny")]) == (
        "name              state\na.example         active\nlong.example.org  x y"
    )


def test_table_without_rows_is_its_headings() -> None:
    assert table(("name", "state"), []) == "name  state"


def test_facts_leave_out_what_is_empty_and_indent_further_lines() -> None:
    assert facts([("state", "held"), ("note", ""), ("last reply", "one\ntwo")]) == (
        "state       held\nlast reply  one\n            two"
    )


def test_instants_are_shown_in_local_time_with_zone_and_given_in_utc() -> None:
    zone = timezone(timedelta(hours=2), "CEST")

    assert local_time(1_780_000_000_123, zone) == "2026-05-28 22:26:40 CEST"
    assert utc_time(1_780_000_000_123) == "2026-05-28T20:26:40.123Z"
    assert (local_time(None), utc_time(None)) == ("-", None)


@pytest.mark.parametrize(
    ("ms", "text"),
    [
        (0, "0 s"),
        (-5, "0 s"),
        (59_999, "59 s"),
        (60_000, "1 min"),
        (3_725_000, "1 h 2 min"),
        (90_000_000, "1 d 1 h"),
        (86_400_000, "1 d"),
        (86_405_000, "1 d"),
    ],
)
def test_durations_have_their_two_largest_units(ms: int, text: str) -> None:
    assert duration(ms) == text


@pytest.mark.parametrize(("at", "year"), [(2**63 - 1, "9999"), (999_999_999_999_000, "9999"), (-(2**63), "0001")])
def test_instants_beyond_the_calendar_are_shown_as_its_nearest_end(at: int, year: str) -> None:
    assert (utc_time(at) or "").startswith(year)
    assert f" {year} " in format_date(at)
    for hours in (-14, 14):
        assert local_time(at, timezone(timedelta(hours=hours)))


def test_numbers_come_with_their_noun() -> None:
    assert [counted(1, "delivery", "deliveries"), counted(1204, "delivery", "deliveries"), counted(0, "step")] == [
        "1 delivery",
        "1,204 deliveries",
        "0 steps",
    ]


def test_what_others_wrote_does_not_command_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    echo("a\x1b]0;owned\x07 \x9b31m \u202ebdi\u2028 \tä\U0001faf8 one\r\ntwo")

    assert capsys.readouterr().out == "a\ufffd]0;owned\ufffd \ufffd31m \ufffdbdi\ufffd \tä\U0001faf8 one\ntwo\n"


def test_one_long_cell_does_not_make_its_table_wide() -> None:
    longest = "x" * 500

    assert table(("name", "state"), [("a", "b"), (longest, "c")]).splitlines() == [
        f"{'name':<64}  state",
        f"{'a':<64}  b",
        f"{longest}  c",
    ]

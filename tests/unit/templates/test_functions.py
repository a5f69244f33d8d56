"""The functions of the template language."""

import json
from typing import Any

import pytest

from postroad.templates import TemplateError, compile_template
from postroad.templates.functions import FUNCTIONS, SUBJECTS
from postroad.templates.functions.dates import PATTERN_PIECES


def render(source: str, **data: Any) -> str:
    return compile_template(source).render(data, escape=False).text


@pytest.mark.parametrize("function", FUNCTIONS.values(), ids=lambda function: function.name)
def test_example_shows_what_the_reference_says(function: Any) -> None:
    assert compile_template(function.example).render(json.loads(function.data)).text == function.shows
    assert function.name in function.example


def test_no_function_has_the_name_of_another_or_can_be_called_without_arguments() -> None:
    assert len(FUNCTIONS) == sum(map(len, SUBJECTS.values()))
    assert all(function.minimum >= 1 for function in FUNCTIONS.values())


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("{{add 1 2 3.5}}", "6.5"), ("{{add '1' ' 2 '}}", "3"), ("{{subtract 0.3 0.1}}", "0.19999999999999998"), ("{{multiply 2 3 4}}", "24"),
        ("{{divide 7 2}}", "3.5"), ("{{divide 6 2}}", "3"), ("{{mod -7 3}}", "-1"), ("{{mod 7.5 2}}", "1.5"), ("{{abs '-3.5'}}", "3.5"),
        ("{{floor -1.5}}", "-2"), ("{{ceil -1.5}}", "-1"), ("{{round 2.5}}", "3"), ("{{round -2.5}}", "-3"), ("{{round 1.005 2}}", "1.01"),
        ("{{round 12345.678 1}}", "12345.7"), ("{{round 0.00001 3}}", "0"), ("{{multiply 9007199254740991 3}}", "27021597764222972"),
        ("{{add nothing 1}}|{{round nothing}}|{{abs ''}}", "||"),
    ],
)  # fmt: skip
def test_mathematics(source: str, text: str) -> None:
    assert render(source) == text


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("{{formatNumber 1234567.5}}", "1,234,567.5"), ("{{formatNumber 999.995 2}}", "1,000.00"), ("{{formatNumber -1234 0}}", "-1,234"),
        ("{{formatNumber 0.00001}}", "0.00001"), ("{{formatNumber 5 2}}", "5.00"), ("{{formatNumber -0.001 2}}", "0.00"), ("{{formatNumber nothing}}", ""),
        ("{{formatNumber 1234.5 2 thousands=' ' decimal=','}}", "1 234,50"), ("{{formatNumber '1234.5'}}", "1,234.5"), ("{{formatNumber 1234 thousands=''}}", "1234"),
        ("{{formatMoney 12.345 'USD'}}", "$12.35"), ("{{formatMoney -5 'EUR'}}", "-€5.00"), ("{{formatMoney 1234.4 'JPY'}}", "¥1,234"), ("{{formatMoney 5}}", "5.00"),
        ("{{formatMoney 1.2345 'KWD'}}", "KWD\u00a01.235"), ("{{formatMoney 5 'CHF' after=true}}", "5.00\u00a0CHF"), ("{{formatMoney 5 'eur' symbol='EUR '}}", "EUR 5.00"),
        ("{{formatMoney 5 'EUR' places=0}}", "€5"), ("{{formatMoney nothing 'EUR'}}", ""), ("{{formatMoney '19.90' 'GBP'}}", "£19.90"),
    ],
)  # fmt: skip
def test_numbers_and_money(source: str, text: str) -> None:
    assert render(source) == text


@pytest.mark.parametrize(
    ("value", "pattern", "zone", "text"),
    [
        ("2026-11-27T06:30:05Z", "YYYY-MM-DD HH:mm:ss Z", "UTC", "2026-11-27 06:30:05 +00:00"),
        ("2026-11-27T06:30:05+02:00", "HH:mm", "UTC", "04:30"),
        (1_795_761_005, "YYYY-MM-DD HH:mm:ss", "UTC", "2026-11-27 06:30:05"),
        ("1795761005", "X", "UTC", "1795761005"),
        (1_795_761_005.25, "ss.SSS", "UTC", "05.250"),
        ("2026-07-01T12:00:00Z", "H:mm z ZZ", "Europe/Berlin", "14:00 CEST +0200"),
        ("2026-12-01T12:00:00Z", "H:mm z", "Europe/Berlin", "13:00 CET"),
        ("2026-03-29T00:59:59Z", "HH:mm", "Europe/Berlin", "01:59"),
        ("2026-03-29T01:00:00Z", "HH:mm", "Europe/Berlin", "03:00"),
        ("2026-11-27", "dddd, MMMM Do YYYY", "UTC", "Friday, November 27th 2026"),
        ("2026-11-27", "ddd D MMM YY, M/D", "America/New_York", "Thu 26 Nov 26, 11/26"),
        ("2026-01-01T00:05:00Z", "h:mm A hh a", "UTC", "12:05 AM 12 am"),
        ("2026-01-01T13:05:00Z", "h:mm A [at] [HH]", "UTC", "1:05 PM at HH"),
        ("2026-11-27T06:30:00Z", "HH:mm Z", "Asia/Kolkata", "12:00 +05:30"),
        ("0001-01-01T00:00:00Z", "YYYY", "UTC", "0001"),
        (-1, "YYYY-MM-DD", "UTC", "1969-12-31"),
        ("", "YYYY", "UTC", ""),
        (None, "YYYY", "UTC", ""),
    ],
)
def test_dates(value: Any, pattern: str, zone: str, text: str) -> None:
    assert render("{{formatDate value pattern zone}}", value=value, pattern=pattern, zone=zone) == text


def test_dates_in_another_language() -> None:
    months = "Januar,Februar,März,April,Mai,Juni,Juli,August,September,Oktober,November,Dezember"
    days = "Montag, Dienstag, Mittwoch, Donnerstag, Freitag, Samstag, Sonntag"
    source = "{{formatDate '2026-03-06' 'dddd, D. MMMM YYYY' 'UTC' months=months days=days}}"

    assert render(source, months=months, days=days) == "Freitag, 6. März 2026"
    with pytest.raises(TemplateError, match="months= has 12 names"):
        render(source, months="a,b", days=days)


@pytest.mark.parametrize(
    "zone", ["../etc/passwd", "/etc/passwd", "Europe", "Nowhere/City", "Europe/Berlin\0", "a" * 100, "Europe/../UTC"]
)
def test_what_is_no_time_zone_is_refused(zone: str) -> None:
    with pytest.raises(TemplateError, match="is no time zone"):
        render("{{formatDate 0 'YYYY' zone}}", zone=zone)


@pytest.mark.parametrize("value", [1e300, -1e300, "99999-01-01", 253_402_300_800, True, [], {}, "soon"])
def test_what_is_no_date_is_refused(value: Any) -> None:
    with pytest.raises(TemplateError):
        render("{{formatDate value}}", value=value)


def test_every_piece_of_a_pattern_is_written() -> None:
    assert len(PATTERN_PIECES) == 27
    assert all(render("{{formatDate 0 piece}}", piece=piece) not in {"", piece} for piece in PATTERN_PIECES)


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("{{capitalize 'éa'}}{{upper 'ß'}}{{lower 'ÀB'}}", "ÉaSSàb"), ("{{truncate 'abcdef' 6}}{{truncate 'abcdef' 5}}", "abcdefabcd…"),
        ("{{truncate 'abc def' 5 '...'}}", "ab..."), ("{{truncate 'abcdef' 2 '...'}}", ".."), ("{{truncate 'abc' 0}}", ""),
        ("{{substring 'abcdef' 2}} {{substring 'abcdef' 1 3}} {{substring 'a' 5}}", "cdef bc "), ("{{replace 'aXbX' 'X' ''}}{{replace 'a' '' 'b'}}", "aba"),
        ("{{length (split 'a,b,')}} {{length (split '')}} {{join (split 'abc' '') '-'}}", "3 0 a-b-c"), ("{{contains 'abc' 'b'}} {{contains list 2}} {{contains list '2'}}", "true true false"),
        ("{{contains map 'k'}} {{contains nothing 'k'}} {{startsWith 'ab' 'a'}} {{endsWith 'ab' 'a'}}", "true false true false"),
        ("{{join list}} {{join 'x'}} {{join nothing}}", "1, 2 x "), ("{{length list}} {{length map}} {{length 'äö'}} {{length 5}} {{length nothing}}", "2 1 2 0 0"),
        ("{{default '' 'x'}} {{default 0 5}} {{default nothing null 'z'}} {{default false 1}}", "x 0 z false"),
        ("{{json null}} {{json 'é\"<'}} {{json 1.50}} {{json true}}", 'null "é\\"<" 1.5 true'), ("{{urlencode 'ä/ ~'}}", "%C3%A4%2F%20~"),
        ("{{eq 1 true}} {{eq '' 0}} {{eq nothing null}} {{eq list list}} {{eq 1 1.0}} {{ne 1 '1'}}", "false false true true true true"),
        ("{{gt '10' 9}} {{gt '10' '9'}} {{lt 'x' 1}} {{gte null 0}} {{lte '1.0' 1}}", "true false false false true"),
        ("{{and 1 0 2}} {{or 0 '' 'x'}} {{or 0 ''}}| {{not map}}", "0 x | false"), ("{{lookup list 1}} {{lookup map 'k'}} {{lookup 'abc' 0}} {{lookup null 1}}", "2 v a "),
        ("{{trim '  a b\n'}}|{{concat 'a' 1 true null}}", "a b|a1true"),
    ],
)  # fmt: skip
def test_texts_and_data(source: str, text: str) -> None:
    assert render(source, list=[1, 2], map={"k": "v"}) == text


@pytest.mark.parametrize(
    "source",
    [
        "{{add 'x' 1}}",
        "{{add true 1}}",
        "{{multiply big big}}",
        "{{round 1 21}}",
        "{{round 1 1.5}}",
        "{{mod 1 0}}",
        "{{add '1_000' 1}}",
        "{{add 'nan' 1}}",
    ],
)
def test_what_cannot_be_worked_out_is_refused(source: str) -> None:
    with pytest.raises(TemplateError):
        render(source, big=1e300)

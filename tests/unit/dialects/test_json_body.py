"""JSON octets of whatever strangers wrote."""

import json

import msgspec

from postroad.dialects.json_body import json_body


def test_half_of_a_surrogate_pair_becomes_a_question_mark_and_all_else_stays() -> None:
    value = {"subject": "Über \ud83d und \N{PILE OF POO}", "n": [1, 2.5, None, True], "nul": "\0"}

    assert json.loads(json_body(value)) == value | {"subject": "Über ? und \N{PILE OF POO}"}
    assert json_body({"a": (1, 2)}) == b'{"a":[1,2]}'


def test_numbers_that_json_does_not_have_become_null_whichever_way_it_is_written() -> None:
    assert json_body({"a": float("nan")}) == b'{"a":null}'
    assert json_body({"a": float("inf"), "b": "\ud800"}) == b'{"a":null,"b":"?"}'


class _Told(msgspec.Struct):
    subject: str


def test_half_of_a_surrogate_pair_in_a_structure_becomes_one_too() -> None:
    assert json_body({"told": (_Told("\ud800"),)}) == b'{"told":[{"subject":"?"}]}'

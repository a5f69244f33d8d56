"""A message's variables as one recipient's events tell them."""

import pytest

from postroad.model.options import OnMissing
from postroad.rendering.told_variables import differs_by_recipient, told_variables

HEADER = b"From: a@news.example\r\nTo: Ada Lovelace <ada@example.net>\r\nSubject: x\r\n\r\nbody"


@pytest.mark.parametrize(
    ("variables", "differs"),
    [
        ({}, False),
        ({"order": 7, "rate": "100% of recipients"}, False),
        ({"user": "%recipient.id%"}, True),
        ({"deep": [{"er": "x%recipient_email%"}]}, True),
    ],
)
def test_variables_differ_where_a_placeholder_stands_in_them(variables: dict[str, object], differs: bool) -> None:
    assert differs_by_recipient(variables) is differs


def test_each_recipient_s_values_stand_in_place_of_placeholders_and_all_else_keeps_its_type() -> None:
    variables = {"user": "u-%recipient.id%", "to": "%recipient%", "n": 7, "list": [None, "%recipient.name%"]}

    told = told_variables(variables, "ada@example.net", {"id": 42, "name": "Ada"}, header=HEADER)

    assert told == {"user": "u-42", "to": "Ada Lovelace <ada@example.net>", "n": 7, "list": [None, "Ada"]}


def test_value_that_is_missing_is_told_as_the_copy_has_it() -> None:
    variables = {"user": "%recipient.id%"}

    assert told_variables(variables, "ada@example.net", {}) == {"user": ""}
    assert told_variables(variables, "ada@example.net", {}, on_missing=OnMissing.KEEP) == variables


def test_values_that_no_copy_can_hold_leave_the_variables_as_they_are() -> None:
    variables = {"user": "%recipient.id%" * 3}

    assert told_variables(variables, "ada@example.net", {"id": "x" * 500_000}) == variables

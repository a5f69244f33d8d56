"""Comparisons: for ``{{#if (gt a b)}}``, and at the head of a block themselves, ``{{#gt a b}} … {{else}} … {{/gt}}``."""

from typing import Any

from postroad.templates.errors import FunctionError
from postroad.templates.functions.function import Function, number
from postroad.templates.values import is_true


def _eq(one: Any, other: Any) -> bool:
    """As ``===`` in JavaScript: 5 and "5" differ, 1 and true too, and lists are equal to themselves only."""
    if isinstance(one, dict | list) or isinstance(other, dict | list):
        return one is other
    return (one.__class__ is bool) == (other.__class__ is bool) and bool(one == other)


def _ne(one: Any, other: Any) -> bool:
    return not _eq(one, other)


def _order(one: Any, other: Any) -> int | None:
    """Return −1, 0 or 1; null where the two have no order."""
    if one.__class__ is not str or other.__class__ is not str:
        try:
            one, other = number(one), number(other)
        except FunctionError:
            return None
    return bool(one > other) - bool(one < other)


def _lt(one: Any, other: Any) -> bool:
    return _order(one, other) == -1


def _gt(one: Any, other: Any) -> bool:
    return _order(one, other) == 1


def _lte(one: Any, other: Any) -> bool:
    return _order(one, other) in {-1, 0}


def _gte(one: Any, other: Any) -> bool:
    return _order(one, other) in {0, 1}


def _and(*values: Any) -> Any:
    for value in values:
        if not is_true(value):
            return value
    return values[-1]


def _or(*values: Any) -> Any:
    for value in values:
        if is_true(value):
            return value
    return values[-1]


def _not(value: Any) -> bool:
    return not is_true(value)


FUNCTIONS = (
    Function(
        "eq", _eq, "a b", "True where both are the same; 5 and \"5\" are not.",
        '{{#eq plan "pro"}}Thank you.{{else}}Upgrade?{{/eq}}', '{"plan": "pro"}', "Thank you.", 2, 2, takes_missing=True, is_condition=True),
    Function(
        "ne", _ne, "a b", "True where they are not the same.",
        '{{#if (ne country "DE")}}Plus shipping.{{/if}}', '{"country": "FR"}', "Plus shipping.", 2, 2, takes_missing=True, is_condition=True),
    Function(
        "lt", _lt, "a b", "True where a is less than b. Two texts are compared by their characters, all else as numbers; "
        "what is no number has no order.",
        "{{#if (lt stock 3)}}Only {{stock}} left{{/if}}", '{"stock": 2}', "Only 2 left", 2, 2, takes_missing=True, is_condition=True),
    Function("lte", _lte, "a b", "True where a is at most b.", "{{#lte age 17}}minor{{else}}adult{{/lte}}", '{"age": 17}', "minor", 2, 2, takes_missing=True, is_condition=True),
    Function("gt", _gt, "a b", "True where a is greater than b.", "{{#gt points 100}}Gold{{/gt}}", '{"points": "120"}', "Gold", 2, 2, takes_missing=True, is_condition=True),
    Function("gte", _gte, "a b", "True where a is at least b.", "{{#gte total 50}}free{{/gte}}", '{"total": 50}', "free", 2, 2, takes_missing=True, is_condition=True),
    Function(
        "and", _and, "a b …", "The first value that counts as false, or the last: true where all are.",
        "{{#if (and paid (gt count 0))}}shipped{{/if}}", '{"paid": true, "count": 2}', "shipped",
        2, None, takes_missing=True, is_condition=True,
    ),
    Function(
        "or", _or, "a b …", "The first value that counts as true, or the last.",
        'Dear {{or nickname name "customer"}}', '{"name": "Ada"}', "Dear Ada",
        2, None, takes_missing=True, is_condition=True,
    ),
    Function(
        "not", _not, "a", "True where a counts as false.",
        "{{#if (not confirmed)}}Please confirm.{{/if}}", '{"confirmed": false}', "Please confirm.",
        takes_missing=True, is_condition=True,
    ),
)  # fmt: skip

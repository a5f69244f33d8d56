"""What does not fit is told by its field in words of our own, in queries and in bodies."""

import itertools
import re
from datetime import datetime
from typing import Annotated, Any

import msgspec
import pytest
from msgspec import Meta

from postroad.dialects.postroad.events import EventsQuery
from postroad.dialects.postroad.message import NewMessage, read_new_message
from postroad.dialects.postroad.operations import OPERATIONS
from postroad.dialects.postroad.problem import Fault
from postroad.dialects.postroad.reading import read_body, read_query
from postroad.model.event import EventType

WORDS_OF_PYTHON = re.compile(
    r"Expected|Invalid|Object|Timestamp|`(int|str|float|bool|array|object|null|datetime)\b|\$|recursion"
)
WRONG: tuple[Any, ...] = (
    None, 5, -1, 0, 10**30, 1.5, 1e400, True, "", "x" * 70_000, "nope", "0001-01-01T00:00:00+14:00", "2026-01-01",
    [], [5], ["nope"], [[]], [{}], ["x"] * 2000, {}, {"a": 5}, {"a": {}}, {"a": []}, {"x" * 500: "y"},
)  # fmt: skip


class Part(msgspec.Struct, forbid_unknown_fields=True):
    url: Annotated[str, Meta(min_length=1)]


class Sample(msgspec.Struct, forbid_unknown_fields=True):
    limit: Annotated[int, Meta(ge=1, le=100)] = 50
    share: Annotated[float, Meta(ge=0)] | None = None
    at: Annotated[datetime, Meta(tz=True)] | None = None
    content: bytes = b""
    parts: Annotated[tuple[Part | Annotated[str, Meta(max_length=9)], ...], Meta(max_length=3)] = ()
    named: dict[str, dict[str, int]] = {}
    is_on: bool = False
    word: Annotated[str, Meta(pattern="^[a-z]*$")] = ""


@pytest.mark.parametrize(
    ("document", "fault"),
    [
        ({"limit": 101}, Fault("It must be a whole number, 1 to 100.", "limit", "value")),
        ({"limit": "x"}, Fault("It must be a whole number, 1 to 100.", "limit", "type")),
        ({"share": "x"}, Fault("It must be a number, at least 0, or null.", "share", "type")),
        (
            {"at": "soon"},
            Fault("It must be a time with its offset, such as 2026-11-28T09:30:00Z, or null.", "at", "value"),
        ),
        ({"content": "%"}, Fault("It must be a text in base64.", "content", "value")),
        ({"parts": ["a"] * 4}, Fault("It must be a list of at most 3 values.", "parts", "value")),
        ({"parts": ["a", 5]}, Fault("It must be an object or a text of at most 9 characters.", "parts.1", "type")),
        ({"parts": ["a", {"url": ""}]}, Fault("It must be a text that is not empty.", "parts.1.url", "value")),
        ({"parts": [{}]}, Fault("It is required.", "parts.0.url", "required")),
        ({"parts": [{"url": "a", "b": 1}]}, Fault("There is no such field.", "parts.0.b", "unknown")),
        ({"named": {"a": 5}}, Fault("Each of its members must be an object.", "named", "type")),
        ({"named": {"a": {"b": "c"}}}, Fault("Each of its members must be a whole number.", "named", "type")),
        ({"is_on": 5}, Fault("It must be true or false.", "is_on", "type")),
        ({"word": "A"}, Fault("It must be a text that matches ^[a-z]*$.", "word", "value")),
        ({"other": 5}, Fault("There is no such field.", "other", "unknown")),
    ],
)
def test_what_a_body_holds_is_told_by_its_place_and_with_what_fits(document: dict[str, Any], fault: Fault) -> None:
    assert read_body(Sample, document) == [fault]


def test_a_query_is_told_the_same_but_has_no_null() -> None:
    assert read_query(Sample, [("limit", "101"), ("at", "soon"), ("is_on", "perhaps")]) == [
        Fault("It must be a whole number, 1 to 100.", "limit", "value"),
        Fault("It must be a time with its offset, such as 2026-11-28T09:30:00Z.", "at", "value"),
        Fault("It must be true or false.", "is_on", "type"),
    ]


def test_an_event_type_that_is_none_is_told_with_those_that_are() -> None:
    read = read_query(EventsQuery, [("type", "nope"), ("limit", "101")])

    assert isinstance(read, list)
    assert {one.field: one.detail for one in read} == {
        "type.0": f"It must be one of {', '.join(f'`{kind.value}`' for kind in EventType)}.",
        "limit": "It must be a whole number, 1 to 100.",
    }


def test_no_call_is_answered_in_words_of_python() -> None:
    faults: list[Fault] = []
    queries = {one.query for one in OPERATIONS if one.query is not None}
    bodies = {one.body for one in OPERATIONS if one.body is not None}
    for kind in queries | bodies - {NewMessage}:
        for field, wrong in itertools.product(msgspec.structs.fields(kind), WRONG):
            read: Any = (
                read_query(kind, [(field.encode_name, str(wrong))])
                if kind in queries
                else read_body(kind, {field.encode_name: wrong})
            )
            faults += read if isinstance(read, list) else []
    for field in msgspec.structs.fields(NewMessage):
        for wrong in (*WRONG, nested(3000)):
            read = read_new_message({field.encode_name: wrong})
            faults += read if isinstance(read, list) else []

    assert len(set(faults)) > 100
    assert [one for one in faults if WORDS_OF_PYTHON.search(one.detail)] == []
    assert [one for one in faults if ".." in f"{one.field}"] == []


def nested(depth: int) -> Any:
    value: Any = {}
    for _ in range(depth):
        value = {"a": value}
    return value

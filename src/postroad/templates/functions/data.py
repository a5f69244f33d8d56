"""What helps with the data itself: something in its place, lists, keys, and JSON."""

import json
from typing import Any

from postroad.templates.errors import FunctionError
from postroad.templates.functions.function import Function, text
from postroad.templates.limits import NESTING_STOP, VALUE_STOP
from postroad.templates.values import UNDEFINED, child, number_text


def _default(value: Any, *others: Any) -> Any:
    for other in others:
        if value is not None and value != "":
            break
        value = other
    return value


def _join(items: Any, separator: Any = ", ") -> str:
    if items is None:
        return ""
    if items.__class__ is not list:
        return text(items)
    between = text(separator)
    texts, length = [], 0
    for item in items:
        written = text(item)
        length += len(written) + len(between)
        if length > VALUE_STOP + len(between):
            raise FunctionError(f"the text would be longer than {VALUE_STOP} characters")
        texts.append(written)
    return between.join(texts)


def _lookup(value: Any, key: Any) -> Any:
    # As in Handlebars: of something that counts as false comes that.
    if value is None or value in (False, ""):
        return value
    return UNDEFINED if isinstance(key, list | dict) else child(value, text(key))


def _length(value: Any) -> int:
    return len(value) if isinstance(value, list | dict | str) else 0


def _json_text(value: Any) -> str:
    pieces: list[str] = []
    _write_json(value, pieces, [VALUE_STOP], 0)
    return "".join(pieces)


def _write_json(value: Any, pieces: list[str], room: list[int], depth: int) -> None:
    if depth > NESTING_STOP:
        raise FunctionError("the data are nested too deeply")
    kind = value.__class__
    if kind is list:
        _put("[", pieces, room)
        for index, item in enumerate(value):
            if index:
                _put(",", pieces, room)
            _write_json(item, pieces, room, depth + 1)
        _put("]", pieces, room)
    elif kind is dict:
        _put("{", pieces, room)
        for index, (key, item) in enumerate(value.items()):
            _put(f"{',' if index else ''}{_quoted(key)}:", pieces, room)
            _write_json(item, pieces, room, depth + 1)
        _put("}", pieces, room)
    elif kind is str:
        _put(_quoted(value), pieces, room)
    elif value is None:
        _put("null", pieces, room)
    elif kind is bool:
        _put("true" if value else "false", pieces, room)
    else:
        written = number_text(value)
        _put("null" if written[-1:] in "yN" else written, pieces, room)


def _quoted(value: str) -> str:
    return json.dumps(value, ensure_ascii=False)


def _put(piece: str, pieces: list[str], room: list[int]) -> None:
    room[0] -= len(piece)
    if room[0] < 0:
        raise FunctionError(f"the text would be longer than {VALUE_STOP} characters")
    pieces.append(piece)


FUNCTIONS = (
    Function(
        "default", _default, "value other …", "The first of them that is there, and is neither null nor the empty text.",
        'Dear {{default name "customer"}}', "{}", "Dear customer", 2, None, takes_missing=True,
    ),
    Function(
        "join", _join, "list separator?", "The items of a list in one text, with the separator (`, `) between them.",
        '{{join cities " – "}}', '{"cities": ["Rome", "Oslo"]}', "Rome – Oslo", 1, 2,
    ),
    Function(
        "lookup", _lookup, "value key", "What the value has under a key that is made while rendering.",
        "{{lookup prices sku}}", '{"prices": {"a1": 5}, "sku": "a1"}', "5", 2, 2, takes_missing=True,
    ),
    Function(
        "length", _length, "value", "How many items, keys or characters it has; nothing has none.",
        "{{length items}} items", '{"items": [1, 2, 3]}', "3 items", takes_missing=True,
    ),
    Function("json", _json_text, "value", "The value as JSON.", "{{{json order}}}", '{"order": {"id": 7, "tags": ["a"]}}', '{"id":7,"tags":["a"]}', work=16),
)  # fmt: skip

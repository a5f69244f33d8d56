"""What values a setting takes, in words: for the reference, and for who gave one that does not fit."""

import re
from typing import Literal

import msgspec
from msgspec import inspect

Kind = Literal["int", "float", "bool", "text", "list", "choice", "table"]

_PLACE = re.compile(r"^(?P<what>.*) - at `(?:key` in `)?\$\.?(?P<path>.*)`$", re.DOTALL)
_STEP = re.compile(r"[^.\[\]]+|\[[^\]]*\]")
_MISSING = re.compile(r"Object missing required field `(.*)`")
_UNKNOWN = re.compile(r"Object contains unknown field `(.*)`")
_TYPE_FAULT = re.compile(r"Expected `|Invalid ")


class Misfit(msgspec.Struct, frozen=True):
    """A value that a setting does not take."""

    path: str
    """Of the setting, with dots between the levels; empty for the whole."""
    text: str
    """What is wrong with it, as the end of a sentence: ``must be a whole number, 1 to 65535``."""


def misfit(struct: type[msgspec.Struct], error: msgspec.ValidationError) -> Misfit:
    """Return what an error of reading a struct's fields says, in the words of who writes settings."""
    what, path = split_place(str(error))
    if missing := _MISSING.match(what):
        return Misfit(path, f"needs {missing[1]}")
    if unknown := _UNKNOWN.match(what):
        return Misfit(path, f"holds {unknown[1]}, which is not a setting")
    if _TYPE_FAULT.match(what):
        return Misfit(path, f"must be {_expected(type_at(inspect.type_info(struct), path))}")
    # A check of our own.
    return Misfit(path, what)


def split_place(text: str) -> tuple[str, str]:
    """Return what an error says, and the path of the value within what was read; the whole has an empty path."""
    found = _PLACE.match(text)
    return (found["what"], found["path"]) if found else (text, "")


def unwrapped(info: inspect.Type) -> tuple[inspect.Type, str]:
    """Take the sentence off a type, and ``None`` out of a union."""
    sentence = ""
    while isinstance(info, inspect.Metadata):
        sentence = sentence or (info.extra_json_schema or {}).get("description", "")
        info = info.type
    if isinstance(info, inspect.UnionType):
        kept = [one for one in info.types if not isinstance(one, inspect.NoneType)]
        if len(kept) == 1:
            inner, inner_sentence = unwrapped(kept[0])
            return inner, sentence or inner_sentence
    return info, sentence


def kind_of(info: inspect.Type) -> tuple[Kind, str]:
    """Return the kind of a type, and the type with its bounds in words; raises TypeError for what no setting is."""
    match info:
        case inspect.IntType():
            return "int", "whole number" + _bounds(info.ge, info.le)
        case inspect.FloatType():
            return "float", "number" + _bounds(info.ge, info.le)
        case inspect.BoolType():
            return "bool", "true or false"
        case inspect.StrType():
            return "text", "text"
        case inspect.LiteralType():
            return "choice", "one of " + ", ".join(f"`{value}`" for value in info.values)
        case inspect.EnumType():
            return "choice", "one of " + ", ".join(f"`{member.value}`" for member in info.cls)
        case inspect.VarTupleType() | inspect.ListType():
            return "list", "list of " + _plural(unwrapped(info.item_type)[0])
        case inspect.DictType():
            value = unwrapped(info.value_type)[0]
            named = "a table" if isinstance(value, inspect.StructType) else kind_of(value)[1]
            return "table", f"table: for each name {named}"
        case _:
            raise TypeError(f"settings have no form for {type(info).__name__}")


def type_at(info: inspect.Type, path: str) -> inspect.Type:
    """Return the type that a type has at a path within its values."""
    for step in _STEP.findall(path):
        info, _ = unwrapped(info)
        if isinstance(info, inspect.UnionType):
            info = next(one for one in map(_bare, info.types) if isinstance(one, _HOLDING[step.startswith("[")]))
        match info:
            case inspect.StructType():
                info = next(field.type for field in info.fields if field.encode_name == step)
            case inspect.DictType():
                info = info.value_type
            case inspect.VarTupleType() | inspect.ListType():
                info = info.item_type
    return info


_HOLDING = {
    True: (inspect.DictType, inspect.VarTupleType, inspect.ListType),
    False: (inspect.StructType,),
}
"""What can hold a value at a step of a path, by whether the step is in brackets."""


def _bare(info: inspect.Type) -> inspect.Type:
    return unwrapped(info)[0]


def _expected(info: inspect.Type) -> str:
    info, _ = unwrapped(info)
    match info:
        case inspect.StructType():
            return "a table of settings"
        case inspect.DictType():
            return "a table"
        case inspect.StrType(min_length=int() as shortest, max_length=int() as longest):
            return f"a text of {shortest} to {longest} characters"
        case inspect.StrType(max_length=int() as longest):
            return f"a text of at most {longest} characters"
        case inspect.StrType(min_length=1):
            return "a text that is not empty"
        case inspect.VarTupleType(min_length=1):
            return f"a {kind_of(info)[1]} that is not empty"
        case inspect.StrType(pattern=str() as pattern):
            return f"a text that matches {pattern}"
    kind, words = kind_of(info)
    return words.replace("`", "") if kind in {"bool", "choice"} else f"a {words}"


def _plural(item: inspect.Type) -> str:
    if isinstance(item, inspect.StructType):
        return "tables"
    kind, type_text = kind_of(item)
    return {"int": "whole numbers", "float": "numbers", "text": "texts"}.get(kind, type_text)


def _bounds(low: float | None, high: float | None) -> str:
    match low, high:
        case None, None:
            return ""
        case _, None:
            return f", at least {low}"
        case None, _:
            return f", at most {high}"
    return f", {low} to {high}"

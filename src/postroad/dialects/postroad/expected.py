"""What a field of our own API takes, in words: for who gave something else."""

import functools
import re
from typing import Any

from msgspec import inspect

from postroad.model.setting_type import kind_of, split_place, type_at, unwrapped

_NUMBER = re.compile(r"\[\d+\]")
_OF_MSGSPEC = "Expected ", "Invalid ", "Integer ", "Number ", "Timestamp "
"""How its sentences begin that say in words of Python what the type says in ours."""


def said_of(error: Exception, kind: Any, *, is_strict: bool) -> tuple[str, str, bool]:
    """Return what an error of reading a value says: a sentence, the place within it, and whether its kind is wrong.

    Args:
        error: What reading it raised.
        kind: What the value should be.
        is_strict: Whether it is of a document, in which alone there is null.
    """
    if isinstance(error, RecursionError):
        return "It is nested too deeply.", "", False
    what, path = split_place(str(error))
    if isinstance(error, OverflowError) or what.startswith(_OF_MSGSPEC):
        subject = "Each of its members" if path.endswith("[...]") else "It"
        what = f"{subject} must be {_expected_at(kind, _NUMBER.sub('[0]', path), takes_null=is_strict)}"
    return f"{what}.", path, ", got " in str(error)


@functools.lru_cache(maxsize=1024)
def _expected_at(kind: Any, path: str, *, takes_null: bool) -> str:
    return expected(type_at(inspect.type_info(kind), path), takes_null=takes_null)


def expected(info: inspect.Type, *, takes_null: bool = True) -> str:
    """Return what a type takes, as the end of a sentence: ``a whole number, 1 to 100``."""
    info, may_be_null = _without_null(info)
    if may_be_null:
        return f"{expected(info)}, or null" if takes_null else expected(info)
    match info:
        case inspect.UnionType():
            return " or ".join(expected(one) for one in info.types)
        case inspect.StrType():
            return _text(info)
        case inspect.DateTimeType():
            return "a time with its offset, such as 2026-11-28T09:30:00Z"
        case inspect.BytesType():
            return "a text in base64"
        case inspect.StructType() | inspect.DictType():
            return "an object" + _many(getattr(info, "min_length", None), getattr(info, "max_length", None), "members")
        case inspect.VarTupleType() | inspect.ListType() | inspect.SetType() | inspect.FrozenSetType():
            return "a list" + _many(info.min_length, info.max_length, "values")
        case inspect.IntType() | inspect.FloatType():
            return f"a {kind_of(info)[1]}"
        case inspect.BoolType() | inspect.LiteralType() | inspect.EnumType():
            return kind_of(info)[1]
    return "another value"


def _without_null(info: inspect.Type) -> tuple[inspect.Type, bool]:
    while isinstance(info, inspect.Metadata):
        info = info.type
    if not isinstance(info, inspect.UnionType):
        return info, False
    kept = tuple(one for one in info.types if not isinstance(one, inspect.NoneType))
    inner = unwrapped(kept[0])[0] if len(kept) == 1 else inspect.UnionType(kept)
    return inner, len(kept) < len(info.types)


def _text(info: inspect.StrType) -> str:
    if info.pattern is not None:
        return f"a text that matches {info.pattern}"
    if info.min_length == 1 and info.max_length is None:
        return "a text that is not empty"
    return "a text" + _many(info.min_length, info.max_length, "characters")


def _many(least: int | None, most: int | None, what: str) -> str:
    if not least and most is None:
        return ""
    if not least:
        return f" of at most {most} {what}"
    return f" of at least {least} {what}" if most is None else f" of {least} to {most} {what}"

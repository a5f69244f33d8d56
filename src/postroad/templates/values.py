"""What templates do with data: look into it, ask whether it is true, and write it as text, all as JavaScript would.

Data are dicts with text keys, lists, texts, numbers, booleans and None, and nothing else is ever looked into: no
attribute of an object can be reached, because none is asked for.
"""

import math
import re
from typing import Any, Final

from postroad.templates.errors import FunctionError
from postroad.templates.limits import NESTING_STOP, VALUE_STOP

has_special = re.compile("[&<>\"'`=]").search
"""Whether a text has characters that HTML would not show as they are."""
_EXACT_INTEGERS = 10**21


class Undefined:
    """The value of what is not there, which is not the same as a null that is."""

    __slots__ = ()

    def __bool__(self) -> bool:
        return False

    def __repr__(self) -> str:
        return "UNDEFINED"


UNDEFINED: Final = Undefined()


def child(value: Any, key: str) -> Any:
    """Return what ``value.key`` means; UNDEFINED where it means nothing."""
    kind = value.__class__
    if kind is dict:
        return value.get(key, UNDEFINED)
    if kind is list or kind is str:
        if key == "length":
            return len(value)
        if key.isdecimal() and key.isascii() and len(key) < 10 and (key[0] != "0" or key == "0"):
            index = int(key)
            return value[index] if index < len(value) else UNDEFINED
    return UNDEFINED


def descend(value: Any, keys: tuple[str, ...]) -> Any:
    """Return what a path means, beginning at ``value``."""
    for key in keys:
        value = value.get(key, UNDEFINED) if value.__class__ is dict else child(value, key)
    return value


def is_true(value: Any) -> bool:
    """Return what ``{{#if value}}`` makes of it: nothing, 0, "", false and an empty list are false."""
    return bool(value) or value.__class__ is dict


def has_content(value: Any) -> bool:
    """Return what ``{{#with value}}`` makes of it: as ``is_true``, but 0 is something."""
    return bool(value) or value.__class__ is dict or value.__class__ is int or value.__class__ is float


def are_same(one: Any, other: Any) -> bool:
    """Say whether two contexts are one, so that ``../`` does not lead from one to the other."""
    if one is other:
        return True
    # Long texts are compared by identity: this is asked at each turn of a loop.
    kind = one.__class__
    return kind is not dict and kind is not list and (kind is not str or len(one) < 1000) and bool(one == other)


def escape(text: str) -> str:
    """Return text as HTML, with the table of handlebars.js."""
    return text if has_special(text) is None else replaced(text)


def replaced(text: str) -> str:
    """Return text as HTML where something in it must change."""
    return (
        text.replace("&", "&amp;")
        .replace("<", "&lt;")
        .replace(">", "&gt;")
        .replace('"', "&quot;")
        .replace("'", "&#x27;")
        .replace("`", "&#x60;")
        .replace("=", "&#x3D;")
    )


def text_of(value: Any, depth: int = 0) -> str:
    """Return a value as JavaScript writes it; nothing where there is none."""
    kind = value.__class__
    if kind is str:
        return value  # type: ignore[no-any-return]
    if value is None or value is UNDEFINED:
        return ""
    if kind is bool:
        return "true" if value else "false"
    if kind is int or kind is float:
        return number_text(value)
    if kind is dict:
        return "[object Object]"
    if kind is list:
        return _list_text(value, depth)
    raise TypeError(f"a template was given {kind.__name__}, which is not plain data")


def _list_text(items: list[Any], depth: int) -> str:
    if depth >= NESTING_STOP:
        raise FunctionError("lists are nested too deeply to be written")
    texts, length = [], 0
    for item in items:
        text = text_of(item, depth + 1)
        length += len(text) + 1
        if length > VALUE_STOP:
            raise FunctionError(f"the list makes a text of more than {VALUE_STOP} characters")
        texts.append(text)
    return ",".join(texts)


def number_text(number: float) -> str:
    """Return a number as JavaScript prints it; whole numbers below 10²¹ keep all their digits."""
    if number.__class__ is int and -_EXACT_INTEGERS < number < _EXACT_INTEGERS:
        return str(number)
    value = as_float(number)
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return _float_text(value)


def as_float(number: float) -> float:
    """Return a number in double precision; one that is too large becomes infinite."""
    try:
        return float(number)
    except OverflowError:
        return math.inf if number > 0 else -math.inf


def _float_text(value: float) -> str:
    # The shortest digits that read back as the same number are what both languages print; only the notation differs
    # (ECMA-262 §6.1.6.1.20).
    if value == 0:
        return "0"
    sign = "-" if value < 0 else ""
    mantissa, _, exponent = repr(abs(value)).partition("e")
    whole, _, fraction = mantissa.partition(".")
    point = len(whole) + int(exponent or 0)
    digits = whole + fraction
    point -= len(digits) - len(digits.lstrip("0"))
    digits = digits.strip("0")
    count = len(digits)
    if count <= point <= 21:
        return sign + digits + "0" * (point - count)
    if 0 < point <= 21:
        return f"{sign}{digits[:point]}.{digits[point:]}"
    if -6 < point <= 0:
        return f"{sign}0.{'0' * -point}{digits}"
    power = point - 1
    tail = f".{digits[1:]}" if count > 1 else ""
    return f"{sign}{digits[0]}{tail}e{'+' if power > 0 else '-'}{abs(power)}"

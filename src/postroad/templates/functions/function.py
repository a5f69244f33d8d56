"""What a function of the language is, and how it reads its arguments.

Arguments are plain data, and None where the data has nothing. A function that cannot work with one raises
FunctionError with half a sentence; one that would write a number or a date of nothing writes nothing.
"""

import math
from collections.abc import Callable
from typing import Any

import msgspec

from postroad.templates.errors import FunctionError
from postroad.templates.limits import VALUE_STOP
from postroad.templates.values import as_float, text_of

_EXACT = 2**53


class Function(msgspec.Struct, frozen=True):
    """A function, as templates call it and as the reference describes it."""

    name: str
    run: Callable[..., Any]
    usage: str
    """Its arguments, as the reference shows them."""
    summary: str
    """What it does, in a sentence."""
    example: str
    """A template that uses it."""
    data: str
    """The data of the example, in JSON."""
    shows: str
    """What the example makes of the data."""
    minimum: int = 1
    maximum: int | None = 1
    """How many arguments it takes; without end where null."""
    options: tuple[str, ...] = ()
    takes_missing: bool = False
    """It asks whether a variable is there, so that a missing one is not worth a note."""
    work: int = 1
    """How many steps it takes: one is about half a microsecond."""
    is_condition: bool = False
    """It may stand at the head of a block, with an else."""

    def arity_text(self) -> str:
        """Return how many arguments it takes, in words."""
        most = self.maximum
        if most == self.minimum:
            return f"{most} argument{'' if most == 1 else 's'}"
        return f"at least {self.minimum} arguments" if most is None else f"{self.minimum} to {most} arguments"


def text(value: Any) -> str:
    """Read an argument as text; nothing is the empty text, and a list or an object is none."""
    kind = value.__class__
    if kind is str:
        return value  # type: ignore[no-any-return]
    if kind is list or kind is dict:
        raise FunctionError(f"{_described(value)} is not a text")
    return text_of(value)


def bounded(value: str) -> str:
    """Return a text that was made, unless it is too long to be worked with further."""
    if len(value) > VALUE_STOP:
        raise FunctionError(f"the text would be longer than {VALUE_STOP} characters")
    return value


def is_nothing(value: Any) -> bool:
    """Say whether an argument is no number and no date either: null, missing, or the empty text."""
    return value is None or value == ""


def number(value: Any) -> float:
    """Read an argument as a number; text is read as JSON writes numbers."""
    kind = value.__class__
    if kind is int:
        return value if -_EXACT <= value <= _EXACT else as_float(value)
    if kind is float:
        return value  # type: ignore[no-any-return]
    if kind is str:
        return _number_of(value)
    raise FunctionError(f"{_described(value)} is not a number")


def _number_of(written: str) -> float:
    stripped = written.strip()
    if len(stripped) <= 400 and stripped.isascii() and stripped and stripped.lstrip("+-")[:1] in set("0123456789."):
        try:
            value = float(stripped.replace("_", "x"))
        except ValueError:
            pass
        else:
            return int(value) if value.is_integer() and abs(value) <= _EXACT else value
    raise FunctionError(f"{written[:40]!r} is not a number")


def _described(value: Any) -> str:
    if value.__class__ is bool:
        return "true" if value else "false"
    return "a list" if value.__class__ is list else "an object" if value.__class__ is dict else "nothing"


def result(value: float) -> float:
    """Return a number that was worked out: whole where it is, and finite."""
    if value.__class__ is int:
        return value if -_EXACT <= value <= _EXACT else as_float(value)
    if not math.isfinite(value):
        raise FunctionError("the result is not a number that can be written")
    return int(value) if value.is_integer() and abs(value) <= _EXACT else value


def whole(value: Any, what: str, least: int, most: int) -> int:
    """Read an argument as a whole number within bounds."""
    found = value if value.__class__ is int else number(value)
    if not least <= found <= most or int(found) != found:
        raise FunctionError(f"{what} is a whole number from {least} to {most}")
    return int(found)

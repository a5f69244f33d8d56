"""Values of a call's JSON: of which kind one is, and where it stands, in the words that every dialect's faults use."""

from collections.abc import Mapping
from typing import Any, TypeGuard, TypeVar

from postroad.dialects.headers.values import as_object, kind_of

T = TypeVar("T")

_KINDS: Mapping[type, str] = {
    str: "a string",
    int: "an integer",
    bool: "true or false",
    dict: "an object",
    list: "an array",
}


def found_in(holder: Mapping[str, Any], name: str, kind: type) -> Any:
    """Return a value of an object, which is to be of a kind; None where it is not there."""
    value = holder.get(name)
    return as_object(value) if kind is dict else value


def is_of_kind(value: object, kind: type[T]) -> TypeGuard[T]:
    """Whether a value is of a kind of JSON."""
    # true is an integer to Python alone.
    return isinstance(value, kind) and not (kind is int and isinstance(value, bool))


def expected(kind: type, value: object) -> str:
    """Return what was expected and what came: ``a string, not an array``."""
    return f"{_KINDS[kind]}, not {kind_of(value)}"


def place_of(name: str, within: str) -> str:
    """Return where a value stands, from the outermost object on."""
    return f"{within}.{name}" if within else name

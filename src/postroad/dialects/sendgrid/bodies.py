"""The documents of calls that manage, value by value: each is of its kind, or the call is refused."""

from collections.abc import Mapping
from typing import Any, TypeVar

from postroad.model.refused import MissingError, RefusedError

T = TypeVar("T")

_KINDS = {bool: "true or false", str: "a text", list: "a list", int: "a whole number"}
_DIGITS = 18


def object_from(document: Any) -> dict[str, Any]:
    """Return the object that a call carries, an empty one where it carries nothing. Raises RefusedError."""
    if document is None:
        return {}
    if not isinstance(document, dict):
        raise RefusedError("the body must be a JSON object")
    return document


def given(document: Mapping[str, Any], name: str, kind: type[T]) -> T | None:
    """Return a value; None where it is not there, or null. Raises RefusedError."""
    value = document.get(name)
    if value is None:
        return None
    # JSON tells true from 1.
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise RefusedError(f"{name} must be {_KINDS[kind]}", field=name)
    return value


def required_text(document: Mapping[str, Any], name: str, most: int) -> str:
    """Return a text without blanks around it that has to be there. Raises RefusedError."""
    text = (given(document, name, str) or "").strip()
    if not text:
        raise RefusedError(f"{name} is required", field=name)
    return bounded(text, name, most)


def bounded(text: str, name: str, most: int) -> str:
    """Return a text that is not too long. Raises RefusedError."""
    if len(text) > most:
        raise RefusedError(f"{name} has at most {most} characters", field=name)
    return text


def number_in(query: Mapping[str, str], name: str, most: int, *, least: int = 0) -> int | None:
    """Return a number of the query; None where it is not said. Raises RefusedError."""
    text = query.get(name, "")
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= 15 and least <= int(text) <= most):
        raise RefusedError(f"{name} must be a whole number of {least} to {most}", field=name)
    return int(text)


def id_in(text: str, what: str) -> int:
    """Return the id that a path names; raises MissingError for what is none."""
    if not (text.isascii() and text.isdigit() and len(text) <= _DIGITS):
        raise MissingError(f"there is no {what} {text[:80]}")
    return int(text)

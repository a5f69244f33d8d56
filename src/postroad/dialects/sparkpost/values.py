"""Values in the documents and queries of SparkPost's calls that manage."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from postroad.dialects.json_fields import found_in
from postroad.model.refused import RefusedError

LONGEST = 4_096
"""Characters of one parameter of a query."""


def moment(at: int) -> str:
    """Return an instant as documents tell it."""
    return datetime.fromtimestamp(at / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def instant(text: str, name: str) -> int:
    """Read an instant, in UTC where no offset is said; raises RefusedError."""
    try:
        read = datetime.fromisoformat(text)
        return int((read if read.tzinfo else read.replace(tzinfo=UTC)).timestamp() * 1000)
    except (ValueError, OverflowError) as error:
        raise RefusedError(f"{name} must be a time such as 2026-11-27T10:30, not {text[:40]}", field=name) from error


def number(text: str, name: str, *, most: int) -> int:
    """Read a number from 1 on; raises RefusedError."""
    if text.isascii() and text.isdecimal() and len(text) < 10 and 1 <= int(text) <= most:
        return int(text)
    raise RefusedError(f"{name} must be a number between 1 and {most}, not {text[:40]}", field=name)


def words(query: Mapping[str, str], name: str) -> tuple[str, ...]:
    """Return what a parameter lists with commas between; raises RefusedError where it is too long."""
    text = query.get(name, "")
    if len(text) > LONGEST:
        raise RefusedError(f"{name} has at most {LONGEST:,} characters", field=name)
    return tuple(dict.fromkeys(word for one in text.split(",") if (word := one.strip())))


def text(document: Mapping[str, Any], name: str, default: str = "") -> str:
    """Return a text of a document; raises RefusedError for anything else. Null is as if it was left out."""
    value = document.get(name)
    if value is None:
        return default
    if not isinstance(value, str):
        raise RefusedError(f"{name} must be a text", field=name)
    return value


def flag(document: Mapping[str, Any], name: str) -> bool | None:
    """Return a truth value of a document, None where it is left out or null; raises RefusedError for anything else."""
    value = document.get(name)
    if value is None or isinstance(value, bool):
        return value
    raise RefusedError(f"{name} must be true or false", field=name)


def part(document: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """Return an object within a document, empty where it is left out; raises RefusedError for anything else."""
    value = found_in(document, name, dict)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise RefusedError(f"{name} must be an object", field=name)
    return value

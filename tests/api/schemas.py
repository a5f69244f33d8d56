"""Values compared with the schemas of an OpenAPI document, as far as ours uses JSON Schema (2020-12)."""

import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

_KINDS: Mapping[str, Any] = {
    "string": str,
    "integer": int,
    "number": (int, float),
    "boolean": bool,
    "object": dict,
    "array": list,
    "null": type(None),
}
_SAID = {"title", "description", "examples", "example", "default", "contentEncoding"}
"""Keywords that ask for nothing."""


def faults(value: Any, schema: Mapping[str, Any], document: Mapping[str, Any], at: str = "$") -> Iterator[str]:
    """Give everything of a value that its schema does not allow; raises NotImplementedError for an unknown keyword."""
    if "$ref" in schema:
        found = document
        for step in schema["$ref"].removeprefix("#/").split("/"):
            found = found[step]
        yield from faults(value, found, document, at)
    if "anyOf" in schema and all(list(faults(value, one, document, at)) for one in schema["anyOf"]):
        yield f"{at} is nothing of what is possible: {value!r}"
    if "type" in schema and not _is_of(value, schema["type"]):
        yield f"{at} is no {schema['type']}: {value!r}"
        return
    for keyword, asked in schema.items():
        if keyword in {"$ref", "anyOf", "type"} | _SAID:
            continue
        if keyword in {"properties", "additionalProperties", "items"}:
            for where, inner, of in _inner(value, keyword, asked, schema):
                yield from faults(inner, of, document, f"{at}{where}")
        elif not _keeps(value, keyword, asked):
            yield f"{at} breaks {keyword} {asked!r}: {value!r}"


def _is_of(value: Any, kind: str) -> bool:
    if isinstance(value, bool) and kind != "boolean":
        return False
    return isinstance(value, _KINDS[kind])


def _inner(
    value: Any, keyword: str, asked: Any, schema: Mapping[str, Any]
) -> Iterator[tuple[str, Any, Mapping[str, Any]]]:
    """Give what is within a value, where it stands, and what is asked of it."""
    if keyword == "items":
        yield from ((f"[{number}]", one, asked) for number, one in enumerate(value))
    elif keyword == "properties":
        yield from ((f".{name}", value[name], of) for name, of in asked.items() if name in value)
    else:
        further = set(value) - set(schema.get("properties", ()))
        nothing: Mapping[str, Any] = {"enum": []}
        allowed = nothing if asked is False else {} if asked is True else asked
        yield from ((f".{name}", value[name], allowed) for name in further)


def _keeps(value: Any, keyword: str, asked: Any) -> bool:
    match keyword:
        case "enum":
            return bool(value in asked)
        case "minLength" | "minItems" | "minProperties":
            return bool(len(value) >= asked)
        case "maxLength" | "maxItems" | "maxProperties":
            return bool(len(value) <= asked)
        case "minimum":
            return bool(value >= asked)
        case "maximum":
            return bool(value <= asked)
        case "pattern":
            return re.search(asked, value) is not None
        case "required":
            return set(asked) <= set(value)
        case "format":
            assert asked == "date-time", asked
            return datetime.fromisoformat(value).tzinfo is not None
    raise NotImplementedError(keyword)

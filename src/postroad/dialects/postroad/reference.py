"""The reference page of our own API, made of the OpenAPI document."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from postroad.dialects.postroad.openapi import document
from postroad.dialects.postroad.problem import MEDIA_TYPE

Schema = Mapping[str, Any]

_BEGINNING = (
    "# Postroad's own API",
    "",
    "[Sending by HTTP](../guides/sending-by-http.md#our-own-call) has examples. Calls and answers are JSON, with",
    "`Authorization: Bearer KEY`. What the options do is said in [the reference of message options](options.md): they are the same",
    "ones. This page is made from `/api/postroad/v1/openapi.json`, which each installation serves.",
)
_REFUSALS = (
    "",
    "## What is wrong",
    "",
    f"Every answer that is no success is a [Problem](#problem), as `{MEDIA_TYPE}` (RFC 9457). `errors` names each fault with",
    "the field that it is about, and with its rule where [admission](refusals.md) refuses. `429` and `503` have `Retry-After`.",
)


def reference_page() -> str:
    """Return the page, for people."""
    described = document()
    lines = [*_BEGINNING]
    for path, operations in described["paths"].items():
        for method, operation in operations.items():
            lines += _call(f"{method.upper()} {path}", operation)
    lines += [*_REFUSALS, "", "## Types"]
    schemas = described["components"]["schemas"]
    taken = _taken(described["paths"], schemas)
    for name, schema in schemas.items():
        lines += _type(name, schema, is_taken=name in taken)
    return "\n".join(lines) + "\n"


def _call(name: str, operation: Schema) -> Iterator[str]:
    yield from ("", f"## `{name}`", "", _sentence(operation["summary"]))
    if "description" in operation:
        yield from ("", _sentence(operation["description"]))
    if "requestBody" in operation:
        kinds = [f"{_kind(one['schema'])}" for one in operation["requestBody"]["content"].values()]
        yield from ("", f"Takes {' or '.join(kinds)}.")
    parameters = operation.get("parameters", ())
    if parameters:
        yield ""
        yield from _table(
            ("Parameter", "In", "Meaning"),
            [(f"`{one['name']}`", one["in"], _meaning(one, one.get("required", False))) for one in parameters],
        )
    told = operation["responses"]
    good = [(status, one) for status, one in told.items() if status < "4"]
    yield ""
    yield from _table(
        ("Status", "Answer", "Meaning"),
        [(f"`{status}`", _body(one), one["description"]) for status, one in good],
    )
    refused = ", ".join(f"`{status}`" for status in told if status >= "4")
    yield from ("", f"Refused with {refused}.")


def _taken(paths: Schema, schemas: Schema) -> set[str]:
    """Return the types that calls are made of; of what answers are made of, every field is there."""
    todo = [one.get("requestBody", {}) for operations in paths.values() for one in operations.values()]
    found: set[str] = set()
    while todo:
        names = set(_references(todo.pop())) - found
        found |= names
        todo += [schemas[name] for name in names]
    return found


def _references(value: Any) -> Iterator[str]:
    match value:
        case {"$ref": str(reference)}:
            yield reference.rpartition("/")[2]
        case dict():
            for inner in value.values():
                yield from _references(inner)
        case list() | tuple():
            for inner in value:
                yield from _references(inner)


def _type(name: str, schema: Schema, *, is_taken: bool) -> Iterator[str]:
    yield from ("", f"### {name}", "")
    if "description" in schema:
        yield _sentence(schema["description"])
    if "enum" in schema:
        yield from ("", f"One of {_words(schema['enum'])}.")
    required = schema.get("required", ()) if is_taken else ()
    rows = [
        (f"`{field}`", _kind(of), _meaning(of, field in required)) for field, of in schema.get("properties", {}).items()
    ]
    if rows:
        yield ""
        yield from _table(("Field", "Type", "Meaning"), rows)


def _meaning(of: Schema, is_required: bool) -> str:
    limits = of.get("schema", of)
    words = [_sentence(of["description"]) if "description" in of else "", "Needed." if is_required else ""]
    if "maxItems" in limits:
        words.append(f"At most {limits['maxItems']:,}.")
    if "maxLength" in limits:
        words.append(f"At most {limits['maxLength']:,} characters.")
    if limits.get("default") not in (None, "", (), [], {}, False):
        words.append(f"`{limits['default']}` if left out.")
    return " ".join(filter(None, words))


def _body(answer: Schema) -> str:
    return " or ".join(_kind(one["schema"]) for one in answer.get("content", {}).values()) or "empty"


def _kind(schema: Schema) -> str:
    """Return a type in words."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    if "anyOf" in schema:
        return " or ".join(dict.fromkeys(map(_kind, schema["anyOf"])))
    if "enum" in schema:
        return _words(schema["enum"])
    match schema.get("type"):
        case "array":
            return f"list of {_kind(schema.get('items', {}))}"
        case "object" if isinstance(schema.get("additionalProperties"), dict):
            return f"object of {_kind(schema['additionalProperties'])}"
        case str() as name:
            return str(schema.get("format", schema.get("contentEncoding", name)))
    return "anything"


def _words(values: Sequence[Any]) -> str:
    return ", ".join(f"`{one}`" for one in values)


def _sentence(text: str) -> str:
    text = text.replace("``", "`")
    return text if text.endswith(".") else f"{text}."


def _table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    cells = [headings, ["---"] * len(headings), *([cell.replace("|", "\\|") for cell in row] for row in rows)]
    return ["| " + " | ".join(one) + " |" for one in cells]

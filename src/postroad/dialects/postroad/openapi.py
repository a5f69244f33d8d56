"""Our own API described (OpenAPI 3.1), made from the types that calls are read and answered with; and as a page to read."""

from collections.abc import Mapping
from functools import cache
from html import escape
from typing import Any

import msgspec

from postroad.dialects.postroad.answers import (
    AcceptedMessage,
    AcceptedMessages,
)
from postroad.dialects.postroad.description import paths_of, types_of
from postroad.dialects.postroad.examples import with_examples
from postroad.dialects.postroad.explained import Explanation
from postroad.dialects.postroad.message import LONGEST_KEY, NewMessage, NewMessages
from postroad.dialects.postroad.operation import PREFIX
from postroad.dialects.postroad.operations import OPERATIONS
from postroad.dialects.postroad.problem import MEDIA_TYPE, Problem

_ABOUT = (
    "Sends mail, shows what would be sent, and says what became of it. A key goes into `Authorization: Bearer KEY`. "
    "What is wrong is told as problem details (RFC 9457) with each fault by its field."
)
_TYPES: tuple[type, ...] = (
    NewMessage,
    NewMessages,
    AcceptedMessage,
    AcceptedMessages,
    Explanation,
    Problem,
)
_DRY = {
    "name": "dry_run",
    "in": "query",
    "description": "Makes every check and shows what would be sent. Nothing is stored, counted or sent.",
    "schema": {"type": "string", "enum": ["true", "false", "yes", "no"], "default": "false"},
}
_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "description": "Names the call for 24 hours: the same body again with the same key gets the first answer, and nothing is "
    "sent again; another body with the same key is refused with 422. What was refused may be called again by the same key.",
    "schema": {"type": "string", "minLength": 1, "maxLength": LONGEST_KEY, "pattern": "^[ -~]*[!-~][ -~]*$"},
}
_RECIPIENT = {
    "name": "recipient",
    "in": "query",
    "description": "With `dry_run`: whose copy of each message is shown; the first recipient's where it is not said.",
    "schema": {"type": "string"},
}
_SENDING = ("400", "401", "403", "408", "413", "415", "422", "429", "503")


@cache
def document() -> Mapping[str, Any]:
    """Return the OpenAPI document."""
    types = {*_TYPES, *types_of(OPERATIONS)}
    _, components = msgspec.json.schema_components(
        sorted(types, key=lambda one: one.__name__), ref_template="#/components/schemas/{name}"
    )
    return {
        "openapi": "3.1.0",
        "info": {"title": "Postroad", "version": "1", "description": _ABOUT},
        "servers": [{"url": "/"}],
        "security": [{"bearer": []}, {"basic": []}],
        "paths": _all_paths(),
        "components": {
            "schemas": components,
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "basic": {
                    "type": "http",
                    "scheme": "basic",
                    "description": "The key is the password; any name will do.",
                },
            },
        },
    }


def _all_paths() -> dict[str, Any]:
    paths = {
        path: {method: with_examples(operation) for method, operation in methods.items()}
        for path, methods in _paths().items()
    }
    for path, methods in paths_of(OPERATIONS).items():
        paths.setdefault(path, {}).update(methods)
    return paths


def _paths() -> dict[str, Any]:
    return {
        f"{PREFIX}/messages": {
            "post": _sending("sendMessage", "Send a message", NewMessage, AcceptedMessage),
        },
        f"{PREFIX}/messages/batch": {
            "post": _sending(
                "sendMessages",
                "Send up to 1,000 messages of one sending domain: all are accepted, or none is",
                NewMessages,
                AcceptedMessages,
            ),
        },
    }


def _sending(name: str, summary: str, body: type, answer: type) -> dict[str, Any]:
    return {
        "operationId": name,
        "summary": summary,
        "parameters": [_DRY, _RECIPIENT, _KEY],
        "requestBody": {"required": True, "content": {"application/json": {"schema": _reference(body)}}},
        "responses": {
            "200": _answer("With `dry_run`: every check, and what would be sent", Explanation),
            "202": _answer("On disk", answer),
            **_refusals(_SENDING),
        },
    }


def _answer(description: str, answer: type) -> dict[str, Any]:
    return {"description": description, "content": {"application/json": {"schema": _reference(answer)}}}


def _refusals(statuses: tuple[str, ...]) -> dict[str, Any]:
    refusal = {"description": "Refused", "content": {MEDIA_TYPE: {"schema": _reference(Problem)}}}
    return dict.fromkeys(statuses, refusal)


def _reference(of: type) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{of.__name__}"}


_STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color-scheme:light dark}"
    "table{border-collapse:collapse;width:100%}td,th{text-align:left;vertical-align:top;padding:.3rem .8rem .3rem 0;"
    "border-bottom:1px solid #8886}code{font-family:ui-monospace,monospace}h2{margin-top:2.5rem}"
)


@cache
def readable() -> str:
    """Return the document as a page of HTML."""
    described = document()
    pieces = [
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Postroad API</title>',
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style></head><body>',
        f"<h1>Postroad API</h1><p>{_text(_ABOUT)}</p>",
        '<p><a href="openapi.json">openapi.json</a> is the same for programs.</p>',
    ]
    for path, methods in described["paths"].items():
        for method, operation in methods.items():
            pieces += _operation(path, method, operation)
    pieces.append("<h1>Types</h1>")
    for name, schema in described["components"]["schemas"].items():
        pieces += _schema(name, schema)
    return "".join((*pieces, "</body></html>"))


def _operation(path: str, method: str, operation: Mapping[str, Any]) -> list[str]:
    pieces = [f"<h2><code>{method.upper()} {escape(path)}</code></h2><p>{_text(operation['summary'])}.</p>"]
    body = operation.get("requestBody")
    if body:
        pieces.append(f"<p>Takes {_type(body['content']['application/json']['schema'])}.</p>")
    rows = [(one["name"], one["in"], one.get("description", "")) for one in operation["parameters"]]
    if rows:
        pieces += ["<table><tr><th>Parameter<th>In<th></tr>", *(_row(*one) for one in rows), "</table>"]
    answers = [
        f"{status} {_type(content['schema'])}"
        for status, answer in operation["responses"].items()
        for content in answer.get("content", {"": {"schema": {"type": "nothing"}}}).values()
    ]
    pieces.append(f"<p>Answers: {', '.join(answers)}.</p>")
    return pieces


def _schema(name: str, schema: Mapping[str, Any]) -> list[str]:
    pieces = [f'<h2 id="{escape(name)}"><code>{escape(name)}</code></h2><p>{_text(schema.get("description", ""))}</p>']
    if "enum" in schema:
        pieces.append(f"<p>One of <code>{escape(', '.join(map(str, schema['enum'])))}</code>.</p>")
    required = schema.get("required", ())
    rows = []
    for field, of in schema.get("properties", {}).items():
        must = "required" if field in required else ""
        rows.append(f"<tr><td><code>{escape(field)}</code><td>{_type(of)}<td>{must}<td>{_text(_said(of))}</tr>")
    if rows:
        pieces += ["<table><tr><th>Field<th>Type<th><th></tr>", *rows, "</table>"]
    return pieces


def _said(schema: Mapping[str, Any]) -> str:
    words = [schema.get("description", "")]
    if "maxItems" in schema:
        words.append(f"At most {schema['maxItems']}.")
    if "maxLength" in schema:
        words.append(f"At most {schema['maxLength']} characters.")
    return " ".join(filter(None, words))


def _type(schema: Mapping[str, Any]) -> str:
    if "$ref" in schema:
        name = escape(schema["$ref"].rpartition("/")[2])
        return f'<a href="#{name}">{name}</a>'
    if "anyOf" in schema:
        return " or ".join(_type(one) for one in schema["anyOf"])
    if schema.get("type") == "array":
        return f"list of {_type(schema.get('items', {}))}"
    if "enum" in schema:
        return " or ".join(f"<code>{escape(str(one))}</code>" for one in schema["enum"])
    return escape(str(schema.get("format") or schema.get("type", "anything")))


def _row(name: str, where: str, about: str) -> str:
    return f"<tr><td><code>{escape(name)}</code><td>{escape(where)}<td>{_text(about)}</tr>"


def _text(words: str) -> str:
    """Return a text as HTML, with what stands between backquotes as code."""
    parts = escape(words).split("`")
    return "".join(f"<code>{one}</code>" if number % 2 else one for number, one in enumerate(parts))

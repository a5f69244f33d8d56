"""Calls as OpenAPI describes them: each operation's parameters, body and answers, made from its types."""

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from postroad.dialects.postroad.operation import Operation
from postroad.dialects.postroad.problem import MEDIA_TYPE, Fault, Problem

_ALWAYS = {
    400: Problem(
        "Bad Request", 400, "The call is not understood.", (Fault("There is no such parameter.", "lmit", "unknown"),)
    ),
    401: Problem("Unauthorized", 401, "This API key is not known: it is mistyped, or was removed."),
    403: Problem(
        "Forbidden",
        403,
        "This API key sends for news.example.com and does nothing else: managing needs an API key of the account.",
    ),
    404: Problem(
        "Not Found", 404, "There is no sending domain news.example.com.", (Fault("It is not there.", "domain"),)
    ),
    405: Problem("Method Not Allowed", 405, "Method Not Allowed"),
    429: Problem("Too Many Requests", 429, "This key makes too many calls."),
    500: Problem("Internal Server Error", 500, "Something went wrong here; it was noted."),
    503: Problem(
        "Service Unavailable",
        503,
        "The database cannot be used at the moment. The call may or may not have been stored:"
        " try again soon, with the same idempotency key where it has one.",
    ),
}
_CHANGING = {
    409: Problem("Conflict", 409, "news.example.com cannot be removed yet: 2 SMTP users are bound to it."),
    422: Problem(
        "Unprocessable Content",
        422,
        "The call cannot be carried out as it is; nothing was stored.",
        (Fault("It is required.", "domain", "required"),),
    ),
}
_WITH_BODY = {
    408: Problem("Request Timeout", 408, "The rest of the request did not come."),
    413: Problem("Content Too Large", 413, "The body is too large."),
    415: Problem("Unsupported Media Type", 415, "Send application/json, not text/plain."),
}
_SAID = {200: "As it stands", 201: "It is there now", 204: "Done"}


def types_of(operations: Iterable[Operation]) -> set[type]:
    """Return the types of the bodies and answers of operations."""
    return {one for operation in operations for one in (operation.body, operation.answer) if one is not None}


def paths_of(operations: Iterable[Operation]) -> dict[str, dict[str, Any]]:
    """Return what the document says of operations, by path and method."""
    paths: dict[str, dict[str, Any]] = {}
    for one in operations:
        paths.setdefault(one.whole_path, {})[one.method.lower()] = _operation(one)
    return paths


def example_of(status: int) -> Any:
    """Return how a refusal can look; null where there is no such one."""
    found = {**_ALWAYS, **_CHANGING, **_WITH_BODY}.get(status)
    return None if found is None else msgspec.to_builtins(found)


def _operation(operation: Operation) -> dict[str, Any]:
    described: dict[str, Any] = {
        "operationId": operation.name,
        "summary": operation.summary,
        "tags": [operation.path.split("/")[1]],
        "parameters": [*_path_parameters(operation.path), *_query_parameters(operation.query)],
        "responses": {str(operation.status): _success(operation), **_refusals(operation)},
    }
    if operation.body is not None:
        content: dict[str, Any] = {"schema": _reference(operation.body)}
        if operation.sample_body is not None:
            content["example"] = operation.sample_body
        described["requestBody"] = {"required": True, "content": {"application/json": content}}
    return described


def _path_parameters(path: str) -> list[dict[str, Any]]:
    names = [part[1:-1] for part in path.split("/") if part.startswith("{")]
    return [
        {
            "name": name,
            "in": "path",
            "required": True,
            "schema": {"type": "string", "minLength": 1},
            "example": _PATH_EXAMPLES[name],
        }
        for name in names
    ]


_PATH_EXAMPLES = {
    "message_id": "06N1DHYH1R810",
    "domain": "news.example.com",
    "suppression_id": "WzEsImFkYUBleGFtcGxlLm5ldCIsImJsb2NrIiwiIl0",
    "template_id": "17",
    "version": "3",
    "webhook_id": "17",
    "smtp_user_id": "17",
    "api_key_id": "17",
}


def _query_parameters(query: type | None) -> list[dict[str, Any]]:
    if query is None:
        return []
    _, types = msgspec.json.schema_components([query], ref_template="#/components/schemas/{name}")
    schema = types[query.__name__]
    return [
        _query_parameter(name, _inlined(without_null(of), types), is_required=name in schema["required"])
        for name, of in schema["properties"].items()
    ]


def _query_parameter(name: str, schema: dict[str, Any], *, is_required: bool) -> dict[str, Any]:
    described = {"description": schema.pop("description")} if "description" in schema else {}
    examples = schema.pop("examples", None)
    example = examples[0] if examples else _usual(schema)
    return {
        "name": name,
        "in": "query",
        "required": is_required,
        **described,
        "schema": schema,
        "example": example,
    }


def _inlined(schema: dict[str, Any], types: Mapping[str, Any]) -> dict[str, Any]:
    """Return a schema with its enumerations in their places: the document's own types are those of bodies."""
    if "items" in schema:
        return schema | {"items": _inlined(schema["items"], types)}
    if "$ref" not in schema:
        return schema
    words = {"type": "string", "enum": types[schema["$ref"].rpartition("/")[2]]["enum"]}
    return words | {key: value for key, value in schema.items() if key != "$ref"}


def without_null(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return a parameter's schema as it can be given: nothing stands for null."""
    kept = dict(schema)
    if kept.get("default") in (None, (), []):
        kept.pop("default", None)
    if "anyOf" in kept:
        [one] = [of for of in kept.pop("anyOf") if of.get("type") != "null"]
        kept |= {key: value for key, value in one.items() if key not in kept}
    return kept


def _usual(schema: Mapping[str, Any]) -> Any:
    if "default" in schema:
        return schema["default"]
    if "enum" in schema:
        return schema["enum"][0]
    if schema.get("type") == "array":
        return [_usual(schema["items"])]
    return {"boolean": True, "integer": 1}.get(schema.get("type", ""), "example")


def _success(operation: Operation) -> dict[str, Any]:
    answer: dict[str, Any] = {"description": _SAID[operation.status]}
    if operation.status == 201:
        answer["headers"] = {"Location": {"description": "Its path.", "schema": {"type": "string"}}}
    if operation.answer is not None:
        content = {"schema": _reference(operation.answer), "example": msgspec.to_builtins(operation.sample)}
        answer["content"] = {"application/json": content}
    return answer


def _refusals(operation: Operation) -> dict[str, Any]:
    samples = dict(_ALWAYS)
    if operation.method != "GET":
        samples |= _CHANGING
    if operation.body is not None:
        samples |= _WITH_BODY
    return {
        str(status): {
            "description": "Refused",
            "content": {MEDIA_TYPE: {"schema": _reference(Problem), "example": msgspec.to_builtins(sample)}},
        }
        for status, sample in sorted(samples.items())
    }


def _reference(of: type) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{of.__name__}"}

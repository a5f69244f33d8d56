"""Calls of our own API whose every answer is compared with what the OpenAPI document says of it."""

import re
from typing import Any

import httpx2
import msgspec

from postroad.dialects.postroad.openapi import document
from postroad.dialects.postroad.operation import PREFIX

from .schemas import faults

DOCUMENT: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(document()))
_CODED = {
    re.compile("^" + re.sub(r"\{[a-z_]+\}", "[^/]+", path) + "$"): methods
    for path, methods in DOCUMENT["paths"].items()
}


class Caller:
    """Calls with a key."""

    def __init__(self, client: httpx2.AsyncClient, key: str) -> None:
        self._client = client
        self._key = key

    async def __call__(self, method: str, path: str, body: Any = None, **query: Any) -> httpx2.Response:
        """Call a path behind the prefix; ``from_`` stands for the parameter ``from``."""
        asked: dict[str, Any] = {}
        if query:
            asked["params"] = {name.rstrip("_"): value for name, value in query.items()}
        if body is not None:
            asked["json"] = body
        headers = {"Authorization": f"Bearer {self._key}"}
        whole = path if path.startswith(PREFIX) else f"{PREFIX}{path}"
        reply = await self._client.request(method, whole, headers=headers, **asked)
        as_described(method, whole, reply)
        return reply

    async def ok(self, method: str, path: str, body: Any = None, **query: Any) -> Any:
        """Call what must work, and return what it answers."""
        reply = await self(method, path, body, **query)
        assert reply.is_success, reply.text
        return reply.json() if reply.content else None

    async def refused(self, status: int, method: str, path: str, body: Any = None, **query: Any) -> list[Any]:
        """Call what must be refused, and return the fields that are named."""
        reply = await self(method, path, body, **query)
        assert reply.status_code == status, reply.text
        return [one.get("field") for one in reply.json().get("errors", ())]


def as_described(method: str, path: str, reply: httpx2.Response) -> None:
    """Compare an answer with the document."""
    methods = next(methods for coded, methods in _CODED.items() if coded.match(path.partition("?")[0]))
    if reply.status_code == 405:
        assert method.lower() not in methods
        assert set(reply.headers["allow"].lower().split(", ")) - {"head"} == set(methods)
        return
    described = methods[method.lower()]["responses"][str(reply.status_code)]
    content = described.get("content")
    if content is None:
        assert not reply.content
        return
    kind = reply.headers["content-type"].partition(";")[0]
    assert list(faults(reply.json(), content[kind]["schema"], DOCUMENT)) == []
    assert ("Location" in described.get("headers", ())) == ("location" in reply.headers)

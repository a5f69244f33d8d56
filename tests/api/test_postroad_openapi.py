"""Our own API does what its OpenAPI document says, whatever comes in: every path of the document, as it comes."""

import asyncio
import json
import re
import shutil
from collections.abc import Collection, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import httpx2
import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry
from schemathesis import Case, openapi
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from starlette.routing import Route

from postroad.accounts.api_key_check import ApiKeyCheck
from postroad.accounts.api_keys import ApiKeys
from postroad.accounts.settings import AccountsSettings
from postroad.dialects.json_body import json_body
from postroad.dialects.postroad.message import NewMessage
from postroad.dialects.postroad.openapi import document
from postroad.httpd.api.app import api_app
from postroad.httpd.api.postroad.app import postroad_app
from postroad.model.actor import SYSTEM
from postroad.model.domain import DomainState, SendingDomain
from postroad.storage import accounts, domains
from postroad.storage.engine import open_database
from postroad.telemetry.metrics import Meter
from postroad.templating.library import TemplateLibrary

from .services import NOW, Directory, api_services, previews
from .test_postroad import PATH, WHOLE, submissions_over

SCHEMA = openapi.from_dict(json.loads(json_body(document())))
OPERATIONS = {one.label: one for one in (found.ok() for found in SCHEMA.get_all_operations() if isinstance(found, Ok))}
EXAMPLES = max(3, 80 // len(OPERATIONS))
"""Of each operation and mode: some seconds for all of them, however many operations there are."""
KEPT = st.sets(st.sampled_from(sorted(one.encode_name for one in msgspec.structs.fields(NewMessage))), max_size=2)
_CONVERTER = re.compile(r":\w+(?=})")
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
BAD_BODIES = (
    (b"{", "application/json", 400),
    (b"\xff", "application/json", 400),
    (b"[" * 10_000, "application/json", 400),
    (b"null", "application/json", 422),
    (b"[]", "application/json", 422),
    (b'{"no such field": 1}', "application/json", 422),
    (b"{}", "text/plain", 415),
)
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    response_headers_conformance,
]


class Served:
    """The API over a database, and a key of the account that a domain is of."""

    def __init__(self, runner: asyncio.Runner, client: httpx2.AsyncClient, message_id: str) -> None:
        self._runner = runner
        self._client = client
        self.known = {"message_id": message_id}
        """Things that are there, by the parameter of a path that names such a one."""

    def url_of(self, path: str) -> str:
        """Return a path with the names of things in it that are there, where some are known."""
        return re.sub(r"\{(\w+)\}", lambda found: self.known.get(found[1], "none"), path)

    def call(self, method: str, path: str, **how: Any) -> httpx2.Response:
        return self._runner.run(self._client.request(method, path, **how))


async def opened(stack: AsyncExitStack, folder: Path) -> httpx2.AsyncClient:
    database = await open_database("", data_dir=folder, clock=lambda: NOW, read_connections=1)
    stack.push_async_callback(database.close)
    account = await database.write(accounts.add, "acme", NOW)
    wanted = SendingDomain(
        id=0, account_id=account.id, name="news.example.com", state=DomainState.ACTIVE, created_at=NOW
    )
    await database.write(domains.add, wanted)
    key = await ApiKeys(database, lambda: NOW).add_for_account(SYSTEM, account.id)
    check = ApiKeyCheck(database, lambda: NOW, settings=AccountsSettings(), meter=Meter(CollectorRegistry()))
    await check.refresh()
    library = TemplateLibrary(database, Directory(check).get)
    services = msgspec.structs.replace(
        api_services(check, folder=folder),
        submissions=submissions_over(check, database, library),
        previews=previews(database, library),
    )
    transport = httpx2.ASGITransport(app=api_app(services), client=("192.0.2.9", 50000), raise_app_exceptions=False)
    client = httpx2.AsyncClient(transport=transport, base_url="http://api.example.net")
    client.headers["Authorization"] = f"Bearer {key.text}"
    return await stack.enter_async_context(client)


@pytest.fixture(scope="module")
def served(migrated_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("openapi")
    shutil.copy(migrated_file, folder)
    with asyncio.Runner() as runner, pytest.MonkeyPatch.context() as patch:
        # Nobody sends the rest of a refused body here.
        patch.setattr("postroad.httpd.api.uploads._LINGER_S", 0.0)
        stack = AsyncExitStack()
        client = runner.run(opened(stack, folder))
        sent = runner.run(client.post(PATH, json=WHOLE))
        yield Served(runner, client, sent.json()["id"])
        runner.run(stack.aclose())


def send(served: Served, case: Case[Any]) -> httpx2.Response:
    asked = case.as_transport_kwargs(base_url="http://api.example.net")
    headers = asked["headers"]
    return served.call(
        asked["method"],
        asked["url"],
        headers={name: value for name, value in headers.items() if name.lower() not in {"authorization", "cookie"}},
        params=asked.get("params"),
        content=json_body(asked["json"]) if "json" in asked else asked.get("data"),
    )


def sensible(case: Case[Any], kept: Collection[str]) -> None:
    """Say something sensible, but for a few fields: nonsense everywhere ends a call too early to show much."""
    body: Any = case.body
    if isinstance(body, dict) and "/messages" in case.operation.path:
        listed = body.get("messages", [body])
        for one in listed if isinstance(listed, list) else ():
            if isinstance(one, dict):
                for name in set(one) - set(kept):
                    del one[name]
                one |= {name: value for name, value in WHOLE.items() if name not in one}


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=lambda mode: mode.value)
@pytest.mark.parametrize("label", OPERATIONS)
def test_answers_are_as_documented(label: str, mode: GenerationMode, served: Served) -> None:
    operation = OPERATIONS[label]
    checks = CHECKS if mode.is_positive else [*CHECKS, negative_data_rejection]

    @settings(
        max_examples=EXAMPLES, derandomize=True, database=None, deadline=None, suppress_health_check=list(HealthCheck)
    )
    @given(case=operation.as_strategy(generation_mode=mode), is_sensible=st.booleans(), kept=KEPT)
    def answers(case: Case[Any], is_sensible: bool, kept: set[str]) -> None:
        if is_sensible and mode.is_positive:
            sensible(case, kept)
            case.path_parameters |= {one: served.known[one] for one in case.path_parameters if one in served.known}
        case.validate_response(send(served, case), checks=checks)

    answers()


@pytest.mark.parametrize("path", document()["paths"])
def test_other_methods_are_not_allowed(path: str, served: Served) -> None:
    url = served.url_of(path)
    # The name of a call may be that of a thing, too.
    documented = {
        method.upper()
        for other, methods in document()["paths"].items()
        if re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", other), url)
        for method in methods
    }
    for method in set(METHODS) - documented:
        reply = served.call(method, url)
        assert (reply.status_code, reply.headers["content-type"]) == (405, "application/problem+json")
        assert {one.strip() for one in reply.headers["allow"].split(",")} - {"HEAD"} <= documented
        assert reply.json()["status"] == 405


@pytest.mark.parametrize("label", [one for one, of in OPERATIONS.items() if of.body])
def test_bad_bodies_are_refused_as_documented(label: str, served: Served) -> None:
    operation = OPERATIONS[label]
    for content, kind, status in BAD_BODIES:
        reply = served.call(
            operation.method.upper(),
            served.url_of(operation.path),
            content=content,
            headers={"Content-Type": kind},
        )
        assert (reply.status_code, reply.json()["status"]) == (status, status), (content[:20], reply.text)
        assert str(status) in operation.definition.raw["responses"]


def test_every_call_is_documented(check: ApiKeyCheck) -> None:
    described = [f"{method.upper()} {path}" for path, methods in document()["paths"].items() for method in methods]
    routes = [one for one in postroad_app(api_services(check)).routes if isinstance(one, Route)]
    calls = {
        f"{method} {_CONVERTER.sub('', one.path)}"
        for one in routes
        for method in (one.methods or set()) - {"HEAD"}
        if not one.path.endswith(("/", "/docs", "/openapi.json"))
    }
    assert sorted(described) == sorted(calls)

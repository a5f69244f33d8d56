"""The OpenAPI document of our own API: what is served stands in it, nothing else does, and its examples are sound."""

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from postroad.dialects.postroad.openapi import document, readable
from postroad.dialects.postroad.operation import PREFIX
from postroad.dialects.postroad.operations import OPERATIONS
from postroad.dialects.postroad.reading import read_body, read_query
from postroad.httpd.api.postroad.app import SERVED

from .schemas import faults

DOCUMENT: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(document()))


def test_what_is_served_is_described_and_nothing_else() -> None:
    described = {(method.upper(), path) for path, methods in DOCUMENT["paths"].items() for method in methods}
    served = [(one.method, one.path) for one in SERVED]
    assert described == set(served)
    assert len(served) == len(set(served))


def test_operations_have_names_of_their_own() -> None:
    names = [one["operationId"] for methods in DOCUMENT["paths"].values() for one in methods.values()]
    assert len(names) == len(set(names))


def test_what_is_referred_to_is_there() -> None:
    named = set(_references(DOCUMENT))
    assert {one.rpartition("/")[2] for one in named} <= set(DOCUMENT["components"]["schemas"])
    # A type of the same name elsewhere would be told by its module.
    assert not [one for one in DOCUMENT["components"]["schemas"] if "." in one]


def test_every_parameter_of_a_path_is_described() -> None:
    for path, methods in DOCUMENT["paths"].items():
        wanted = [part[1:-1] for part in path.split("/") if part.startswith("{")]
        for one in methods.values():
            assert [parameter["name"] for parameter in one["parameters"] if parameter["in"] == "path"] == wanted


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda one: one.name)
def test_an_operation_has_examples_that_are_right(operation: Any) -> None:
    described = DOCUMENT["paths"][operation.whole_path][operation.method.lower()]
    for status, answer in described["responses"].items():
        for content in answer.get("content", {}).values():
            assert list(faults(content["example"], content["schema"], DOCUMENT)) == [], status
    for parameter in described["parameters"]:
        assert list(faults(parameter["example"], parameter["schema"], DOCUMENT)) == [], parameter["name"]
    if operation.query is not None:
        given = [(one["name"], _shown(one["example"])) for one in described["parameters"] if one["in"] == "query"]
        read = read_query(operation.query, given)
        assert not isinstance(read, list), read
    if operation.body is not None:
        [content] = described["requestBody"]["content"].values()
        assert list(faults(content["example"], content["schema"], DOCUMENT)) == []
        read = read_body(operation.body, content["example"])
        assert not isinstance(read, list), read


def test_what_sends_has_examples_that_are_right() -> None:
    for name in ("messages", "messages/batch"):
        described = DOCUMENT["paths"][f"{PREFIX}/{name}"]["post"]
        contents = [described["requestBody"], *(described["responses"][status] for status in ("202", "401", "422"))]
        for of in contents:
            for content in of["content"].values():
                assert list(faults(content["example"], content["schema"], DOCUMENT)) == []
        for parameter in described["parameters"]:
            assert list(faults(parameter["example"], parameter["schema"], DOCUMENT)) == [], parameter["name"]


def test_the_page_for_people_names_every_call() -> None:
    page = readable()
    for path, methods in DOCUMENT["paths"].items():
        for method in methods:
            assert f"{method.upper()} {path}" in page


def _shown(example: Any) -> str:
    if isinstance(example, list):
        return str(example[0])
    return str(example).lower() if isinstance(example, bool) else str(example)


def _references(of: Any) -> Iterator[str]:
    if isinstance(of, dict):
        if isinstance(of.get("$ref"), str):
            yield of["$ref"]
        for inner in of.values():
            yield from _references(inner)
    elif isinstance(of, list | tuple):
        for inner in of:
            yield from _references(inner)

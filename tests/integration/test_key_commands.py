"""API keys and signing keys by command, against a real database in a data folder."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from postroad.policy.key_text import KeyTextKind, kind_of
from tests.integration.commands import Run, commands_in

NAME = "news.example.com"


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return commands_in(tmp_path / "data", ("domain", "add", NAME))


@pytest.fixture
def document(run: Run) -> Callable[..., Any]:
    return lambda *arguments: json.loads(run(*arguments, "--json").stdout)


Document = Callable[..., Any]


def test_a_key_is_printed_once_and_listed_by_its_beginning(run: Run, document: Document) -> None:
    added = document("api-key", "add", "--domain", NAME, "--note", "the shop", "--allow-ip", "192.0.2.7")
    listed = run("api-key", "list").stdout

    assert kind_of(added["key"]) is KeyTextKind.DOMAIN
    assert (added["kind"], added["domain"], added["networks"]) == ("domain", NAME, ["192.0.2.7/32"])
    assert added["prefix"] in listed
    assert "192.0.2.7 " in listed
    assert added["key"] not in listed
    assert [one["prefix"] for one in document("api-key", "list", "--domain", NAME.upper())] == [added["prefix"]]
    assert document("api-key", "list", "--account", "default")[0].keys() == added.keys() - {"key"}


def test_an_account_key_manages_an_account(run: Run, document: Document) -> None:
    added = document("api-key", "add", "--account", "default")

    assert kind_of(added["key"]) is KeyTextKind.ACCOUNT
    assert (added["kind"], added["account"], added["domain"]) == ("account", "default", None)
    assert "account default" in run("api-key", "list").stdout
    assert "Key: pra_" in run("api-key", "add", "--account", "default").stdout


def test_a_key_is_changed_and_removed_by_its_beginning(run: Run, document: Document) -> None:
    added = document("api-key", "add", "--domain", NAME)
    prefix = added["prefix"]

    assert document("api-key", "allow-ip", prefix, "192.0.2.0/24", "2001:db8::1")["networks"] == [
        "192.0.2.0/24",
        "2001:db8::1/128",
    ]
    assert document("api-key", "allow-ip", added["key"], "10.0.0.0/8", "--only")["networks"] == ["10.0.0.0/8"]
    assert "from everywhere" in run("api-key", "allow-ip", prefix, "--only").stdout
    assert document("api-key", "edit", prefix, "--note", "another")["note"] == "another"
    run("api-key", "remove", prefix, given="n\n", expect=1)
    run("api-key", "remove", prefix, "--yes")
    assert document("api-key", "list") == []


@pytest.mark.parametrize(
    ("arguments", "exit_code", "sentence"),
    [
        (["add"], 2, "Name either --domain or --account"),
        (["add", "--domain", NAME, "--account", "default"], 2, "Name either --domain or --account"),
        (["add", "--domain", "none.example"], 1, "There is no sending domain none.example."),
        (["add", "--account", "none"], 1, "There is no account none."),
        (["add", "--domain", NAME, "--allow-ip", "192.0.2.7/24"], 1, "did you mean 192.0.2.0/24"),
        (["list", "--domain", "none.example"], 1, "There is no sending domain none.example."),
        (["remove", "prd_abcdef"], 1, "There is no API key prd_abcdef."),
        (["allow-ip", "prd_abcdef", "192.0.2.1"], 1, "There is no API key prd_abcdef."),
    ],
)
def test_what_cannot_be_done_is_said(run: Run, arguments: list[str], exit_code: int, sentence: str) -> None:
    assert sentence in run("api-key", *arguments, expect=exit_code).stderr


def test_the_signing_key_is_shown_and_updated(run: Run, document: Document) -> None:
    first = document("signing-key", "show")
    second = document("signing-key", "update", "--overlap-hours", "24", "--yes")

    assert kind_of(first["key"]) is KeyTextKind.SIGNING
    assert second["previous_key"] == first["key"]
    assert second["previous_until"] > second["changed_at"]
    assert document("signing-key", "show") == second
    assert "previous key" in run("signing-key", "show").stdout
    assert document("signing-key", "update", "--yes")["previous_key"] is None
    run("signing-key", "update", given="n\n", expect=1)


def test_a_domain_is_removed_when_nothing_is_bound_to_it(run: Run, document: Document) -> None:
    added = document("api-key", "add", "--domain", NAME)

    assert "it still has 1 API key" in run("domain", "remove", NAME, "--yes", expect=1).stderr
    run("api-key", "remove", added["prefix"], "--yes")
    run("domain", "remove", NAME, "--yes")
    assert document("domain", "list") == []

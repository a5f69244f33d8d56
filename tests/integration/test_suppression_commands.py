"""Suppressions by command, against a real database in a data folder."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.integration.commands import Run, commands_in

NAME = "news.example.com"

Document = Callable[..., Any]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.chdir(tmp_path)
    return commands_in(tmp_path / "data", ("domain", "add", NAME))


@pytest.fixture
def document(run: Run) -> Document:
    return lambda *arguments, **others: json.loads(run("suppression", *arguments, "--json", **others).stdout)


def listed(document: Document, *arguments: str) -> list[tuple[str, str, str | None]]:
    found = document("list", "--domain", NAME, *arguments)["suppressions"]
    return [(one["address"], one["kind"], one["tag"]) for one in found]


def test_an_address_goes_on_a_list_is_shown_and_comes_off(run: Run, document: Document) -> None:
    said = run("suppression", "add", "Ann@R.Example", "--domain", NAME, "--reason", "Asked by phone").stdout
    run("suppression", "add", "ann@r.example", "--domain", NAME, "--kind", "unsubscribe", "--tag", "Spring")
    run("suppression", "add", "@r.example", "--domain", NAME, "--kind", "allow")
    shown = document("show", "ANN@r.example", "--domain", NAME)
    removed = run("suppression", "remove", "ann@r.example", "--domain", NAME, "--kind", "block", "--yes").stdout

    assert said == f"ann@r.example is on the block list of {NAME}.\n"
    assert [(one["address"], one["kind"], one["tag"]) for one in shown] == [
        ("@r.example", "allow", None),
        ("ann@r.example", "block", None),
        ("ann@r.example", "unsubscribe", "spring"),
    ]
    assert shown[1]["reason"] == "Asked by phone"
    assert shown[1]["created_by"].startswith("command line")
    assert removed == "Took ann@r.example off the block list.\n"
    assert listed(document) == [("@r.example", "allow", None), ("ann@r.example", "unsubscribe", "spring")]
    run("suppression", "remove", "r.example", "--domain", NAME, "--yes", expect=1)
    run("suppression", "remove", "@r.example", "--domain", NAME, "--yes")
    assert listed(document) == [("ann@r.example", "unsubscribe", "spring")]
    told = run("audit", "search").stdout
    assert "suppression.added" in told
    assert "suppression.removed" in told


def test_what_cannot_be_is_refused_in_a_sentence(run: Run) -> None:
    def refused(*arguments: str) -> str:
        return run("suppression", *arguments, "--domain", NAME, expect=1).stderr

    run("suppression", "add", "a@r.example", "--domain", NAME)

    assert "already" in refused("add", "a@r.example")
    assert "local@domain" in refused("add", "nobody", "--kind", "bounce")
    assert "local@domain, or @domain for all addresses there" in refused("add", "foo")
    assert "Only an unsubscribe" in refused("add", "b@r.example", "--tag", "spring")
    assert "is on no such list" in refused("remove", "a@r.example", "--kind", "allow", "--yes")
    assert "is on no such list" in refused("remove", "b@r.example", "--yes")
    assert (
        "There is no sending domain"
        in run("suppression", "add", "a@r.example", "--domain", "other.example", expect=1).stderr
    )
    assert run("suppression", "remove", "a@r.example", "--domain", NAME, expect=1, given="n\n").stdout == ""


def test_lists_are_paged(run: Run, document: Document) -> None:
    run("suppression", "import", "-", "--domain", NAME, given="".join(f"u{number}@r.example\n" for number in range(5)))
    first = document("list", "--limit", "3")
    second = document("list", "--limit", "3", "--after", first["next"])

    assert [one["address"] for one in first["suppressions"] + second["suppressions"]] == [
        f"u{number}@r.example" for number in range(5)
    ]
    assert second["next"] is None
    assert f"--after {first['next']}" in run("suppression", "list", "--limit", "3").stdout
    assert "There is no such" in run("suppression", "list", "--after", "x", expect=1).stderr
    assert listed(document, "--address", "U3") == [("u3@r.example", "block", None)]
    assert listed(document, "--kind", "allow") == []


def test_a_list_is_imported_with_what_was_wrong_and_exported_again(
    run: Run, document: Document, tmp_path: Path
) -> None:
    (tmp_path / "gone.csv").write_text(
        "address,kind,tag\na@r.example,bounce,\nb@r.example,unsubscribe,x\nnobody,bounce\n"
    )
    arguments = ("suppression", "import", "gone.csv", "--domain", NAME)
    first = run(*arguments, expect=1)
    again = run(*arguments, expect=1)
    exported = run("suppression", "export", "--domain", NAME).stdout
    lines = run("suppression", "export", "--domain", NAME, "--format", "ndjson").stdout.splitlines()

    assert "4 lines read: 2 added, 0 there already, 1 not understood." in first.stdout
    assert "line 4: " in first.stdout
    assert "1 line was not understood." in first.stderr
    assert "0 added, 2 there already" in again.stdout
    assert exported.splitlines()[0] == "address,kind,tag,way,reason,created_at,created_by"
    assert exported.splitlines()[1].startswith("a@r.example,bounce,,import,,20")
    assert [json.loads(line)["address"] for line in lines] == ["a@r.example", "b@r.example"]
    assert listed(document) == [("a@r.example", "bounce", None), ("b@r.example", "unsubscribe", "x")]
    (tmp_path / "latin.csv").write_bytes(b"j\xfcrgen@r.example")
    assert "not UTF-8" in run("suppression", "import", "latin.csv", "--domain", NAME, expect=1).stderr
    assert "No such file" in run("suppression", "import", "none.csv", "--domain", NAME, expect=1).stderr


def test_lists_go_with_their_domain(run: Run, document: Document) -> None:
    run("suppression", "add", "a@r.example", "--domain", NAME)
    run("domain", "remove", NAME, "--yes")

    assert document("list") == {"suppressions": [], "next": None}

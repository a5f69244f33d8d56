"""Templates by command, against a real database in a data folder."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from tests.integration.commands import Run, commands_in

NAME = "news.example.com"


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.chdir(tmp_path)
    return commands_in(tmp_path / "data", ("domain", "add", NAME))


@pytest.fixture
def document(run: Run) -> Callable[..., Any]:
    return lambda *arguments, **others: json.loads(run(*arguments, "--json", **others).stdout)


Document = Callable[..., Any]


def add(run: Run, markup: str, *others: str, name: str = "welcome", expect: int = 0) -> Result:
    return run("template", "add", name, "--domain", NAME, *others, given=markup, expect=expect)


def test_a_template_goes_through_its_life(run: Run, document: Document, tmp_path: Path) -> None:
    (tmp_path / "welcome.txt").write_text("Hi {{name}}")
    first = add(run, "<p>Hi {{name}}</p>", "--subject", "Welcome, {{name}}").stdout
    second = add(
        run, "", "--html", "-", "--text", "welcome.txt", "--tag", "plain", "--note", "Own text", "--no-activate"
    ).stdout
    listed = document("template", "list", "--domain", NAME.upper())
    shown = document("template", "show", "WELCOME.html", "--domain", NAME, "--version", "plain")
    run("template", "activate", "welcome", "plain", "--domain", NAME)
    after = document("template", "list")
    run("template", "remove", "welcome", "--domain", NAME, "--yes")

    assert first == "Added version 1 of welcome (active).\n"
    assert second == "Added version 2 (plain) of welcome (not active; 1 is).\n"
    assert [(one["name"], one["domain"], one["active_version"]) for one in listed] == [("welcome", NAME, 1)]
    assert [(one["number"], one["tag"], one["is_active"], one["note"]) for one in shown["versions"]] == [
        (2, "plain", False, "Own text"),
        (1, None, True, ""),
    ]
    assert shown["shown"]["text"] == "Hi {{name}}"
    assert after[0]["active_version"] == 2
    assert document("template", "list") == []
    assert run("template", "show", "welcome", "--domain", NAME, expect=1).stderr.startswith(
        "Error: There is no template"
    )
    assert "template.removed" in run("audit", "search").stdout


def test_a_template_is_rendered_with_sample_data(run: Run, document: Document) -> None:
    add(run, "<p>Hi {{name}} {{lost}}</p>", "--subject", "For {{name}}")
    arguments = ("template", "render", "welcome", "--domain", NAME, "--variables", "-")

    content = document(*arguments, given='{"name": "Bob & Co"}')
    html = run(*arguments, "--part", "html", given='{"name": "Bob & Co"}').stdout
    refused = run(*arguments, given="[1]", expect=1).stderr

    assert content == {
        "html": "<p>Hi Bob &amp; Co </p>",
        "text": "Hi Bob & Co\n",
        "subject": "For Bob & Co",
        "missing": ["lost"],
    }
    assert html == "<p>Hi Bob &amp; Co </p>\n"
    assert "object" in refused


def test_versions_are_compared(run: Run) -> None:
    add(run, "<p>One</p>\n")
    add(run, "<p>Two</p>\n")

    assert "-<p>One</p>\n+<p>Two</p>" in run("template", "diff", "welcome", "1", "--domain", NAME).stdout
    assert run("template", "diff", "welcome", "1", "1", "--domain", NAME).stdout == "They are the same.\n"


def test_a_fault_is_told_with_its_file_line_and_column(run: Run, tmp_path: Path) -> None:
    (tmp_path / "bad.html").write_text("<p>\n{{#each}}</p>")
    (tmp_path / "latin.html").write_bytes(b"<p>\xe9</p>")

    told = add(run, "", "--html", "bad.html", expect=1).stderr

    assert told.startswith("Error: bad.html: Line 2, column 1: ")
    assert "latin.html: this is not UTF-8." in add(run, "", "--html", "latin.html", expect=1).stderr
    assert "No such file" in add(run, "", "--html", "none.html", expect=1).stderr
    assert (
        "There is no sending domain"
        in run("template", "add", "x", "--domain", "other.example", given="x", expect=1).stderr
    )

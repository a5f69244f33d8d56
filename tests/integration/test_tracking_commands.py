"""``postroad tracking``, and what ``postroad check`` says of it, against a real database in a data folder."""

import json
from pathlib import Path

import pytest

from tests.integration.commands import Run, commands_in


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return commands_in(tmp_path / "data")


def test_destinations_are_taken_down_listed_and_put_back(run: Run) -> None:
    assert run("tracking", "block", "https://Evil.example/", "--reason", "phishing").stdout == (
        "Tracked links lead to evil.example no longer.\n"
    )
    assert "already" in run("tracking", "block", "evil.example", expect=1).stderr
    assert "no dot in its host" in run("tracking", "block", "evil", expect=1).stderr
    [listed] = json.loads(run("tracking", "list", "--json").stdout)
    assert (listed["destination"], listed["reason"]) == ("evil.example", "phishing")
    assert "again" in run("tracking", "unblock", "EVIL.example").stdout
    assert "not blocked" in run("tracking", "unblock", "evil.example", expect=1).stderr


def test_keys_are_numbered(run: Run) -> None:
    assert [run("tracking", "rotate-key").stdout for _ in range(2)] == ["Made key 1.\n", "Made key 2.\n"]
    told = json.loads(run("audit", "search", "--json").stdout)
    assert [(one["action"], one["target"]) for one in told if one["action"].startswith("tracking_key.")] == [
        ("tracking_key.added", "tracking key 2"),
        ("tracking_key.added", "tracking key 1"),
    ]


def test_a_domain_that_is_tracked_without_a_host_is_found(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POSTROAD_DOMAINS__VERIFICATION", "off")
    run("domain", "add", "news.example.com")
    assert " tracking:" not in run("check").stdout
    run("domain", "set", "news.example.com", "tracks_clicks=on")
    assert "warning  tracking: Nothing is tracked of news.example.com" in run("check").stdout
    run("domain", "set", "news.example.com", "tracking_host=t.news.example.com")
    assert "ok       tracking: Every domain" in run("check").stdout

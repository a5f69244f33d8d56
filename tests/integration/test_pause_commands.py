"""Pausing and resuming a sending domain by command, against a real database in a data folder."""

import json
from pathlib import Path

import pytest

from tests.integration.commands import Run, commands_in

NAME = "news.example.com"


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return commands_in(tmp_path / "data", ("domain", "add", NAME))


def test_a_domain_is_paused_with_a_reason_and_resumed(run: Run) -> None:
    assert run("domain", "pause", NAME, "--reason", "A list from 2009").stdout == f"{NAME} is paused.\n"
    shown = json.loads(run("domain", "show", NAME, "--json").stdout)
    assert (shown["pause_reason"], shown["paused_at"] is not None) == ("A list from 2009", True)
    text = run("domain", "show", NAME).stdout
    assert "paused since" in text
    assert "A list from 2009" in text
    assert "is paused already" in run("domain", "pause", NAME, expect=1).stderr

    assert run("domain", "resume", NAME).stdout == f"{NAME} is resumed.\n"
    assert "paused" not in run("domain", "list").stdout
    assert "is not paused" in run("domain", "resume", NAME, expect=1).stderr
    entries = json.loads(run("audit", "search", "--json").stdout)
    assert [one["action"] for one in entries][:2] == ["domain.resumed", "domain.paused"]


@pytest.mark.parametrize("reason", ["x" * 501, "a\0b"])
def test_a_reason_is_a_line_for_people(run: Run, reason: str) -> None:
    assert "reason" in run("domain", "pause", NAME, "--reason", reason, expect=1).stderr


def test_the_settings_of_the_pause_are_set_like_all_others(run: Run) -> None:
    run("domain", "set", NAME, "pause_bounce_percent=10", "pause_after_messages=50")
    settings = json.loads(run("domain", "show", NAME, "--json").stdout)["settings"]

    assert (settings["pause_bounce_percent"], settings["pause_after_messages"]) == (10, 50)
    run("domain", "set", NAME, "pause_bounce_percent=100", expect=1)

"""Addresses checked by command, against a real database and a resolver that nobody reaches."""

import json
from pathlib import Path

import pytest

from tests.integration.commands import Run, commands_in
from tests.peers.ports import LOOPBACK, free_port

NAME = "news.example.com"


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("POSTROAD_DNS__RESOLVERS", f"{LOOPBACK}:{free_port()}")
    monkeypatch.setenv("POSTROAD_DNS__LIFETIME_MS", "200")
    monkeypatch.setenv("POSTROAD_DNS__ATTEMPT_TIMEOUT_MS", "100")
    return commands_in(tmp_path / "data", ("domain", "add", NAME))


def test_addresses_are_checked_and_told_as_a_table_and_as_a_document(run: Run) -> None:
    run("suppression", "add", "bob@r.example", "--domain", NAME, "--kind", "bounce")
    table = run("address", "check", "bob@r.example", "info@r.example", "nobody", expect=1).stdout.splitlines()
    found = json.loads(run("address", "check", "bob@r.example", "--domain", NAME, "--json", expect=1).stdout)
    unknown = json.loads(run("address", "check", "ann@gmal.com", "--json", "--account", "default").stdout)

    assert table[0].split()[:2] == ["ADDRESS", "RESULT"]
    assert [line.split()[:2] for line in table[1:]] == [
        ["bob@r.example", "undeliverable"],
        ["info@r.example", "unknown"],
        ["nobody", "undeliverable"],
    ]
    assert "dns-away, role" in table[2]
    assert (found[0]["result"], found[0]["has_bounced"]) == ("undeliverable", True)
    assert found[0]["reasons"] == ["dns-away", "bounced"]
    assert (unknown[0]["result"], unknown[0]["did_you_mean"]) == ("unknown", "ann@gmail.com")


def test_more_addresses_than_may_be_checked_at_a_time_take_turns(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POSTROAD_ADDRESS_CHECK__AT_ONCE", "2")
    found = json.loads(run("address", "check", *(f"a{number}@r.example" for number in range(5)), "--json").stdout)

    assert [one["address"] for one in found] == [f"a{number}@r.example" for number in range(5)]


def test_a_file_is_stored_for_the_nodes_and_looked_at(run: Run) -> None:
    said = run(
        "address", "check-file", "-", "--account", "default", "--name", "spring", given=b"a@r.example\nb\n"
    ).stdout
    listed = run("address", "files", "--account", "default").stdout.splitlines()
    document = json.loads(run("address", "files", "--account", "default", "--json").stdout)
    early = run("address", "results", "spring", "--account", "default", expect=1)
    twice = run(
        "address", "check-file", "-", "--account", "default", "--name", "spring", given=b"a@r.example", expect=1
    )

    documents = run("address", "results", "spring", "--account", "default", "--json", expect=1)

    assert documents.stdout == ""
    assert said.startswith("spring: 2 addresses wait")
    assert listed[1].split()[:4] == ["spring", "standard", "input", "checking"]
    assert (document[0]["addresses"], document[0]["checked"], document[0]["finished_at"]) == (2, 0, None)
    assert early.stdout.splitlines() == ["address,result,confidence,reasons,did_you_mean,role,disposable,detail"]
    assert "0 of 2 addresses are checked" in early.stderr
    assert "There is a list spring already" in twice.stderr


def test_a_file_is_removed_after_a_question_and_its_name_is_free_again(run: Run) -> None:
    of_account = ("--account", "default")
    begin = ("address", "check-file", "-", *of_account, "--name", "spring")
    run(*begin, given=b"a@r.example\nb\n")

    asked = run("address", "remove-file", "spring", *of_account, given=b"n\n", expect=1)
    assert "Remove list spring of default with its results?" in asked.stderr
    assert len(json.loads(run("address", "files", *of_account, "--json").stdout)) == 1

    said = run("address", "remove-file", "spring", *of_account, "--yes").stdout
    again = run("address", "remove-file", "spring", *of_account, "--yes", expect=1)
    assert said == "Removed list spring.\n"
    assert "There is no such list" in again.stderr
    assert json.loads(run("address", "files", *of_account, "--json").stdout) == []
    run(*begin, given=b"a@r.example")
    removed = json.loads(run("address", "remove-file", "spring", *of_account, "--yes", "--json").stdout)
    assert removed == {"name": "spring", "state": "removed"}


def test_the_lists_are_shown_and_a_file_that_is_none_is_refused(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundled = json.loads(run("address", "lists", "--json").stdout)["disposable_domains"]
    own = tmp_path / "own.txt"
    own.write_text("throwaway.example\n")
    monkeypatch.setenv("POSTROAD_ADDRESS_CHECK__DISPOSABLE_DOMAINS", str(own))
    shown = json.loads(run("address", "lists", "--json").stdout)["disposable_domains"]
    checked = json.loads(run("address", "check", "a@throwaway.example", "--json").stdout)
    own.write_text("com\n")
    refused = run("address", "lists", expect=1).stderr

    assert bundled["domains"] > 5_000
    assert (shown["file"], shown["domains"]) == (str(own), 1)
    assert checked[0]["is_disposable"] is True
    assert "address_check.disposable_domains" in refused
    assert "line 1: com is no domain" in refused

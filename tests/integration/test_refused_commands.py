"""What commands say to what cannot be meant."""

from pathlib import Path

import pytest

from tests.integration.commands import Run, commands_in


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return commands_in(tmp_path / "data")


@pytest.mark.parametrize(
    "command",
    [
        ("events", "export"),
        ("events", "search"),
        ("message", "search"),
        ("audit", "search"),
        ("stats", "show"),
        ("webhook", "log"),
        ("webhook", "replay", "--webhook", "1"),
    ],
)
def test_a_span_of_time_that_ends_before_it_begins_is_refused(run: Run, command: tuple[str, ...]) -> None:
    refused = run(*command, "--since", "1h", "--until", "2h", expect=2)

    assert "--since names a later time than --until" in refused.stderr


def test_a_number_that_is_none_is_told_with_its_bounds(run: Run) -> None:
    for wrong in ("x", "721", "-1", "1.5"):
        refused = run("signing-key", "update", "--overlap-hours", wrong, "--yes", expect=2).stderr
        assert f"'{wrong}' is not a whole number, 0 to 720." in refused


def test_an_smtp_user_at_a_foreign_domain_is_told_of_the_option_that_names_its_own(run: Run) -> None:
    refused = run("smtp-user", "add", "x@gmail.com", "--generate", expect=1).stderr

    assert "There is no sending domain gmail.com: name the one the user sends for, with --domain." in refused
    assert (
        "with --domain"
        not in run("smtp-user", "add", "x@y.example", "--domain", "z.example", "--generate", expect=1).stderr
    )


@pytest.mark.parametrize("name", ["nope", "com", "co.uk"])
def test_a_domain_that_is_not_there_is_no_public_suffix(run: Run, name: str) -> None:
    for command in (("rotate-dkim", name), ("show", name), ("pause", name)):
        assert f"There is no sending domain {name}." in run("domain", *command, expect=1).stderr


def test_a_backup_that_cannot_be_read_or_written_is_told_why(run: Run, tmp_path: Path) -> None:
    missing = run("restore", str(tmp_path / "nofile.tar"), expect=1).stderr
    nowhere = run("backup", str(tmp_path / "nowhere" / "x.tar"), expect=1).stderr

    assert f"{tmp_path / 'nofile.tar'} cannot be read: No such file or directory." in missing
    assert f"there is no folder {tmp_path / 'nowhere'} to write a backup into." in nowhere

"""Feedback reports handed to the command, against a real database in a data folder."""

import json
from pathlib import Path

import pytest

from postroad.protocol.arf import MAX_OCTETS
from tests.feedback_reports import around, feedback_report
from tests.integration.commands import Run, commands_in


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return commands_in(tmp_path / "data")


@pytest.mark.parametrize(
    ("report", "sentence"),
    [
        (b"", "This is no feedback report"),
        (b"Subject: hello\r\n\r\n", "This is no feedback report"),
        (around(b"Subject: x\r\n\r\n"), "brings back neither X-Postroad-ID"),
        (feedback_report("yahoo", identifier="0" * 29), "was not signed by this installation"),
    ],
)
def test_what_cannot_be_counted_is_refused_with_a_sentence(run: Run, report: bytes, sentence: str) -> None:
    refused = run("complaint", "read", given=report, expect=1)

    assert refused.stdout == ""
    assert sentence in refused.stderr


def test_what_is_no_complaint_ends_well(run: Run) -> None:
    said = run("complaint", "read", "-", given=feedback_report("not_spam"))
    assert said.stdout == "The report is of the type not-spam, which is no complaint: nothing is counted.\n"
    assert json.loads(run("complaint", "read", "--json", given=feedback_report("auth_failure")).stdout) == {
        "result": "left_alone",
        "event": None,
    }


def test_a_large_report_is_read_to_its_end_from_a_pipe(run: Run) -> None:
    report = around(b"Subject: x\r\n\r\n" + b"x" * 5 * MAX_OCTETS)

    assert "brings back neither" in run("complaint", "read", given=report, expect=1).stderr


def test_a_file_that_is_not_there_is_not_understood(run: Run) -> None:
    assert "No such file" in run("complaint", "read", "nowhere.eml", expect=2).stderr


def test_a_rate_of_complaints_is_set_with_decimals(run: Run) -> None:
    run("domain", "add", "news.example.com")
    said = run("domain", "set", "news.example.com", "pause_complaint_percent=0.3").stdout
    assert "pause_complaint_percent  0.3\n" in said
    assert "pause_complaint_percent=0.3\n" in run("domain", "show", "news.example.com").stdout
    settings = json.loads(run("domain", "show", "news.example.com", "--json").stdout)["settings"]
    assert settings["pause_complaint_percent"] == 0.3

    for text in ("100", "-1", "nan", "inf", "much"):
        run("domain", "set", "news.example.com", f"pause_complaint_percent={text}", expect=1)
    run("domain", "set", "news.example.com", "pause_complaint_percent=0")
    assert "pause_complaint_percent=0\n" in run("domain", "show", "news.example.com").stdout

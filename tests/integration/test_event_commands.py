"""``postroad events`` and ``message trace --follow``: searching, files for spreadsheets and programs, following."""

import asyncio
import contextlib
import csv
import io
import json
import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from postroad.model.channel import CHANNELS
from postroad.model.event import EventType
from postroad.model.ids import IdSource, text_of
from postroad.model.options import Options
from postroad.net.clock import now_ms
from postroad.storage import accounts, domains
from postroad.storage.engine import open_database
from tests.integration.commands import Run, commands_in
from tests.storage.samples import PARTITION, accepted, event_of

TAGS = ["=HYPERLINK(1)", "Spring"]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path


@pytest.fixture
def run(data: Path) -> Run:
    return commands_in(data, ("domain", "add", "news.example.com"), ("account", "add", "other"))


@pytest.fixture
def message_id(data: Path, run: Run) -> str:
    """The id of a message to two recipients, one of whom has bounced."""

    async def store() -> str:
        database = await open_database("", data_dir=data, clock=now_ms, read_connections=1)
        account = await database.read(accounts.by_name, "default")
        domain = await database.read(domains.by_name, "news.example.com")
        assert account is not None
        assert domain is not None
        # Written a minute ago, so that all of it is behind the watermark.
        now, source = now_ms() - 60_000, IdSource(3)
        one = accepted(
            "+ada@rcpt.example",
            "bob@other.example",
            account_id=account.id,
            domain_id=domain.id,
            due_at=now,
            id=source.next(now, PARTITION),
            accepted_at=now,
            options=Options(tags=tuple(TAGS)),
        )
        first, second = (
            msgspec.structs.replace(each, id=source.next(now, PARTITION), message_id=one.message.id, accepted_at=now)
            for each in one.deliveries
        )
        happened = [
            event_of(first, EventType.ACCEPTED, at=now, tags=TAGS, channel="smtp"),
            event_of(second, EventType.ACCEPTED, at=now, channel="smtp"),
            event_of(
                first, EventType.BOUNCED, at=now, attempt=1, reply="550 5.1.1 No\r\n such", bounce_class="bad-mailbox"
            ),
        ]
        events = tuple(msgspec.structs.replace(event, id=source.next(now, PARTITION)) for event in happened)
        await database.accept(msgspec.structs.replace(one, deliveries=(first, second), events=events))
        await database.close()
        return text_of(one.message.id)

    return asyncio.run(store())


def _found(run: Run, *options: str) -> list[tuple[str, str]]:
    found = json.loads(run("events", "search", *options, "--json").stdout)
    return [(one["type"], one["recipient"]) for one in found]


def test_every_filter_narrows_the_search(run: Run, message_id: str) -> None:
    ada, bob = ("accepted", "+ada@rcpt.example"), ("accepted", "bob@other.example")
    bounced = ("bounced", "+ada@rcpt.example")
    assert _found(run) == [ada, bob, bounced]
    assert _found(run, "--newest-first", "--limit", "2") == [bounced, bob]
    assert _found(run, "--recipient", "+ADA@rcpt.example") == [ada, bounced]
    assert _found(run, "--recipient", "@other.example") == [bob]
    assert _found(run, "--tag", "spring") == [ada]
    assert _found(run, "--channel", "smtp", "--type", "bounced", "--domain", "news.example.com") == [bounced]
    assert _found(run, "--channel", "report") == []
    assert _found(run, "--channel", "postroad") == []
    assert _found(run, "--message", message_id, "--until", "1h") == []
    assert _found(run, "--account", "other") == []


def test_a_channel_that_does_not_exist_is_refused_with_those_that_do(run: Run) -> None:
    told = run("events", "search", "--channel", "postrode", expect=2).stderr

    assert all(f"'{channel}'" in told for channel in CHANNELS)


def test_a_page_says_where_the_next_one_begins(run: Run, message_id: str) -> None:
    shown = run("events", "search", "--limit", "2").stdout
    after = shown.rpartition("--after ")[2].strip(". \n")

    assert _found(run, "--after", after) == [("bounced", "+ada@rcpt.example")]
    assert "--after" not in run("events", "search", "--limit", "3").stdout


def test_a_table_is_written_that_no_spreadsheet_runs(run: Run, message_id: str, tmp_path: Path) -> None:
    path = tmp_path / "events.csv"
    told = run("events", "export", "--output", str(path), "--since", "1h")
    rows = list(csv.DictReader(io.StringIO(path.read_text())))

    assert "3 events written" in told.stderr
    assert [row["type"] for row in rows] == ["accepted", "accepted", "bounced"]
    assert rows[0] | {"recipient": "'+ada@rcpt.example", "tags": "'=HYPERLINK(1), Spring"} == rows[0]
    assert (rows[2]["reply"], rows[2]["bounce_class"]) == ("550 5.1.1 No such", "bad-mailbox")
    assert {row["domain"] for row in rows} == {"news.example.com"}
    assert {row["message_id"] for row in rows} == {message_id}
    assert json.loads(rows[0]["data"])["tags"] == TAGS
    assert all(row["at"].endswith("Z") for row in rows)


def test_documents_are_written_one_on_each_line(run: Run, message_id: str) -> None:
    lines = run("events", "export", "--format", "ndjson", "--type", "bounced").stdout.splitlines()
    [found] = [json.loads(line) for line in lines]

    assert (found["type"], found["domain"], found["message_id"]) == ("bounced", "news.example.com", message_id)
    assert found["data"]["reply"] == "550 5.1.1 No\r\n such"


@pytest.mark.parametrize(("options", "count"), [((), 3), (("--until", "1h"), 0)])
def test_a_terminal_shows_how_far_an_export_is_and_the_file_is_as_without(
    run: Run, data: Path, message_id: str, options: tuple[str, ...], count: int
) -> None:
    path = data / "output.csv"
    terminal, its_end = pty.openpty()
    with path.open("wb") as output:
        command = [sys.executable, "-m", "postroad", "events", "export", *options, "--data", str(data)]
        process = subprocess.Popen(command, stdout=output, stderr=its_end)
    os.close(its_end)
    told = _read(terminal)

    assert process.wait() == 0
    [*_, last, end] = told.split("\r\x1b[?25l")[-1].splitlines()
    assert re.search(r"\[#+\]  100%", last), told
    assert last.startswith(f"{count} events")
    assert end == f"{count} events written."
    assert path.read_text() == run("events", "export", *options).stdout


def _read(terminal: int) -> str:
    """Return all that is written to a terminal until nobody has it open; then Linux says EIO."""
    found = bytearray()
    with contextlib.suppress(OSError):
        while part := os.read(terminal, 4096):
            found += part
    os.close(terminal)
    return found.decode()


def test_the_audit_log_says_what_was_exported(run: Run, message_id: str) -> None:
    run("events", "export", "--domain", "news.example.com", "--type", "bounced", "--recipient", "@rcpt.example")
    [entry] = json.loads(run("audit", "search", "--action", "events.exported", "--json").stdout)

    assert entry["target"] == "news.example.com"
    assert entry["after"] == {
        "domain": "news.example.com",
        "types": "bounced",
        "recipient": "@rcpt.example",
        "format": "csv",
    }


def test_a_message_is_followed_until_its_deliveries_have_ended(run: Run, message_id: str) -> None:
    run("queue", "cancel", "--message", message_id, "--yes")
    shown = run("message", "trace", message_id, "--follow").stdout
    lines = run("message", "trace", "bob@other.example", "--follow", "--json").stdout.splitlines()

    assert "subject" in shown
    assert "550 5.1.1 No such" in shown
    kinds = [json.loads(line)["type"] for line in lines]
    assert kinds == ["accepted", "accepted", "bounced", "cancelled", "cancelled"]

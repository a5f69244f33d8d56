"""``postroad user`` and ``postroad audit``, run as an operator runs them."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from postroad.accounts.people.sessions import Sessions
from postroad.accounts.settings import AccountsSettings
from postroad.net.clock import now_ms
from postroad.storage import users
from postroad.storage.engine import open_database
from tests.integration.commands import Run, commands_in

Document = Callable[..., Any]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return commands_in(tmp_path / "data")


@pytest.fixture
def document(run: Run) -> Document:
    def read(*arguments: str, **options: Any) -> Any:
        return json.loads(run(*arguments, "--json", **options).stdout)

    return read


def test_a_first_start_makes_an_operator_and_prints_its_link_until_it_has_a_password(
    document: Document, run: Run
) -> None:
    first = document("migrate")["operator"]
    assert first["email"] == "operator@localhost"
    assert first["link"].startswith("http://127.0.0.1:8025/set-password/")
    assert document("migrate")["operator"]["link"] != first["link"]
    assert "Open this link within a day" in run("migrate").stdout
    assert document("user", "reset-password", "operator@localhost")["link"].startswith("http://127.0.0.1:8025/")

    assert [(one["email"], one["is_operator"]) for one in document("user", "list")] == [("operator@localhost", True)]
    run("user", "add", "op@example.net", "--operator", "--password-stdin", given="seven quiet lanterns\n")
    assert document("migrate")["operator"] is None


def test_people_are_added_listed_and_shown(document: Document, run: Run) -> None:
    added = document("user", "add", "Ada@Acme.example", "--role", "admin", "--name", "Ada")
    assert (added["email"], added["state"]) == ("ada@acme.example", "no password yet")
    assert "/set-password/" in added["link"]
    run("user", "add", "bob@acme.example", "--password-stdin", given="seven quiet lanterns\n")

    members = document("user", "list", "--account", "default")
    assert [(one["email"], one["role"], one["is_external"], one["state"]) for one in members] == [
        ("ada@acme.example", "admin", False, "no password yet"),
        ("bob@acme.example", "user", False, "active"),
    ]
    assert document("user", "show", "ada@acme.example")["accounts"] == [{"name": "default", "role": "admin"}]
    assert "everywhere" in run("user", "show", "ada@acme.example").stdout
    assert "admin" in run("user", "list", "--account", "default").stdout
    assert "There is a user ada@acme.example already." in run("user", "add", "ada@acme.example", expect=1).stderr
    short = run("user", "add", "eve@acme.example", "--password-stdin", given="short\n", expect=1)
    assert "at least 12 characters" in short.stderr
    run("user", "add", "op@acme.example", "--operator", "--account", "default", expect=2)


def test_people_are_changed(document: Document, run: Run) -> None:
    for email, role in (("ada@acme.example", "admin"), ("bob@acme.example", "user")):
        run("user", "add", email, "--role", role)

    assert document("user", "disable", "bob@acme.example")["state"] == "disabled"
    assert document("user", "enable", "bob@acme.example")["state"] == "active"
    assert document("user", "set-role", "bob@acme.example", "admin")["role"] == "admin"
    networks = document("user", "set-networks", "bob@acme.example", "192.0.2.0/24", "2001:db8::1")["networks"]
    assert networks == ["192.0.2.0/24", "2001:db8::1/128"]
    assert "from everywhere" in run("user", "set-networks", "bob@acme.example").stdout
    assert "has no second factor" in run("user", "reset-two-factor", "bob@acme.example", expect=1).stderr
    assert document("user", "rename", "bob@acme.example", "Bob Bright")["name"] == "Bob Bright"
    assert "is called Bob now" in run("user", "rename", "bob@acme.example", "Bob").stdout
    assert document("user", "sessions", "bob@acme.example") == []
    assert document("user", "end-sessions", "bob@acme.example")["ended"] == 0
    run("user", "set-role", "ada@acme.example", "user")
    assert "last admin" in run("user", "set-role", "bob@acme.example", "user", expect=1).stderr
    run("user", "remove", "bob@acme.example", "--account", "default", "--yes", expect=1)
    run("user", "remove", "ada@acme.example", "--yes")
    assert "There is no user ada@acme.example." in run("user", "show", "ada@acme.example", expect=1).stderr
    assert "last operator" in run("user", "disable", "operator@localhost", expect=1).stderr


def test_people_are_invited_and_invitations_revoked(document: Document, run: Run) -> None:
    invited = document("user", "invite", "new@acme.example", "--role", "admin")
    assert "/invitation/" in invited["link"]
    assert [(one["email"], one["role"]) for one in document("user", "invitations")] == [("new@acme.example", "admin")]
    assert "command line" in run("user", "invitations").stdout

    run("user", "revoke-invitation", "New@acme.example")
    assert document("user", "invitations") == []
    assert "is not invited" in run("user", "revoke-invitation", "new@acme.example", expect=1).stderr


def test_what_was_done_is_found_in_the_audit_log_without_secrets(document: Document, run: Run) -> None:
    run("account", "add", "acme")
    link = document("user", "add", "ada@acme.example", "--account", "acme", "--role", "admin")["link"]
    run("user", "add", "bob@acme.example", "--account", "acme", "--password-stdin", given="seven quiet lanterns\n")
    run("user", "set-role", "bob@acme.example", "admin", "--account", "acme")

    (entry,) = document("audit", "search", "--action", "user.role_changed")
    assert (entry["target"], entry["before"], entry["after"]) == (
        "bob@acme.example",
        {"role": "user"},
        {"role": "admin"},
    )
    assert entry["actor"]["kind"] == "command"
    assert entry["actor"]["name"].startswith("command line (")
    text = run("audit", "search", "--account", "acme", "--since", "1h").stdout
    assert "role: user → admin" in text
    assert [one["target"] for one in document("audit", "search", "--action", "user", "--limit", "1")] == [
        "bob@acme.example"
    ]
    assert (
        document("audit", "search", "--target", "ADA", "--actor", entry["actor"]["name"])[0]["action"] == "user.added"
    )
    assert document("audit", "search", "--until", "1d") == []
    everything = run("audit", "search", "--json").stdout
    assert "seven quiet" not in everything
    assert link.rpartition("/")[2] not in everything


async def _sign_in(data: Path, email: str) -> list[str]:
    database = await open_database("", data_dir=data, clock=now_ms, read_connections=1)
    user = await database.read(users.by_email, email)
    assert user is not None
    sessions = Sessions(database, now_ms, AccountsSettings())
    tokens = [
        await sessions.open(user, user.account_id, method="password", client_address=one, user_agent="Firefox")
        for one in ("192.0.2.1", "192.0.2.2")
    ]
    await database.close()
    return list(tokens)


def test_one_session_of_a_person_is_ended_by_its_id(document: Document, run: Run, tmp_path: Path) -> None:
    for email in ("bob@acme.example", "eve@acme.example"):
        run("user", "add", email)
    asyncio.run(_sign_in(tmp_path / "data", "bob@acme.example"))
    first, second = document("user", "sessions", "bob@acme.example")
    listed = run("user", "sessions", "bob@acme.example").stdout.splitlines()
    assert [line.split()[0] for line in listed] == ["ID", str(first["id"]), str(second["id"])]

    foreign = run("user", "end-session", "eve@acme.example", str(first["id"]), expect=1)
    assert "There is no such session of eve@acme.example." in foreign.stderr
    assert document("user", "end-session", "bob@acme.example", str(first["id"]))["state"] == "ended"

    assert [one["id"] for one in document("user", "sessions", "bob@acme.example")] == [second["id"]]
    (entry,) = document("audit", "search", "--action", "session.ended")
    assert (entry["target"], entry["after"]) == ("bob@acme.example", {"sessions": 1})

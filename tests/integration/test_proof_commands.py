"""``postroad user`` on passkeys and single sign-on, run as an operator runs it."""

import asyncio
import json
from pathlib import Path

import pytest

from postroad.model.identity import Identity, Passkey
from postroad.net.clock import now_ms
from postroad.storage import identities, passkeys, users
from postroad.storage.engine import open_database
from tests.integration.commands import Run, commands_in

ADA = "ada@acme.example"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def run(data: Path) -> Run:
    invoke = commands_in(data, ("user", "add", ADA, "--operator"))
    asyncio.run(_give_proofs(data))
    return invoke


async def _give_proofs(data: Path) -> None:
    database = await open_database("", data_dir=data, clock=now_ms, read_connections=1)
    user = await database.read(users.by_email, ADA)
    assert user is not None
    made = Passkey(
        id=0, user_id=user.id, credential_id=b"x", public_key=b"", sign_count=0, name="Phone", created_at=now_ms()
    )
    await database.write(passkeys.add, made)
    known = Identity(issuer="https://login.example.com", subject="248289", user_id=user.id, created_at=now_ms())
    await database.write(identities.bind, known)
    await database.close()


def test_a_passkey_is_listed_and_removed(run: Run) -> None:
    [listed] = json.loads(run("user", "passkeys", ADA, "--json").stdout)
    assert (listed["name"], listed["last_used_at"]) == ("Phone", None)

    assert "Removed Phone" in run("user", "remove-passkey", ADA, str(listed["id"])).stdout

    assert json.loads(run("user", "passkeys", ADA, "--json").stdout) == []
    assert "There is no such passkey" in run("user", "remove-passkey", ADA, str(listed["id"]), expect=1).stderr
    [entry] = json.loads(run("audit", "search", "--action", "passkey", "--json").stdout)
    assert entry["action"] == "passkey.removed"


def test_who_a_person_is_elsewhere_is_shown_and_forgotten(run: Run) -> None:
    assert "248289" in run("user", "identities", ADA).stdout

    assert "Forgot 1 identity" in run("user", "unbind", ADA, "--yes").stdout

    assert json.loads(run("user", "identities", ADA, "--json").stdout) == []
    assert "Forgot 0 identities" in run("user", "unbind", ADA, "--yes").stdout


def test_nobody_has_none(run: Run) -> None:
    for command in ("passkeys", "identities"):
        assert "There is no user nobody@acme.example" in run("user", command, "nobody@acme.example", expect=1).stderr

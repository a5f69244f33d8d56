"""What ``postroad dev`` puts into its data folder, start after start."""

import asyncio
from pathlib import Path

import pytest

from postroad.accounts.smtp_users import SmtpUsers
from postroad.cli.dev import DEFAULTS
from postroad.config import Settings, load
from postroad.model.actor import SYSTEM
from postroad.model.credential import Secret
from postroad.net.clock import now_ms
from postroad.node.demo import USERNAME, prepare_demo
from postroad.storage import audit
from postroad.storage.audit import AuditSelector
from postroad.storage.database import Database
from postroad.storage.engine import open_database


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load(None, DEFAULTS | {"POSTROAD_DATA_DIR": str(tmp_path / "data")})


async def _open(settings: Settings) -> Database:
    return await open_database("", data_dir=Path(settings.data_dir), clock=now_ms, read_connections=1)


def _audited(settings: Settings) -> list[tuple[str, str]]:
    async def read() -> list[tuple[str, str]]:
        database = await _open(settings)
        try:
            return [(one.action, one.target) for one in await database.read(audit.search, AuditSelector(), 100)]
        finally:
            await database.close()

    return asyncio.run(read())


def _give_password(settings: Settings, password: str) -> None:
    async def give() -> None:
        database = await _open(settings)
        try:
            users = SmtpUsers(database, now_ms)
            await users.set_password(SYSTEM, (await users.find(SYSTEM, USERNAME)).id, Secret(password))
        finally:
            await database.close()

    asyncio.run(give())


def test_a_start_that_changes_nothing_leaves_no_trace_in_the_audit_log(settings: Settings) -> None:
    first = prepare_demo(settings)
    made = _audited(settings)
    assert ("smtp_user.added", USERNAME) in made

    assert prepare_demo(settings).password == first.password
    assert _audited(settings) == made


def test_a_password_that_was_changed_meanwhile_is_the_printed_one_again(settings: Settings) -> None:
    prepare_demo(settings)
    _give_password(settings, "Quiet-harbour-41")
    before = len(_audited(settings))
    prepare_demo(settings)
    prepare_demo(settings)

    assert len(_audited(settings)) == before + 1
    assert _audited(settings)[0] == ("smtp_user.password_changed", USERNAME)


def test_an_application_on_the_same_machine_may_be_called_back(settings: Settings) -> None:
    assert settings.webhooks.allow_private_addresses

"""People who are signed in to a running ``postroad dev``, without going through its sign-in pages."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

from playwright.sync_api import BrowserContext

from postroad.accounts.password_hashing import hash_password
from postroad.accounts.people.sessions import Sessions
from postroad.accounts.settings import AccountsSettings
from postroad.model.credential import Secret
from postroad.model.user import Membership, Role, User
from postroad.net.clock import now_ms
from postroad.storage import accounts, memberships, users
from postroad.storage.database import Database
from postroad.storage.engine import open_database
from tests.scenarios.dev import Dev

PASSWORD = Secret("seven quiet lanterns")
"""Everybody's."""


def sign_in(
    dev: Dev, context: BrowserContext, email: str, *, role: Role = Role.ADMIN, is_operator: bool = False
) -> None:
    """Give a browser the session of a new person of the first account."""
    token = session_of(Path(dev.facts["data_dir"]), email, role=role, is_operator=is_operator)
    home = urlsplit(dev.facts["inbox"])
    context.add_cookies([{"name": "postroad", "value": token, "url": f"{home.scheme}://{home.netloc}/"}])


def session_of(data_dir: Path, email: str, *, role: Role = Role.ADMIN, is_operator: bool = False) -> str:
    """Return the session's token of a new person of the first account."""
    # Playwright's own loop may have this thread.
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, _opened(data_dir, email, role, is_operator=is_operator)).result()


async def _opened(data_dir: Path, email: str, role: Role, *, is_operator: bool) -> str:
    database = await open_database("", data_dir=data_dir, clock=now_ms, read_connections=1, is_checkpointer=False)
    try:
        return await _new_session(database, email, role, is_operator=is_operator)
    finally:
        await database.close()


async def _new_session(database: Database, email: str, role: Role, *, is_operator: bool) -> str:
    account = (await database.read(accounts.list_all))[0]
    wanted = User(
        id=0,
        account_id=account.id,
        email=email,
        password_hash=hash_password(PASSWORD),
        is_operator=is_operator,
        created_at=now_ms(),
    )
    person = await database.write(users.add, wanted)
    seat = Membership(user_id=person.id, account_id=account.id, role=role, created_at=now_ms())
    await database.write(memberships.add, seat)
    sessions = Sessions(database, now_ms, AccountsSettings())
    token = await sessions.open(person, account.id, method="password", client_address="127.0.0.1", user_agent="test")
    return str(token)

"""What ``postroad dev`` starts with: an account, a domain that may send, and an SMTP user whose password it knows."""

import asyncio
import os
from pathlib import Path

import msgspec

from postroad.accounts.accounts import Accounts
from postroad.accounts.api_keys import ApiKeys
from postroad.accounts.password_hashing import PasswordHasher
from postroad.accounts.smtp_user_changes import SmtpUserChange
from postroad.accounts.smtp_users import SmtpUsers
from postroad.config import Settings
from postroad.domains.registration import Registration
from postroad.model.actor import SYSTEM
from postroad.model.credential import Secret, SmtpUser
from postroad.net.clock import now_ms
from postroad.node.first_start import first_operator
from postroad.node.installation import migrate_schema
from postroad.node.keys import installation_keys
from postroad.policy.alignment import OrganisationalDomains
from postroad.policy.key_text import digest_of, shown_part
from postroad.policy.password import generate_password, prepared
from postroad.storage import api_keys, domains, smtp_users
from postroad.storage.database import Database
from postroad.storage.engine import open_database

DOMAIN = "demo.example"
USERNAME = f"app@{DOMAIN}"
SENDER = f"hello@{DOMAIN}"
_PASSWORD_FILE = "demo-password"
_API_KEY_FILE = "demo-api-key"


class Demo(msgspec.Struct, frozen=True):
    """A working SMTP user."""

    username: str
    password: Secret
    domain: str
    sender: str
    api_key: Secret
    """Sends for the domain by HTTP."""
    console: Secret
    """Opens the console signed in, once."""


def prepare_demo(settings: Settings) -> Demo:
    """Bring the data folder to the newest schema and put the demonstration into it, if it is not there yet."""
    migrate_schema(settings)
    return asyncio.run(_prepare(settings))


async def _prepare(settings: Settings) -> Demo:
    data_dir = Path(settings.data_dir)
    database = await open_database(
        settings.database.url, data_dir=data_dir, clock=now_ms, read_connections=1, is_checkpointer=False
    )
    try:
        account = await Accounts(database, now_ms).ensure_default(SYSTEM)
        if await database.read(domains.by_name, DOMAIN) is None:
            keys = await installation_keys(database, data_dir)
            registration = Registration(database, keys.vault, settings.domains, OrganisationalDomains(), now_ms)
            await registration.add(SYSTEM, account.id, DOMAIN)
        password = _password(data_dir)
        await _set_password(database, password)
        api_key = await _api_key(database, data_dir)
        console = await first_operator(settings, database).sign_in_link()
    finally:
        await database.close()
    return Demo(USERNAME, password, DOMAIN, SENDER, api_key, console.url)


async def _set_password(database: Database, password: Secret) -> None:
    users = SmtpUsers(database, now_ms)
    user = await database.read(smtp_users.by_username, USERNAME)
    if user is None:
        await users.add(SYSTEM, USERNAME, password=password, choices=SmtpUserChange(note="printed by postroad dev"))
    elif not await _matches(user, password):
        await users.set_password(SYSTEM, user.id, password)


async def _matches(user: SmtpUser, password: Secret) -> bool:
    hasher = PasswordHasher(threads=1, queue=0, strangers_per_s=1.0)
    try:
        return await hasher.matches(user.password_hash, prepared(password))
    finally:
        hasher.close()


async def _api_key(database: Database, data_dir: Path) -> Secret:
    """Return the demonstration's API key: the same at every start, unless somebody removed it."""
    path = data_dir / _API_KEY_FILE
    if path.exists():
        text = Secret(path.read_text("ascii"))
        stored = await database.read(api_keys.by_prefix, shown_part(text))
        if stored is not None and stored.secret_hash == digest_of(text):
            return text
        path.unlink()
    added = await ApiKeys(database, now_ms).add_for_domain(SYSTEM, DOMAIN, note="printed by postroad dev")
    _keep(path, added.text)
    return added.text


def _password(data_dir: Path) -> Secret:
    """Return the demonstration's password: the same at every start, readable by this user only."""
    path = data_dir / _PASSWORD_FILE
    if not path.exists():
        _keep(path, generate_password(os.urandom(64)))
    return Secret(path.read_text("ascii"))


def _keep(path: Path, secret: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(secret)

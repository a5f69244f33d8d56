"""The installation's own keys: made at the first start, kept encrypted, the same on every node."""

import os
import secrets
from pathlib import Path

import msgspec

from postroad.net.clock import now_ms
from postroad.storage.database import Database
from postroad.storage.secrets import Vault, bind_key, ensure_secret, master_key

KEY_VARIABLE = "POSTROAD_MASTER_KEY"


class InstallationKeys(msgspec.Struct, frozen=True):
    """What signs and encrypts in the name of the installation."""

    vault: Vault
    return_path: bytes
    """Signs return paths (VERP), so that only bounces of our own mail are believed."""
    identifier: bytes
    """Signs the message identifiers that complaints bring back."""

    def __repr__(self) -> str:
        return f"InstallationKeys({self.vault!r})"


async def open_vault(database: Database, data_dir: Path) -> Vault:
    """Return what encrypts secrets at rest; raises MasterKeyMismatch where the database belongs to another key."""
    vault = Vault(master_key(data_dir, os.environ.get(KEY_VARIABLE, "")))
    await database.write(bind_key, vault, installation_id=secrets.token_hex(16), now=now_ms())
    return vault


async def installation_keys(database: Database, data_dir: Path) -> InstallationKeys:
    """Return the keys; raises MasterKeyMismatch where the database belongs to another master key."""
    vault = await open_vault(database, data_dir)
    return InstallationKeys(
        vault,
        await database.write(ensure_secret, vault, "return_path", os.urandom(32)),
        await database.write(ensure_secret, vault, "identifier", os.urandom(32)),
    )

"""The installation's own keys: made at the first start, kept encrypted, the same on every node."""

import os
from pathlib import Path

import msgspec

from postroad.storage import vault as vaults
from postroad.storage.database import Database
from postroad.storage.secrets import Vault, ensure_secret

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
    return await vaults.open_vault(database, data_dir, os.environ.get(KEY_VARIABLE, ""))


async def installation_keys(database: Database, data_dir: Path) -> InstallationKeys:
    """Return the keys; raises MasterKeyMismatch where the database belongs to another master key."""
    vault = await open_vault(database, data_dir)
    return InstallationKeys(
        vault,
        await database.write(ensure_secret, vault, "return_path", os.urandom(32)),
        await database.write(ensure_secret, vault, "identifier", os.urandom(32)),
    )

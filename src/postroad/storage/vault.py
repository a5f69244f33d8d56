"""Opens what encrypts secrets at rest, and makes sure that it is this database's."""

import asyncio
import os
from pathlib import Path

from postroad.storage.database import Database
from postroad.storage.secrets import Vault, bind_key, master_key


async def open_vault(database: Database, data_dir: Path, given_key: str = "") -> Vault:
    """Return the vault of the given master key (hexadecimal), or of the data folder's, made at the first start.

    Raises MasterKeyMismatch where the database belongs to another master key.
    """
    vault = Vault(await asyncio.to_thread(master_key, data_dir, given_key))
    await database.write(bind_key, vault, installation_id=os.urandom(16).hex(), now=database.clock())
    return vault

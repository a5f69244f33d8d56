"""Secrets at rest: encrypted with the installation's master key, which is never in the database."""

import contextlib
import hashlib
import hmac
import os
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import Connection, select, update

from postroad.storage.dialect import insert_into
from postroad.storage.errors import MasterKeyMismatch, StorageError
from postroad.storage.schema.control_plane import installation, installation_secrets

MASTER_KEY_FILE = "master.key"
_KEY_OCTETS = 32
_NONCE_OCTETS = 12


class Vault:
    """Encrypts and decrypts with the master key (AES-256-GCM); each value is bound to the place it is stored at."""

    def __init__(self, master_key: bytes) -> None:
        if len(master_key) != _KEY_OCTETS:
            raise StorageError(f"the master key has {_KEY_OCTETS} octets, not {len(master_key)}")
        self._cipher = AESGCM(master_key)
        self._root = hmac.digest(master_key, b"postroad keys for signing", hashlib.sha256)
        self.fingerprint = hashlib.sha256(b"postroad master key\0" + master_key).hexdigest()[:32]

    def __repr__(self) -> str:
        return f"Vault({self.fingerprint})"

    def encrypt(self, value: bytes, place: str) -> bytes:
        """Return ``value`` encrypted for ``place``, which names its table and row."""
        nonce = os.urandom(_NONCE_OCTETS)
        return nonce + self._cipher.encrypt(nonce, value, place.encode())

    def decrypt(self, sealed: bytes, place: str) -> bytes:
        """Return what was encrypted for ``place``; raises MasterKeyMismatch where it was not, or with another key."""
        try:
            return self._cipher.decrypt(sealed[:_NONCE_OCTETS], sealed[_NONCE_OCTETS:], place.encode())
        except (InvalidTag, ValueError) as error:
            raise MasterKeyMismatch(f"the secret of {place} was not encrypted with this master key") from error

    def signing_key(self, purpose: str) -> bytes:
        """Return a key to sign with for one purpose: the same for every worker, and of no use for another purpose."""
        return hmac.digest(self._root, purpose.encode(), hashlib.sha256)


def master_key(data_dir: Path, given: str = "") -> bytes:
    """Return the master key: the given one in hexadecimal, else the data folder's, made now where there is none.

    Raises StorageError.
    """
    if given:
        return _read_hexadecimal(given, "the environment")
    path = data_dir / MASTER_KEY_FILE
    try:
        if not path.exists():
            with contextlib.suppress(FileExistsError):
                _write_new(path, os.urandom(_KEY_OCTETS))
        text = path.read_text("ascii", "replace")
    except OSError as error:
        raise StorageError(f"the master key {path} cannot be read or made: {error.strerror}") from error
    return _read_hexadecimal(text, str(path))


def _write_new(path: Path, key: bytes) -> None:
    """Write the key's file; it appears whole and with its mode, or not at all."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(f"{key.hex()}\n")
            file.flush()
            os.fsync(file.fileno())
        # A link, because unlike a renaming it fails where another process was quicker.
        path.hardlink_to(draft)
    finally:
        draft.unlink()
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _read_hexadecimal(text: str, source: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError as error:
        raise StorageError(f"the master key in {source} is not hexadecimal") from error


def bind_key(connection: Connection, vault: Vault, *, installation_id: str, now: int) -> str:
    """Bind the database to the master key at first start; returns the id of the installation.

    Raises MasterKeyMismatch where it is bound to another key.
    """
    connection.execute(
        update(installation)
        .where(installation.c.key_fingerprint.is_(None))
        .values(key_fingerprint=vault.fingerprint, installation_id=installation_id, created_at=now)
    )
    row = connection.execute(select(installation)).one()
    if row.key_fingerprint != vault.fingerprint:
        raise MasterKeyMismatch(
            f"the database belongs to master key {row.key_fingerprint}, this is {vault.fingerprint}: bring back the "
            f"{MASTER_KEY_FILE} it was made with"
        )
    bound: str = row.installation_id
    return bound


def is_key_of(connection: Connection, data_dir: Path, given: str = "") -> bool:
    """Return whether the given key, else the data folder's, opens the database's secrets; before the first start any does."""
    bound: str | None = connection.execute(select(installation.c.key_fingerprint)).scalar_one_or_none()
    if bound is None or not (given or (data_dir / MASTER_KEY_FILE).exists()):
        return bound is None
    try:
        return Vault(master_key(data_dir, given)).fingerprint == bound
    except StorageError:
        # What cannot be read is no key of any database.
        return False


def ensure_secret(connection: Connection, vault: Vault, name: str, fresh: bytes) -> bytes:
    """Return one of the installation's own keys (for return paths, say), storing ``fresh`` where there is none."""
    sealed = vault.encrypt(fresh, _place(name))
    statement = insert_into(connection, installation_secrets).values(name=name, value=sealed)
    connection.execute(statement.on_conflict_do_nothing())
    query = select(installation_secrets.c.value).where(installation_secrets.c.name == name)
    return vault.decrypt(connection.execute(query).scalar_one(), _place(name))


def _place(name: str) -> str:
    return f"installation_secrets/{name}"

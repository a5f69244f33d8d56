"""The master key and what it protects."""

from pathlib import Path

import pytest

from postroad.storage.errors import MasterKeyMismatch, StorageError
from postroad.storage.secrets import MASTER_KEY_FILE, Vault, master_key


def test_the_master_key_is_made_once_and_only_its_owner_reads_it(tmp_path: Path) -> None:
    first = master_key(tmp_path / "data")
    second = master_key(tmp_path / "data")

    assert first == second
    assert len(first) == 32
    assert (tmp_path / "data" / MASTER_KEY_FILE).stat().st_mode & 0o777 == 0o600
    assert [path.name for path in (tmp_path / "data").iterdir()] == [MASTER_KEY_FILE]


def test_two_installations_have_different_keys(tmp_path: Path) -> None:
    assert master_key(tmp_path / "a") != master_key(tmp_path / "b")


def test_a_given_key_is_used_and_nothing_is_written(tmp_path: Path) -> None:
    assert master_key(tmp_path, "ab" * 32) == b"\xab" * 32
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("broken", ["zz", "not a key"])
def test_a_key_that_is_none_is_said_so(tmp_path: Path, broken: str) -> None:
    with pytest.raises(StorageError, match="not hexadecimal"):
        master_key(tmp_path, broken)


def test_a_short_key_is_refused() -> None:
    with pytest.raises(StorageError, match="32 octets"):
        Vault(b"short")


def test_what_is_encrypted_comes_back_only_whole_and_in_its_place() -> None:
    vault = Vault(bytes(32))
    sealed = vault.encrypt(b"secret", "table/1")

    assert vault.decrypt(sealed, "table/1") == b"secret"
    assert sealed != vault.encrypt(b"secret", "table/1")
    for broken, place in ((sealed, "table/2"), (sealed[:-1], "table/1"), (b"", "table/1")):
        with pytest.raises(MasterKeyMismatch):
            vault.decrypt(broken, place)


def test_keys_to_sign_with_differ_by_purpose_and_installation_and_last() -> None:
    vault = Vault(bytes(32))

    assert vault.signing_key("a") == Vault(bytes(32)).signing_key("a")
    assert len({vault.signing_key("a"), vault.signing_key("b"), Vault(b"x" * 32).signing_key("a"), bytes(32)}) == 4


def test_a_vault_shows_its_fingerprint_and_not_its_key() -> None:
    assert repr(Vault(bytes(32))) == f"Vault({Vault(bytes(32)).fingerprint})"
    assert Vault(bytes(32)).fingerprint != Vault(b"x" * 32).fingerprint

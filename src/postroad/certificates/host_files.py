"""Certificates of tracking hosts that an operator keeps as files in a folder."""

from pathlib import Path

import msgspec

from postroad.certificates.facts import facts_of
from postroad.net.tls import CertificateError, require_usable


class HostFile(msgspec.Struct, frozen=True):
    """What one name is shown."""

    pem: bytes
    """Chain and private key."""
    expires_at: int

    def __repr__(self) -> str:
        return f"HostFile(expires_at={self.expires_at})"


class HostFiles(msgspec.Struct, frozen=True):
    """What the files of a folder hold."""

    by_name: dict[str, HostFile]
    """The one that is valid longest where several hold a name."""
    complaints: tuple[str, ...] = ()
    """A sentence for each file that is of no use."""


def read_folder(folder: Path) -> HostFiles:
    """Read the ``*.pem`` files of a folder; a file of no use is complained of, and the others are taken."""
    found: dict[str, HostFile] = {}
    complaints = [] if folder.is_dir() else [f"tls.host_certificates: {folder} is no folder that can be read."]
    for path in sorted(folder.glob("*.pem")):
        try:
            read = _read(path)
        except (CertificateError, OSError, ValueError) as error:
            complaints.append(f"{path} holds no certificate with its key that can be used: {error}.")
            continue
        for name, one in read.items():
            if name not in found or found[name].expires_at < one.expires_at:
                found[name] = one
    return HostFiles(found, tuple(complaints))


def state_of(folder: Path) -> tuple[tuple[str, int, int], ...]:
    """Return what differs once a file of the folder has changed."""
    return tuple(sorted((one.name, stat.st_mtime_ns, stat.st_size) for one in _files(folder) for stat in (one.stat(),)))


def _files(folder: Path) -> list[Path]:
    return [*folder.glob("*.pem"), *folder.glob("*.key")]


def _read(path: Path) -> dict[str, HostFile]:
    pem, key = path.read_bytes(), path.with_suffix(".key")
    if key.exists():
        pem = pem.rstrip() + b"\n" + key.read_bytes()
    require_usable(pem)
    facts = facts_of(pem)
    return dict.fromkeys(facts.names, HostFile(pem, facts.not_after))

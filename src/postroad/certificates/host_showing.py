"""Keeping the certificates of tracking hosts that a worker's doors show those of the moment."""

import asyncio
from pathlib import Path

import msgspec
import structlog

from postroad.certificates.host_files import HostFiles, read_folder, state_of
from postroad.net.clock import Clock
from postroad.net.tls import ServerCertificate
from postroad.storage import certificates
from postroad.storage.database import Database
from postroad.storage.errors import StorageError
from postroad.storage.secrets import Vault

log = structlog.get_logger()

_LOOK_S = 5.0
_RESTS_MS = 15_000
"""Links trust a certificate once every worker of every node must show it."""


class _Obtained(msgspec.Struct, frozen=True):
    pem: bytes
    expires_at: int | None
    known_at: int

    def __repr__(self) -> str:
        return f"_Obtained(expires_at={self.expires_at})"


class ShownHosts:
    """One worker's certificates of tracking hosts: obtained ones where ``is_obtained``, and those in a folder, which win."""

    def __init__(
        self,
        certificate: ServerCertificate,
        database: Database,
        vault: Vault,
        clock: Clock,
        *,
        folder: str,
        is_obtained: bool,
    ) -> None:
        self._certificate = certificate
        self._database = database
        self._vault = vault
        self._clock = clock
        self._folder = Path(folder) if folder else None
        self._is_obtained = is_obtained
        self._obtained: dict[str, _Obtained] = {}
        self._files = HostFiles({})
        self._files_state: object = None
        self._is_first = True
        self._complaints: set[str] = set()

    async def run(self) -> None:
        """Look every five seconds for changed ones, until cancelled."""
        while True:
            await asyncio.sleep(_LOOK_S)
            await self.refresh()

    async def refresh(self) -> None:
        """Show what has changed; what cannot be used is complained of once."""
        complaints: list[str] = []
        if self._folder is not None:
            complaints += await asyncio.to_thread(self._read_folder, self._folder)
        if self._is_obtained:
            complaints += await self._take_obtained()
        for reason in complaints:
            if reason not in self._complaints:
                log.warning("host_certificate_kept", reason=reason)
        self._complaints = set(complaints)
        self._certificate.show_for_hosts(
            {host: one.pem for host, one in self._obtained.items()}
            | {host: one.pem for host, one in self._files.by_name.items()}
        )
        self._is_first = False

    def is_in_files(self, host: str) -> bool:
        """Whether a file holds a host that is not over."""
        return self._file_expiry(host) > self._clock()

    def covers(self, host: str) -> bool:
        """Whether a host has a certificate of its own that every node shows, and that is not over."""
        one = self._obtained.get(host)
        now = self._clock()
        if one is not None and one.known_at + _RESTS_MS <= now and (one.expires_at or 0) > now:
            return True
        return self.is_in_files(host)

    def _file_expiry(self, host: str) -> int:
        files = self._files.by_name
        one = files.get(host) or files.get(f"*.{host.partition('.')[2]}")
        return 0 if one is None else one.expires_at

    def _read_folder(self, folder: Path) -> tuple[str, ...]:
        try:
            state = state_of(folder)
        except OSError as error:
            return (f"{folder} was not read: {error}.",)
        if state != self._files_state or not folder.is_dir():
            self._files, self._files_state = read_folder(folder), state
        return self._files.complaints

    async def _take_obtained(self) -> list[str]:
        try:
            stored = await self._database.read(certificates.of_hosts)
        except StorageError as error:
            return [str(error)]
        issued = {host: one.expires_at for host, one in stored.items() if one.expires_at is not None}
        self._obtained = {host: one for host, one in self._obtained.items() if host in issued}
        complaints = []
        for host, expires_at in issued.items():
            known = self._obtained.get(host)
            if known is not None and known.expires_at == expires_at:
                continue
            try:
                pem = await self._database.read(certificates.with_key, self._vault, host)
            except StorageError as error:
                complaints.append(f"{host}: {error}")
                continue
            if pem is not None:
                # Of a renewed one there was another before, and what was there at the start is old.
                known_at = self._clock() if known is None and not self._is_first else 0
                self._obtained[host] = _Obtained(pem, expires_at, known_at)
        return complaints

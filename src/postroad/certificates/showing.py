"""Keeping the certificate that a worker's doors show that of the moment, without disturbing open sessions."""

import asyncio
from typing import Protocol

import structlog

from postroad.net.tls import CertificateError, ServerCertificate
from postroad.storage import certificates
from postroad.storage.database import Database
from postroad.storage.errors import StorageError
from postroad.storage.secrets import Vault

log = structlog.get_logger()

_LOOK_S = 5.0


class Meter(Protocol):
    """What is told of the certificate."""

    def certificate_expires(self, instant: int) -> None:
        """Say when the certificate that is shown ends, in milliseconds since 1970."""


class ShownCertificate:
    """One worker's certificate: from its files, or the obtained one where ``is_obtained``, as soon as there is one."""

    def __init__(
        self, certificate: ServerCertificate, database: Database, vault: Vault, *, is_obtained: bool, meter: Meter
    ) -> None:
        self._certificate = certificate
        self._database = database
        self._vault = vault
        self._is_obtained = is_obtained
        self._meter = meter
        self._shown: str | None = None
        self._complaint = ""

    async def run(self) -> None:
        """Look every five seconds for a changed certificate, until cancelled."""
        while True:
            await asyncio.sleep(_LOOK_S)
            await self.refresh()

    async def refresh(self) -> bool:
        """Show a changed certificate and tell whether it had changed; one that cannot be used is complained of once."""
        try:
            return await self._refreshed()
        finally:
            # Also of one that is kept as the new one is of no use: that it ends is what must be seen.
            if self._certificate.expires_at is not None:
                self._meter.certificate_expires(self._certificate.expires_at)

    async def _refreshed(self) -> bool:
        try:
            changed = await self._take_obtained() if self._is_obtained else self._certificate.reload_if_changed()
        except (CertificateError, StorageError) as error:
            if str(error) != self._complaint:
                log.warning("certificate_kept", reason=str(error))
            self._complaint = str(error)
            return False
        self._complaint = ""
        if changed:
            log.info("certificate_reloaded")
        return changed

    async def _take_obtained(self) -> bool:
        obtained = await self._database.read(certificates.get)
        if obtained is None or obtained.certificate is None or obtained.certificate == self._shown:
            return False
        pem = await self._database.read(certificates.with_key, self._vault)
        assert pem is not None, "a certificate that was issued stays"
        self._certificate.show(pem)
        self._shown = obtained.certificate
        return True

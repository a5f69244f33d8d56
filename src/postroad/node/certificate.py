"""The certificates that the doors of a node show."""

import asyncio
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import urlsplit

import structlog

from postroad.certificates.facts import CertificateFacts, facts_of
from postroad.config import Settings
from postroad.httpd.hosts import name_of
from postroad.net.address import parse_address
from postroad.net.clock import now_ms
from postroad.net.self_signed import ensure_self_signed
from postroad.net.tls import ServerCertificate
from postroad.node.installation import hostname_of
from postroad.storage import certificates
from postroad.storage.database import Database

log = structlog.get_logger()


def server_certificate(settings: Settings) -> ServerCertificate:
    """Return the configured certificate, or a self-signed one that is made at the first start.

    The self-signed one is shown as well until an authority has issued another.

    Raises:
        CertificateError: the files cannot be used.
    """
    if settings.tls.certificate:
        return ServerCertificate(Path(settings.tls.certificate), Path(settings.tls.key or settings.tls.certificate))
    return ServerCertificate(*ensure_self_signed(Path(settings.data_dir), hostname_of(settings), now_ms()))


def is_obtained(settings: Settings) -> bool:
    """Whether the certificate is asked of an authority; configured files win over it."""
    return bool(settings.tls.acme.directory) and not settings.tls.certificate


def certified_names(settings: Settings) -> tuple[str, ...]:
    """Return the names that the certificate has to hold: those asked for, else the ones that clients connect to."""
    return _host_names(settings.tls.acme.names) if settings.tls.acme.names else own_names(settings)


def own_names(settings: Settings) -> tuple[str, ...]:
    """Return the names that the installation itself is reached by."""
    place = urlsplit(settings.http.public_url)
    return _host_names((settings.smtp.hostname, place.hostname or "", name_of(settings.tracking.host)))


def has_obtained_hosts(settings: Settings) -> bool:
    """Whether tracking hosts of domains get certificates from the authority: it takes a door that shows them."""
    return is_obtained(settings) and bool(settings.http.listen_tls)


async def shown_facts(settings: Settings, database: Database) -> CertificateFacts | None:
    """Return what HTTPS shows; None where nobody answers by it, or the certificate is of our own making."""
    if not settings.http.listen_tls:
        return None
    if is_obtained(settings):
        obtained = await database.read(certificates.get)
        pem = "" if obtained is None else obtained.certificate or ""
    else:
        file = settings.tls.certificate
        pem = await asyncio.to_thread(_text_of, Path(file)) if file else ""
    try:
        return facts_of(pem.encode()) if pem else None
    except ValueError:
        # The doors complain of it; links go on as they can.
        return None


def _text_of(path: Path) -> str:
    try:
        return path.read_text("ascii", "replace")
    except OSError as error:
        # The doors complain of it; links go on as they can.
        log.warning("certificate_not_read", error=str(error))
        return ""


def _host_names(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name.lower() for name in names if is_host_name(name)))


def is_host_name(name: str) -> bool:
    """Whether clients elsewhere can know a host by this name: neither empty nor an address, and not a bare label."""
    return "." in name and parse_address(name) is None

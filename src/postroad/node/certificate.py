"""The certificate that the doors of a node show."""

from pathlib import Path
from urllib.parse import urlsplit

from postroad.config import Settings
from postroad.httpd.hosts import name_of
from postroad.net.address import parse_address
from postroad.net.clock import now_ms
from postroad.net.self_signed import ensure_self_signed
from postroad.net.tls import ServerCertificate
from postroad.node.installation import hostname_of


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
    usual = (settings.smtp.hostname, urlsplit(settings.http.public_url).hostname or "", name_of(settings.tracking.host))
    wanted = settings.tls.acme.names or usual
    return tuple(dict.fromkeys(name.lower() for name in wanted if is_host_name(name)))


def is_host_name(name: str) -> bool:
    """Whether clients elsewhere can know a host by this name: neither empty nor an address, and not a bare label."""
    return "." in name and parse_address(name) is None

"""The certificate that the doors of a node show."""

from pathlib import Path

from postroad.config import Settings
from postroad.net.clock import now_ms
from postroad.net.self_signed import ensure_self_signed
from postroad.net.tls import ServerCertificate
from postroad.node.installation import hostname_of


def server_certificate(settings: Settings) -> ServerCertificate:
    """Return the configured certificate, or a self-signed one that is made at the first start.

    Raises:
        CertificateError: the files cannot be used.
    """
    if settings.tls.certificate:
        return ServerCertificate(Path(settings.tls.certificate), Path(settings.tls.key or settings.tls.certificate))
    return ServerCertificate(*ensure_self_signed(Path(settings.data_dir), hostname_of(settings), now_ms()))

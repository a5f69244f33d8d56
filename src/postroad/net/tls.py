"""TLS contexts for serving and for dialling, and the facts of a finished handshake."""

import datetime as dt
import ssl
from pathlib import Path

from cryptography import x509

from postroad.model.outcome import TlsFacts

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


class CertificateError(Exception):
    """A certificate or key file cannot be used; the message says which and why in one sentence."""


class ServerCertificate:
    """A certificate with its key as files, and the one server context made of them.

    The context object never changes, so listeners keep it for good. When the files change, handshakes from then on
    show the new certificate and sessions that are open go on undisturbed.
    """

    def __init__(self, certificate: Path, key: Path) -> None:
        self.certificate = certificate
        self.key = key
        self.context = _server_context()
        self._state = self._files_state()
        self._load()

    def reload_if_changed(self) -> bool:
        """Load the files again when they have changed and tell whether they had.

        Raises CertificateError where the new files do not work; the certificate in use stays in use then.
        """
        state = self._files_state()
        if state == self._state:
            return False
        self._load()
        self._state = state
        return True

    def _files_state(self) -> tuple[tuple[int, int, int], ...]:
        try:
            stats = [path.stat() for path in (self.certificate, self.key)]
        except OSError as error:
            raise CertificateError(f"cannot read {error.filename}: {error.strerror}") from error
        return tuple((stat.st_mtime_ns, stat.st_size, stat.st_ino) for stat in stats)

    def _load(self) -> None:
        # A pair that does not match would leave the live context broken, so it is tried on a spare one first.
        for context in (_server_context(), self.context):
            try:
                context.load_cert_chain(self.certificate, self.key)
            except (OSError, ValueError) as error:
                reason = error.reason if isinstance(error, ssl.SSLError) and error.reason else error
                raise CertificateError(
                    f"cannot use certificate {self.certificate} with key {self.key}: {reason}"
                ) from error


def _server_context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    # RFC 8997 §3: mail submission must not be offered over TLS 1.0 and 1.1.
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION
    return context


def opportunistic_context() -> ssl.SSLContext:
    """Return the context for dialling where any encryption beats none: nobody's name is verified (RFC 7435 §3)."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    # Hosts with 1024-bit keys are still about; the alternative would be clear text.
    context.set_ciphers("DEFAULT:@SECLEVEL=1")
    return context


def verifying_context(authorities: Path | None = None) -> ssl.SSLContext:
    """Return the context for dialling where an authority must vouch for the host name.

    ``authorities`` replaces the system's certificate store.
    """
    context = ssl.create_default_context(cafile=None if authorities is None else str(authorities))
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def handshake_facts(connection: ssl.SSLObject | ssl.SSLSocket) -> TlsFacts:
    """Return what a finished handshake showed of the peer."""
    cipher = connection.cipher()
    certificate = connection.getpeercert(binary_form=True)
    subject, issuer, expires_at = _certificate_facts(certificate) if certificate else ("", "", None)
    context = connection.context
    return TlsFacts(
        version=connection.version() or "",
        cipher=cipher[0] if cipher else "",
        certificate_subject=subject,
        certificate_issuer=issuer,
        certificate_expires_at=expires_at,
        is_verified=context.verify_mode == ssl.CERT_REQUIRED and context.check_hostname,
    )


def _certificate_facts(der: bytes) -> tuple[str, str, int | None]:
    """Return subject, issuer and expiry; a certificate that cannot be read has none, and is no reason to stop mail."""
    try:
        certificate = x509.load_der_x509_certificate(der)
        expires_at = (certificate.not_valid_after_utc - _EPOCH) // dt.timedelta(milliseconds=1)
        return certificate.subject.rfc4514_string(), certificate.issuer.rfc4514_string(), expires_at
    except (ValueError, x509.UnsupportedGeneralNameType):
        return "", "", None

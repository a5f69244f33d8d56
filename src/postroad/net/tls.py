"""TLS contexts for serving and for dialling, and the facts of a finished handshake."""

import contextlib
import datetime as dt
import os
import ssl
import tempfile
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from pathlib import Path

from cryptography import x509

from postroad.model.outcome import TlsFacts

_MOST_CONTEXTS = 1000
"""Of hosts, that are kept for the next handshake: each takes some 20 KB."""
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


class CertificateError(Exception):
    """A certificate or key file cannot be used; the message says which and why in one sentence."""


class ServerCertificate:
    """A certificate with its key as files, others for hosts of their own, and the one server context that shows them.

    The context object never changes, so listeners keep it for good. When the certificate changes, handshakes from then
    on show the new one and sessions that are open go on undisturbed.
    """

    def __init__(self, certificate: Path, key: Path) -> None:
        self.certificate = certificate
        self.key = key
        self._state = self._files_state()
        self.context = self._current = _server_context(certificate, key)
        self.expires_at = _expiry_of(certificate)
        """When the certificate that is shown ends, in milliseconds since 1970; null where that cannot be read."""
        self._hosts: Mapping[str, bytes] = {}
        self._host_contexts: OrderedDict[str, ssl.SSLContext] = OrderedDict()
        self.context.sni_callback = self._choose

    def reload_if_changed(self) -> bool:
        """Load the files again when they have changed and tell whether they had.

        Raises CertificateError where the new files do not work; the certificate in use stays in use then.
        """
        state = self._files_state()
        if state == self._state:
            return False
        self._current = _server_context(self.certificate, self.key)
        self.expires_at = _expiry_of(self.certificate)
        self._state = state
        return True

    def show(self, pem: bytes) -> None:
        """Show a certificate that is in no file: its chain and private key in PEM; raises CertificateError."""
        with _as_file(pem) as path:
            self._current = _server_context(path, path)
            self.expires_at = _expiry_of(path)

    def show_for_hosts(self, hosts: Mapping[str, bytes]) -> None:
        """Show whoever asks for one of these names (``*.`` for all right below one) its own chain and key in PEM."""
        before, self._hosts = self._hosts, hosts
        for name in [name for name in self._host_contexts if hosts.get(name) != before[name]]:
            del self._host_contexts[name]

    def _choose(self, handshake: ssl.SSLObject | ssl.SSLSocket, name: str | None, _context: ssl.SSLContext) -> None:
        """Give a handshake the certificate of now; OpenSSL asks here each time, also where no server name came.

        Loading into the live context instead would keep an RSA certificate beside the ECDSA one that replaces it, and
        would break the context where a pair does not match.
        """
        chosen = self._context_of_host(name.lower()) if name and self._hosts else None
        chosen = chosen or self._current
        if chosen is not self.context:
            handshake.context = chosen

    def _context_of_host(self, name: str) -> ssl.SSLContext | None:
        host = name if name in self._hosts else f"*.{name.partition('.')[2]}"
        if host not in self._hosts:
            return None
        context = self._host_contexts.get(host)
        if context is None:
            with _as_file(self._hosts[host]) as path:
                context = self._host_contexts[host] = _server_context(path, path)
            if len(self._host_contexts) > _MOST_CONTEXTS:
                self._host_contexts.popitem(last=False)
        self._host_contexts.move_to_end(host)
        return context

    def _files_state(self) -> tuple[tuple[int, int, int], ...]:
        try:
            stats = [path.stat() for path in (self.certificate, self.key)]
        except OSError as error:
            raise CertificateError(f"cannot read {error.filename}: {error.strerror}") from error
        return tuple((stat.st_mtime_ns, stat.st_size, stat.st_ino) for stat in stats)


def require_usable(pem: bytes) -> None:
    """Raise CertificateError with the reason alone where a chain and a private key in PEM cannot be shown."""
    try:
        with _as_file(pem) as path:
            _server_context(path, path)
    except CertificateError as error:
        # Its sentence names a file that nobody else can see.
        raise CertificateError(_reason_of(error.__cause__)) from error.__cause__


def _expiry_of(pem: Path) -> int | None:
    """Return when the first certificate of a file ends, which OpenSSL has just loaded."""
    try:
        return _milliseconds(x509.load_pem_x509_certificates(pem.read_bytes())[0].not_valid_after_utc)
    except ValueError:
        return None  # what OpenSSL can use is shown, though its facts cannot be read


def _milliseconds(instant: dt.datetime) -> int:
    return (instant - _EPOCH) // dt.timedelta(milliseconds=1)


def _server_context(certificate: Path, key: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    # RFC 8997 §3: mail submission must not be offered over TLS 1.0 and 1.1.
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION
    # RFC 8446 §4.6.1: several tickets serve clients that resume several connections at once. Most mail clients resume
    # none and log in anew for each message; the second ticket would be a tenth of their handshake.
    context.num_tickets = 1
    try:
        context.load_cert_chain(certificate, key)
    except (OSError, ValueError) as error:
        raise CertificateError(f"cannot use certificate {certificate} with key {key}: {_reason_of(error)}") from error
    return context


def _reason_of(error: BaseException | None) -> str:
    return error.reason if isinstance(error, ssl.SSLError) and error.reason else str(error)


@contextlib.contextmanager
def _as_file(content: bytes) -> Iterator[Path]:
    """Give secret content the path that OpenSSL wants: in memory where the system can, else its owner's alone."""
    if hasattr(os, "memfd_create"):
        with os.fdopen(os.memfd_create("certificate"), "wb") as file:
            file.write(content)
            file.flush()
            yield Path(f"/proc/self/fd/{file.fileno()}")
    else:
        with tempfile.NamedTemporaryFile(prefix="postroad-") as named:
            named.write(content)
            named.flush()
            yield Path(named.name)


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
        expires_at = _milliseconds(certificate.not_valid_after_utc)
        return certificate.subject.rfc4514_string(), certificate.issuer.rfc4514_string(), expires_at
    except (ValueError, x509.UnsupportedGeneralNameType):
        return "", "", None

"""The self-signed certificate that a node makes at its first start, so that TLS works before anyone obtains another."""

import datetime as dt
import os
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from postroad.net.address import parse_address

_LIFETIME = dt.timedelta(days=730)
_RENEW_BEFORE = dt.timedelta(days=30)


def ensure_self_signed(folder: Path, hostname: str, now: int) -> tuple[Path, Path]:
    """Return the certificate and key files in ``folder``, made anew when they are absent, foreign or about to expire.

    The key is readable by its owner only.
    """
    certificate_path, key_path = folder / "self-signed.crt", folder / "self-signed.key"
    moment = dt.datetime.fromtimestamp(now / 1000, tz=dt.UTC)
    if key_path.exists() and _is_good(certificate_path, hostname, moment):
        return certificate_path, key_path
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = _certificate(key, hostname, moment)
    _replace(
        key_path,
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()),
        mode=0o600,
    )
    _replace(certificate_path, certificate.public_bytes(serialization.Encoding.PEM), mode=0o644)
    return certificate_path, key_path


def _is_good(path: Path, hostname: str, moment: dt.datetime) -> bool:
    try:
        certificate = x509.load_pem_x509_certificate(path.read_bytes())
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (OSError, ValueError, x509.ExtensionNotFound):
        return False
    return _general_name(hostname) in names and certificate.not_valid_after_utc - moment > _RENEW_BEFORE


def _certificate(key: ec.EllipticCurvePrivateKey, hostname: str, moment: dt.datetime) -> x509.Certificate:
    # RFC 5280 §4.1.2.6 bounds a common name to 64 characters; the alternative names are what clients compare.
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, hostname[:64])])
    names = dict.fromkeys((_general_name(hostname), _general_name("localhost")))
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        # A little back-dated for clients whose clock is slow.
        .not_valid_before(moment - dt.timedelta(hours=1))
        .not_valid_after(moment + _LIFETIME)
        .add_extension(x509.SubjectAlternativeName(list(names)), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(key, hashes.SHA256())
    )


def _general_name(hostname: str) -> x509.GeneralName:
    address = parse_address(hostname)
    return x509.DNSName(hostname) if address is None else x509.IPAddress(address)


def _replace(path: Path, content: bytes, mode: int) -> None:
    """Put a file in place whole, with its mode from the first moment."""
    unfinished = path.with_name(path.name + ".new")
    unfinished.unlink(missing_ok=True)
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    unfinished.replace(path)

"""What a certificate in PEM says of itself."""

import datetime as dt

import msgspec
from cryptography import x509

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_MILLISECOND = dt.timedelta(milliseconds=1)


class CertificateFacts(msgspec.Struct, frozen=True, kw_only=True):
    """The facts of the first certificate of a chain, which is the one that is shown (RFC 5280 §4.1.2.5)."""

    names: tuple[str, ...]
    """Its DNS names in lower case."""
    issuer: str
    not_before: int
    not_after: int

    def covers(self, name: str) -> bool:
        """Tell whether the certificate is good for a name, also by a wildcard for its first label (RFC 9525 §6.3)."""
        name = name.lower()
        return name in self.names or f"*.{name.partition('.')[2]}" in self.names


def facts_of(pem: bytes) -> CertificateFacts:
    """Read a chain; raises ValueError where it is none."""
    certificate = x509.load_pem_x509_certificates(pem)[0]
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        dns_names = tuple(name.lower() for name in names.get_values_for_type(x509.DNSName))
    except x509.ExtensionNotFound:
        dns_names = ()
    return CertificateFacts(
        names=dns_names,
        issuer=certificate.issuer.rfc4514_string(),
        not_before=(certificate.not_valid_before_utc - _EPOCH) // _MILLISECOND,
        not_after=(certificate.not_valid_after_utc - _EPOCH) // _MILLISECOND,
    )

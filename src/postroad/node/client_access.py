"""What the settings say of how mail clients reach the installation, and which names its domains' records lead to."""

from urllib.parse import urlsplit

import msgspec

from postroad.config import Settings
from postroad.domains.settings import installation_names
from postroad.httpd.hosts import name_of
from postroad.model.client_access import ClientAccess
from postroad.net.listen import parse_endpoint
from postroad.node.certificate import is_host_name
from postroad.policy.records import InstallationNames


def client_access(settings: Settings) -> ClientAccess:
    """Return what mail clients are told; nothing where ``smtp.hostname`` is no name that others know."""
    host = settings.smtp.hostname.lower()
    if not is_host_name(host):
        return ClientAccess()
    place = urlsplit(settings.http.public_url)
    setup_host = place.hostname or ""
    return ClientAccess(
        submission_host=host,
        starttls_port=_port(settings.smtp.listen, usual=587),
        tls_port=_port(settings.smtp.listen_tls, usual=465),
        setup_host=setup_host if place.scheme == "https" and is_host_name(setup_host) else "",
        setup_port=place.port or 443,
        certified_names=tuple(name.lower() for name in settings.tls.acme.names),
    )


def names_of(settings: Settings) -> InstallationNames:
    """Return the names that records of sending domains lead to, those for mail clients with them."""
    return msgspec.structs.replace(
        installation_names(settings.domains, name_of(settings.tracking.host)), clients=client_access(settings)
    )


def _port(addresses: tuple[str, ...], *, usual: int) -> int | None:
    ports = [parse_endpoint(address).port for address in addresses]
    return usual if usual in ports else next(iter(ports), None)

"""What a passkey belongs to: the name that the console is reached by, from the configuration and not from a request."""

from urllib.parse import urlsplit

import msgspec

from postroad.net.address import parse_address

_LOOPBACK = "localhost"
_DEFAULT_PORTS = {"http": 80, "https": 443}


class RelyingParty(msgspec.Struct, frozen=True):
    """The name that browsers bind passkeys to, and the one origin whose pages may ask for them."""

    id: str
    origin: str

    @property
    def name(self) -> str:
        """What devices show."""
        return f"Postroad {self.id}"


def relying_party(public_url: str, scheme: str, host: str) -> RelyingParty | None:
    """Return what passkeys belong to where a browser uses ``host``, the value of its Host header.

    Passkeys are bound to a name for good: the configured one; or ``localhost``, under which a browser reaches nothing
    but its own machine. Elsewhere, as under an address, browsers know none, and there is None.
    """
    configured = urlsplit(public_url)
    name = configured.hostname or ""
    if name and configured.scheme == "https" and parse_address(name) is None:
        port = "" if configured.port in {None, _DEFAULT_PORTS["https"]} else f":{configured.port}"
        if host.lower() == f"{name}{port}":
            return RelyingParty(name, f"https://{name}{port}")
    if host.lower().partition(":")[0] == _LOOPBACK:
        return RelyingParty(_LOOPBACK, f"{scheme}://{host.lower()}")
    return None

"""Settings that are well-formed and still make no sense are refused before a worker starts upon them."""

import os
import pwd
import re
import ssl
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec

from postroad.config import ConfigError, Settings
from postroad.config.fields import fields_by_path
from postroad.delivery.settings import RouteSettings, SourceSettings
from postroad.delivery.terms import DEFAULT_POOL, split_host, understand
from postroad.dns.resolver import parse_nameserver
from postroad.net.address import parse_address, parse_network
from postroad.net.listen import parse_endpoint
from postroad.net.tls import verifying_context
from postroad.node.certificate import certified_names, is_obtained
from postroad.policy.rbl import parse_zone
from postroad.policy.retry import parse_schedule
from postroad.policy.spf_mechanism import parse_mechanism
from postroad.protocol.smtp.address import AddressError, normal_domain, parse_path
from postroad.storage.errors import BadParameter, StorageError
from postroad.storage.location import locate

_LABEL = re.compile(r"(?!-)[a-z0-9-]{1,63}(?<!-)")


def require_sound(settings: Settings) -> None:
    """Read what a worker will read; raises ConfigError with the setting and a sentence."""
    for path in fields_by_path(Settings):
        _judge_value(path, _value_at(settings, path))
    for number, route in enumerate(settings.delivery.routes):
        _judge_fields(f"delivery.routes[{number}]", route, _ROUTE_READERS)
    for name, source in settings.delivery.sources.items():
        _judge_fields(f"delivery.sources.{name}", source, _SOURCE_READERS)
    _judge_pools(settings)
    try:
        understand(settings.delivery, frozenset(), frozenset())
    except ValueError as error:
        # It names the settings itself, as it sees several at once.
        raise ConfigError(str(error)) from error
    if is_obtained(settings):
        _judge("tls.acme", partial(_read_acme, settings))


# -- one after another -------------------------------------------------------------------------------------------------


def _judge_value(path: str, value: object) -> None:
    read = _READERS.get(path, str)
    for text in _texts_in(value):
        _judge(path, partial(_read_text, text))
    for text in value if isinstance(value, tuple) else (value,):
        # An empty text leaves a setting at what it says of that; an empty one of several says nothing.
        if isinstance(text, str) and (text or isinstance(value, tuple)):
            _judge(path, partial(read, text))


def _judge_fields(
    path: str, value: RouteSettings | SourceSettings, readers: Mapping[str, Callable[[str], object]]
) -> None:
    for name, given in msgspec.structs.asdict(value).items():
        if isinstance(given, str):
            _judge(f"{path}.{name}", partial(_read_text, given))
            if given and name in readers:
                _judge(f"{path}.{name}", partial(readers[name], given))


def _judge_pools(settings: Settings) -> None:
    pools, wanted = settings.delivery.pools, settings.submission.default_pool
    for name, members in pools.items():
        if not any(members.values()):
            raise ConfigError(
                f"delivery.pools.{name}: no mail would leave from it: give at least one source a weight above 0"
            )
    known = tuple(pools) or (DEFAULT_POOL,)
    if wanted not in known:
        raise ConfigError(
            f"submission.default_pool: there is no pool {wanted!r}: name one of {', '.join(known)}, "
            "or add it to delivery.pools in the file of every node"
        )


def _judge(place: str, read: Callable[[], object]) -> None:
    try:
        read()
    except ValueError as error:
        raise ConfigError(f"{place}: {error}") from error


def _value_at(settings: Settings, path: str) -> Any:
    value: Any = settings
    for name in path.split("."):
        value = getattr(value, name)
    return value


def _texts_in(value: object) -> Iterator[str]:
    match value:
        case str():
            yield value
        case tuple():
            for one in value:
                yield from _texts_in(one)
        case dict():
            for name, one in value.items():
                yield from (name, *_texts_in(one))


# -- what a text has to be ---------------------------------------------------------------------------------------------


def _read_text(text: str) -> None:
    """Refuse control characters: no setting has a use for them, and protocols and files end lines by some."""
    stray = next((letter for letter in text if unicodedata.category(letter) == "Cc"), None)
    if stray is not None:
        raise ValueError(f"has the character U+{ord(stray):04X}, which cannot be seen: write it without")


def _read_name(text: str) -> None:
    """Refuse what others could not look up, or be greeted by: they see the name just as it is written."""
    try:
        is_name = normal_domain(text) == text.lower() or text.startswith("[")
    except AddressError:
        is_name = False
    if not is_name:
        raise ValueError(f"{text!r} is not the name of a host: write one such as mail.example.net")


def _read_next_host(text: str) -> None:
    # Containers' names may have underscores, which no name in an address has.
    if parse_address(text) is None:
        _read_name(text.replace("_", "-"))


def _read_smarthost(text: str) -> None:
    _read_next_host(split_host(text, 25)[0])


def _read_destination(text: str) -> None:
    try:
        is_domain = text == "*" or normal_domain(text.removeprefix("*.")) == text.removeprefix("*.").lower()
    except AddressError:
        is_domain = False
    if not is_domain:
        raise ValueError(f"{text!r} is not a destination: write example.com, *.example.com or *")


def _read_label(text: str) -> None:
    if not _LABEL.fullmatch(text):
        raise ValueError(
            f"{text!r} is not a label of a name: write small letters, digits and hyphens within, such as rp"
        )


def _read_email(text: str) -> None:
    try:
        address = parse_path(text, is_utf8=False)
    except AddressError:
        address = ""
    if not address:
        raise ValueError(f"{text!r} is not an email address: write one such as noreply@example.com, without a name")


def _read_domain(text: str) -> None:
    try:
        normal_domain(text)
    except AddressError as error:
        raise ValueError(f"{text!r} is not a domain: write one such as example.com, without an @") from error


def _read_public_url(text: str) -> None:
    if not _is_url(text, "https", "http") or "?" in text or "#" in text:
        raise ValueError(f"{text!r} is not where people could go: write an address such as https://mail.example.com")


def _read_directory(text: str) -> None:
    if not _is_url(text, "https"):
        raise ValueError(f"the directory {text!r} is no https:// address")


def _is_url(text: str, *schemes: str) -> bool:
    try:
        parts = urlsplit(text)
        _read_next_host(parts.hostname or "")
        is_place = parts.port != 0 and "@" not in parts.netloc and " " not in text
    except ValueError:
        return False
    return is_place and parts.scheme in schemes


def _read_tracking_host(text: str) -> None:
    host, colon, port = text.partition(":")
    is_port = port.isascii() and port.isdigit() and 0 < int(port) < 65_536
    try:
        _read_name(host)
        is_host = is_port or not colon
    except ValueError:
        is_host = False
    if not is_host:
        raise ValueError(f"{text!r} is no host: write a name such as click.example.net, without https:// before it")


def _read_ipv4(text: str) -> None:
    try:
        IPv4Address(text)
    except ValueError:
        raise ValueError(f"{text!r} is not an IPv4 address such as 192.0.2.1") from None


def _read_ipv6(text: str) -> None:
    try:
        IPv6Address(text)
    except ValueError:
        raise ValueError(f"{text!r} is not an IPv6 address such as 2001:db8::1") from None


def _read_authorities(text: str) -> None:
    try:
        verifying_context(Path(text))
    except (OSError, ssl.SSLError) as error:
        reason = getattr(error, "reason", None) or getattr(error, "strerror", None) or str(error)
        raise ValueError(f"{text!r} is not a PEM file of authorities that can be read: {reason}") from error


def _read_database_url(text: str) -> None:
    # It may hold a password, which the sentence leaves out.
    try:
        locate(text, Path())
    except BadParameter as error:
        raise ValueError(error.what) from None
    except (StorageError, ValueError):
        raise ValueError("it is not where a database can be: write postgresql://user@host/name") from None


def _read_user(text: str) -> None:
    # Only root goes on as somebody else.
    if os.geteuid() != 0:
        return
    try:
        pwd.getpwnam(text)
    except KeyError:
        raise ValueError(f"there is no user {text} on this machine") from None


def _read_acme(settings: Settings) -> None:
    if not settings.tls.acme.agree_terms:
        raise ValueError("set agree_terms to true once you have read the authority's terms of service")
    if not certified_names(settings):
        raise ValueError("there is no name to have certified: set smtp.hostname, or names")


_READERS: Mapping[str, Callable[[str], object]] = {
    "user": _read_user,
    "database.url": _read_database_url,
    "smtp.listen": parse_endpoint,
    "smtp.listen_tls": parse_endpoint,
    "smtp.listen_by_address": parse_endpoint,
    "smtp.hostname": _read_name,
    "smtp.proxy_protocol_from": parse_network,
    "smtp.rbl_zones": parse_zone,
    "smtp.rbl_allow": parse_network,
    "inbound.listen": parse_endpoint,
    "inbound.proxy_protocol_from": parse_network,
    "accounts.operator_email": _read_email,
    "accounts.notices_from": _read_email,
    "accounts.oidc.email_domains": _read_domain,
    "accounts.oidc.authorities": _read_authorities,
    "dns.resolvers": parse_nameserver,
    "domains.inbound_host": _read_name,
    "domains.return_path_host": _read_name,
    "domains.return_path_label": _read_label,
    "domains.spf": parse_mechanism,
    "domains.dkim_zone": _read_name,
    "delivery.hostname": _read_name,
    "delivery.smarthost": _read_smarthost,
    "delivery.retry_schedule": parse_schedule,
    "tls.acme.directory": _read_directory,
    "tls.acme.email": _read_email,
    "tls.acme.names": _read_name,
    "tls.acme.http_listen": parse_endpoint,
    "tls.acme.authorities": _read_authorities,
    "http.listen": parse_endpoint,
    "http.listen_tls": parse_endpoint,
    "http.public_url": _read_public_url,
    "http.trusted_proxies": parse_network,
    "tracking.host": _read_tracking_host,
    "tracking.machine_networks": parse_network,
    "admin.listen": parse_endpoint,
}
_ROUTE_READERS: Mapping[str, Callable[[str], object]] = {"destination": _read_destination, "host": _read_next_host}
_SOURCE_READERS: Mapping[str, Callable[[str], object]] = {
    "ipv4": _read_ipv4,
    "ipv6": _read_ipv6,
    "hostname": _read_name,
}

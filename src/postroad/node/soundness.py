"""Settings that are well-formed and still make no sense are refused before a worker starts upon them."""

import re
from collections.abc import Callable
from functools import partial

from postroad.config import ConfigError, Settings
from postroad.delivery.terms import understand
from postroad.dns.resolver import parse_nameserver
from postroad.net.address import parse_network
from postroad.node.certificate import certified_names, is_obtained
from postroad.policy.rbl import parse_zone

_HOST = re.compile(r"[a-z0-9-]+(\.[a-z0-9-]+)*", re.IGNORECASE)


def require_sound(settings: Settings) -> None:
    """Read what a worker will read; raises ConfigError with the section and a sentence."""
    _judge("delivery", partial(understand, settings.delivery, frozenset(), frozenset()))
    for text in settings.dns.resolvers:
        _judge("dns.resolvers", partial(parse_nameserver, text))
    for text in settings.smtp.proxy_protocol_from:
        _judge("smtp.proxy_protocol_from", partial(parse_network, text))
    for text in settings.smtp.rbl_zones:
        _judge("smtp.rbl_zones", partial(parse_zone, text))
    for text in settings.smtp.rbl_allow:
        _judge("smtp.rbl_allow", partial(parse_network, text))
    for text in settings.tracking.machine_networks:
        _judge("tracking.machine_networks", partial(parse_network, text))
    _judge("tracking.host", partial(_read_tracking_host, settings.tracking.host))
    if is_obtained(settings):
        _judge("tls.acme", partial(_read_acme, settings))


def _read_acme(settings: Settings) -> None:
    acme = settings.tls.acme
    if not acme.directory.startswith("https://"):
        raise ValueError(f"the directory {acme.directory!r} is no https:// address")
    if not acme.agree_terms:
        raise ValueError("set agree_terms to true once you have read the authority's terms of service")
    if not certified_names(settings):
        raise ValueError("there is no name to have certified: set smtp.hostname, or names")


def _read_tracking_host(text: str) -> None:
    host, _, port = text.partition(":")
    if text and (not _HOST.fullmatch(host) or (":" in text and not port.isdecimal())):
        raise ValueError(f"{text!r} is no host: write a name such as click.example.net, without https:// before it")


def _judge(place: str, read: Callable[[], object]) -> None:
    try:
        read()
    except ValueError as error:
        raise ConfigError(f"{place}: {error}") from error

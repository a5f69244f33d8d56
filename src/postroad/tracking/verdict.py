"""Whether a human, a machine or a proxy asked for a pixel or a link: a judgement with its evidence, none of which is thrown away.

Mail is looked at by programs on its way: filters follow links before anybody reads, providers load pictures in advance.
They are answered like everybody, and counted apart.
"""

import enum
import functools
import re
from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

import msgspec

from postroad.model.tracking import Hit, HitKind

SECONDS_OF_SCANNERS = 5
"""A click so soon after the receiving host took the message is that of a filter."""
SECONDS_OF_PREFETCH = 10
LINKS_AT_ONCE = 4
"""Different links of one message, followed within ``AT_ONCE_MS``."""
AT_ONCE_MS = 3_000

Network = IPv4Network | IPv6Network

_GOOGLE_PROXY = "googleimageproxy"
_PROXIES = {
    _GOOGLE_PROXY: "google-image-proxy",
    "yahoomailproxy": "yahoo-mail-proxy",
    "ggpht.com": "google-image-proxy",
}
"""They load pictures in the name of people, and may keep them or load them in advance: whether anybody looked is not known,
and their address and program say nothing."""
_MACHINES = (
    "crawler", "spider", "urlscan", "headless", "aiohttp", "go-http-client", "okhttp", "libwww", "apache-httpclient",
    "node-fetch", "undici", "barracuda", "proofpoint", "mimecast", "safelinks", "symantec", "trendmicro", "fortiguard", "zscaler", "bitdefender",
    "phishtank", "virustotal", "facebookexternalhit", "slackbot", "whatsapp/", "skypeuripreview",
)  # fmt: skip
_WORD = re.compile(r"\b(?:(?:scanner|ruby|perl)\b|(?:curl|pycurl|wget|java|axios)/|python[-/])")
"""Names that stand within those of others too: ``DocScanner`` is an app."""
_BOT = re.compile(r"(?<!cu)bot\b")
"""Names that end so, but for a maker of telephones."""
_APPLE = "Mozilla/5.0"
"""All that Apple's Mail Privacy Protection says of itself."""
_NETWORKS: Sequence[tuple[str, str]] = (
    ("17.0.0.0/8", "apple"),
    ("64.235.144.0/20", "barracuda"),
    ("209.222.80.0/21", "barracuda"),
    ("67.231.144.0/20", "proofpoint"),
    ("148.163.128.0/19", "proofpoint"),
    ("205.220.160.0/19", "proofpoint"),
    ("207.211.30.0/23", "mimecast"),
    ("205.139.110.0/23", "mimecast"),
    ("104.47.0.0/17", "microsoft-protection"),
    ("40.92.0.0/15", "microsoft-protection"),
)
_KNOWN = tuple(
    (int(network[0]), int(network[-1]), name)
    for network, name in ((ip_network(text), name) for text, name in _NETWORKS)
)
"""First and last address of each, as numbers; all are of IPv4."""


class Who(enum.Enum):
    """Who asked."""

    HUMAN = "human"
    MACHINE = "machine"
    PROXY = "proxy"
    """A provider that loads pictures for people, at a time that tells nothing of them."""


class Verdict(msgspec.Struct, frozen=True):
    """What was found of who asked."""

    who: Who
    evidence: tuple[str, ...] = ()
    """What speaks against a human, in fixed words."""
    proxy: str = ""
    """The provider's proxy that asked in somebody's name."""


def verdict(hit: Hit, delivered_at: int | None, networks: Sequence[Network] = ()) -> Verdict:
    """Judge one request; ``delivered_at`` is None while the receiving host has not taken the message for all we know.

    ``networks`` are further ones that machines of the operator's knowledge ask from.
    """
    agent = hit.agent.lower()
    # Pictures only are loaded so; whoever follows links is a program like any other.
    proxy = next((name for word, name in _PROXIES.items() if word in agent), "") if hit.kind is HitKind.OPEN else ""
    evidence = [*_by_what_it_says(hit, agent, proxy), *_by_time(hit, delivered_at)]
    if not proxy and (network := _network_of(hit.client_address, networks)):
        evidence.append(f"network:{network}")
    if evidence:
        return Verdict(Who.MACHINE, tuple(evidence), proxy)
    return Verdict(Who.PROXY, (proxy,), proxy) if proxy else Verdict(Who.HUMAN)


def _by_what_it_says(hit: Hit, agent: str, proxy: str) -> list[str]:
    found = []
    if hit.kind is HitKind.TRAP:
        found.append("hidden-link")
    if hit.is_head:
        found.append("head-request")
    if hit.is_prefetch:
        found.append("prefetch")
    if not agent:
        found.append("no-agent")
    elif hit.kind is HitKind.OPEN and hit.agent.strip() == _APPLE:
        found.append("apple-privacy-proxy")
    elif not proxy and _is_of_machine(agent):
        found.append("agent")
    return found


@functools.lru_cache(maxsize=2000)
def _is_of_machine(agent: str) -> bool:
    # A few agents are those of most people.
    words = any(word in agent for word in (*_PROXIES, *_MACHINES))
    return words or bool(_BOT.search(agent) or _WORD.search(agent))


def _by_time(hit: Hit, delivered_at: int | None) -> list[str]:
    found = []
    if hit.kind is not HitKind.OPEN and len(hit.links_lately) >= LINKS_AT_ONCE:
        found.append("many-links-at-once")
    seconds = SECONDS_OF_PREFETCH if hit.kind is HitKind.OPEN else SECONDS_OF_SCANNERS
    if delivered_at is None or hit.at - delivered_at < seconds * 1000:
        found.append("at-delivery")
    return found


def _network_of(text: str, networks: Sequence[Network]) -> str:
    try:
        address = ip_address(text)
    except ValueError:
        return ""
    if any(address in network for network in networks):
        return "configured"
    number = int(address) if address.version == 4 else -1
    return next((name for first, last, name in _KNOWN if first <= number <= last), "")

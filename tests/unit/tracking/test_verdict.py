"""Humans and machines: each piece of evidence by itself, and what is none."""

from ipaddress import ip_network
from typing import Any

import pytest

from postroad.model.tracking import Hit, HitKind
from postroad.tracking.verdict import Who, verdict

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
GMAIL = "Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)"
DELIVERED = 1_000_000


def hit(kind: HitKind = HitKind.CLICK, seconds: float = 600, **facts: Any) -> Hit:
    given = {"agent": FIREFOX, "client_address": "203.0.113.7"} | facts
    return Hit(kind=kind, delivery_id=1, domain_id=1, at=DELIVERED + int(seconds * 1000), **given)


@pytest.mark.parametrize("kind", [HitKind.OPEN, HitKind.CLICK])
@pytest.mark.parametrize(
    "agent", [FIREFOX, "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X)", "CUBOT X18 Plus Build/O1", "Thunderbird/140.0",
     "Mozilla/5.0 (Linux; Android 15; Superlite 2) SuperLens", "DocScannerPro/3.1", "Rubycon Mail/2"]
)  # fmt: skip
def test_who_shows_nothing_of_a_machine_is_a_human(kind: HitKind, agent: str) -> None:
    found = verdict(hit(kind, agent=agent, links_lately=frozenset({1, 2})), DELIVERED)

    assert (found.who, found.evidence) == (Who.HUMAN, ())


@pytest.mark.parametrize(
    ("asked", "evidence"),
    [
        (hit(HitKind.TRAP), "hidden-link"),
        (hit(is_head=True), "head-request"),
        (hit(is_prefetch=True), "prefetch"),
        (hit(agent=""), "no-agent"),
        (hit(agent="python-requests/2.31"), "agent"),
        (hit(agent="Mozilla/5.0 (compatible; Googlebot/2.1)"), "agent"),
        (hit(agent="Barracuda Sentinel (EE)"), "agent"),
        (hit(agent="Ruby"), "agent"),
        (hit(agent="WWW-Mechanize Perl/5"), "agent"),
        (hit(agent="Link Scanner 2"), "agent"),
        (hit(agent="PycURL/7.45"), "agent"),
        (hit(agent="curl/8.5.0"), "agent"),
        (hit(agent="HeadlessChrome/140"), "agent"),
        (hit(agent="Baiduspider/2.0"), "agent"),
        (hit(agent=GMAIL), "agent"),
        (hit(HitKind.OPEN, agent="Mozilla/5.0"), "apple-privacy-proxy"),
        (hit(links_lately=frozenset({1, 2, 3, 4})), "many-links-at-once"),
        (hit(seconds=4.9), "at-delivery"),
        (hit(seconds=-3), "at-delivery"),
        (hit(HitKind.OPEN, seconds=9.9), "at-delivery"),
        (hit(client_address="67.231.152.9"), "network:proofpoint"),
        (hit(client_address="198.51.100.9"), "network:configured"),
    ],
)
def test_evidence_of_a_machine(asked: Hit, evidence: str) -> None:
    found = verdict(asked, DELIVERED, [ip_network("198.51.100.0/24")])

    assert (found.who, found.evidence) == (Who.MACHINE, (evidence,))


def test_what_is_not_delivered_yet_is_opened_by_a_machine() -> None:
    assert verdict(hit(), None).evidence == ("at-delivery",)


@pytest.mark.parametrize(
    ("agent", "name"),
    [
        (GMAIL, "google-image-proxy"),
        ("YahooMailProxy; https://help.yahoo.com/kb/yahoo-mail-proxy-SLN28749.html", "yahoo-mail-proxy"),
    ],
)
def test_a_provider_that_loads_pictures_for_people_is_neither_a_human_nor_a_machine(agent: str, name: str) -> None:
    found = verdict(hit(HitKind.OPEN, agent=agent, client_address="66.249.84.1"), DELIVERED)

    assert (found.who, found.evidence, found.proxy) == (Who.PROXY, (name,), name)
    soon = verdict(hit(HitKind.OPEN, seconds=2, agent=agent), DELIVERED)
    assert (soon.who, soon.evidence, soon.proxy) == (Who.MACHINE, ("at-delivery",), name)


def test_several_pieces_of_evidence_are_all_kept() -> None:
    assert verdict(hit(seconds=1, is_head=True, links_lately=frozenset(range(9))), DELIVERED).evidence == (
        "head-request", "many-links-at-once", "at-delivery",
    )  # fmt: skip


def test_an_address_that_cannot_be_read_is_no_evidence() -> None:
    assert verdict(hit(client_address=""), DELIVERED).who is Who.HUMAN

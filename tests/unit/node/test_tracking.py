"""Where tracked links lead: by the settings, the domain's own host, and what the certificate of the doors holds."""

import asyncio
from collections.abc import Collection
from pathlib import Path
from typing import Any, cast

import msgspec
import pytest
import trustme

from postroad.config import Settings
from postroad.model.domain import DomainSettings, DomainState, SendingDomain
from postroad.node.keys import InstallationKeys
from postroad.node.tracking import DomainNames, TrackingDirectory
from postroad.storage import blocked_destinations, certificates, domains, revision, tracking_keys
from postroad.storage.database import Database
from postroad.storage.errors import StorageUnavailable
from postroad.storage.secrets import Vault
from postroad.tracking.token import TrackingKey

NOW = 1_800_000_000_000
FIRST, SECOND = TrackingKey(1, NOW, b"1" * 32), TrackingKey(2, NOW + 1000, b"2" * 32)


class Stored:
    """Answers for the database."""

    def __init__(self) -> None:
        self.keys = [FIRST]
        self.revision = 1
        self.asked_for: list[int] = []
        self.is_away = False
        self.is_there = asyncio.Event()
        self.is_there.set()

    async def read(self, fn: Any, *arguments: Any) -> Any:
        if fn is domains.get:
            self.asked_for.append(arguments[0])
            await self.is_there.wait()
            if self.is_away:
                raise StorageUnavailable("no database")
            return domain() if arguments[0] == 1 else None
        answers = {
            revision.current: self.revision,
            tracking_keys.list_all: list(self.keys),
            blocked_destinations.list_all: [],
            certificates.get: None,
        }
        return answers[fn]

    async def write(self, fn: Any, *_arguments: Any) -> Any:
        assert fn is tracking_keys.ensure


def domain(host: str = "") -> SendingDomain:
    settings = DomainSettings(tracking_host=host)
    return SendingDomain(
        id=1, account_id=1, name="news.test", state=DomainState.ACTIVE, settings=settings, created_at=0
    )


KEYS = InstallationKeys(Vault(b"m" * 32), b"r" * 32, b"i" * 32)


async def directory(
    stored: Stored,
    *,
    is_dev: bool = False,
    certified: Collection[str] = (),
    now: list[int] | None = None,
    **sections: Any,
) -> TrackingDirectory:
    clock = now or [NOW]
    settings = msgspec.convert(sections, Settings)
    made = TrackingDirectory(
        cast("Database", stored),
        KEYS,
        settings,
        lambda: clock[0],
        has_certificate=certified.__contains__,
        is_dev=is_dev,
    )
    await made.refresh()
    return made


async def origin(
    host: str = "", *, is_dev: bool = False, certified: Collection[str] = (), **sections: Any
) -> tuple[str, str] | None:
    terms = (await directory(Stored(), is_dev=is_dev, certified=certified, **sections)).terms_for(domain(host))
    return None if terms is None else (terms.place.origin, terms.place.host)


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    path = tmp_path / "certificate.pem"
    issued = trustme.CA().issue_cert("t.example.com", "*.wild.example.com")
    issued.private_key_and_cert_chain_pem.write_to_path(path)
    return path


async def test_links_lead_over_the_domains_own_host_else_the_installations_else_nowhere() -> None:
    tracking: dict[str, Any] = {"host": "Click.example.net"}

    assert await origin() is None
    assert await origin("t.news.test") == ("http://t.news.test", "t.news.test")
    assert await origin(tracking=tracking) == ("http://click.example.net", "click.example.net")
    assert await origin("t.news.test", tracking=tracking) == ("http://t.news.test", "t.news.test")


async def test_mail_to_unsubscribe_is_offered_where_it_would_arrive() -> None:
    sections: dict[str, Any] = {
        "tracking": {"host": "click.example.net"},
        "inbound": {"listen": ["0.0.0.0:25"]},
        "domains": {"inbound_host": "mail.example.net"},
    }

    async def host(of: SendingDomain, **changed: Any) -> str | None:
        terms = (await directory(Stored(), **sections | changed)).terms_for(of)
        assert terms is not None
        return None if terms.by_mail is None else terms.by_mail.host

    assert await host(domain()) == "rp.news.test"
    assert await host(msgspec.structs.replace(domain(), failing_since=NOW)) is None
    assert await host(domain(), inbound={}) is None
    assert await host(domain(), domains={}) is None
    assert await host(domain(), domains={"return_path_host": "rp.example.net"}) == "rp.news.test"


async def test_a_port_is_in_the_link_and_not_in_what_the_token_is_bound_to() -> None:
    assert await origin(tracking={"host": "t.example.com:8080"}) == ("http://t.example.com:8080", "t.example.com")


async def test_links_of_dev_lead_to_the_consoles_port() -> None:
    http: dict[str, Any] = {"listen": ["127.0.0.1:8025"]}

    assert await origin(http=http, is_dev=True) == ("http://127.0.0.1:8025", "127.0.0.1")
    assert await origin("t.news.test", http=http, is_dev=True) == ("http://t.news.test", "t.news.test")
    assert await origin(http=http, is_dev=True, tracking={"host": "t.x.test"}) == ("http://t.x.test", "t.x.test")


@pytest.mark.parametrize(
    ("host", "scheme"), [("t.example.com", "https"), ("a.wild.example.com", "https"), ("a.b.wild.example.com", "http"), ("x.example.com", "http")]
)  # fmt: skip
async def test_links_are_https_where_the_certificate_holds_the_host(certificate: Path, host: str, scheme: str) -> None:
    doors: dict[str, Any] = {"tls": {"certificate": str(certificate)}, "http": {"listen_tls": ["0.0.0.0:443"]}}

    assert await origin(host, **doors) == (f"{scheme}://{host}", host)
    # Nobody answers by HTTPS.
    assert await origin(host, tls=doors["tls"]) == (f"http://{host}", host)
    assert await origin(host, **doors, tracking={"https": "off"}) == (f"http://{host}", host)


async def test_links_are_https_where_the_host_has_a_certificate_of_its_own() -> None:
    http: dict[str, Any] = {"listen_tls": ["0.0.0.0:443"]}

    assert await origin("t.news.test", certified={"t.news.test"}, http=http) == ("https://t.news.test", "t.news.test")
    assert await origin("t.other.test", certified={"t.news.test"}, http=http) == ("http://t.other.test", "t.other.test")
    assert await origin("t.news.test", certified={"t.news.test"}) == ("http://t.news.test", "t.news.test")


@pytest.mark.parametrize(("port", "scheme"), [(8443, "https"), (8080, "http")])
async def test_a_port_that_is_no_https_door_is_asked_without(certificate: Path, port: int, scheme: str) -> None:
    doors: dict[str, Any] = {
        "tls": {"certificate": str(certificate)},
        "http": {"listen": ["0.0.0.0:8080"], "listen_tls": ["0.0.0.0:443", ":8443"]},
    }
    host = f"t.example.com:{port}"

    assert await origin(**doors, tracking={"host": host}) == (f"{scheme}://{host}", "t.example.com")
    assert await origin(**doors, tracking={"host": host, "https": "on"}) == (f"https://{host}", "t.example.com")


async def test_a_proxy_that_adds_tls_is_said_to() -> None:
    assert await origin("t.news.test", tracking={"https": "on"}) == ("https://t.news.test", "t.news.test")


@pytest.mark.parametrize("content", ["", "-----BEGIN CERTIFICATE-----\nnone\n-----END CERTIFICATE-----\n"])
async def test_a_certificate_that_cannot_be_read_holds_nothing(tmp_path: Path, content: str) -> None:
    path = tmp_path / "broken.pem"
    path.write_text(content)
    for file in (path, tmp_path / "gone.pem"):
        doors: dict[str, Any] = {"tls": {"certificate": str(file)}, "http": {"listen_tls": ["0.0.0.0:443"]}}
        assert await origin("t.news.test", **doors) == ("http://t.news.test", "t.news.test")


async def test_a_new_key_signs_once_every_node_knows_it_and_is_understood_at_once() -> None:
    stored, now = Stored(), [NOW]
    made = await directory(stored, now=now)
    assert made.key == FIRST
    stored.keys.append(SECOND)
    stored.revision += 1
    await made.refresh()

    assert made.key == FIRST
    assert made.secrets == {1: FIRST.secret, 2: SECOND.secret}
    now[0] = SECOND.made_at + 60_000
    assert made.key == SECOND


async def test_nothing_is_read_while_nothing_has_changed() -> None:
    stored = Stored()
    made = await directory(stored)
    stored.keys.append(SECOND)
    await made.refresh()
    assert made.secrets == {1: FIRST.secret}
    stored.revision += 1
    await made.refresh()
    assert made.secrets == {1: FIRST.secret, 2: SECOND.secret}


def names(stored: Stored, now: list[int]) -> DomainNames:
    return DomainNames(cast("Database", stored), lambda: now[0])


async def test_a_domain_is_named_and_one_that_is_gone_is_not_looked_for_again_and_again() -> None:
    stored, now = Stored(), [NOW]
    made = names(stored, now)

    assert [await made.get(number) for number in (1, 1, 9, 9)] == ["news.test", "news.test", "", ""]
    assert stored.asked_for == [1, 9]
    now[0] += 60_000
    assert await made.get(9) == ""
    assert stored.asked_for == [1, 9, 9]


async def test_a_page_does_not_wait_for_storage_that_takes_long() -> None:
    stored = Stored()
    made = names(stored, [NOW])
    stored.is_there.clear()
    async with asyncio.timeout(3):
        assert await asyncio.gather(*(made.get(1) for _ in range(20))) == [""] * 20
    assert stored.asked_for == [1]

    stored.is_there.set()
    assert await made.get(1) == "news.test"
    assert stored.asked_for == [1]


async def test_while_storage_is_away_a_name_that_was_known_still_is() -> None:
    stored, now = Stored(), [NOW]
    made = names(stored, now)
    await made.get(1)
    stored.is_away = True
    now[0] += 60_000

    assert [await made.get(number) for number in (1, 1, 2, 2)] == ["news.test", "news.test", "", ""]
    assert stored.asked_for == [1, 1, 2]

"""What one worker knows of tracking: where links lead, the keys of their tokens, and which destinations are taken down."""

import asyncio
import os
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from pathlib import Path
from urllib.parse import urlsplit

import msgspec
import structlog

from postroad.certificates.facts import CertificateFacts, facts_of
from postroad.config import Settings
from postroad.delivery.tracked import TrackingTerms
from postroad.httpd.hosts import name_of
from postroad.model.domain import SendingDomain
from postroad.net.address import parse_network
from postroad.net.clock import Clock
from postroad.net.listen import parse_endpoint
from postroad.node.certificate import is_obtained
from postroad.node.first_start import console_url
from postroad.storage import blocked_destinations, certificates, domains, revision, tracking_keys
from postroad.storage.database import Database
from postroad.storage.errors import StorageError
from postroad.storage.secrets import Vault
from postroad.tracking.token import Place, TrackingKey
from postroad.tracking.verdict import Network

log = structlog.get_logger()

_REFRESH_S = 1.0
_KEY_RESTS_MS = 60_000
"""A new key signs nothing until every node knows it."""
_CERTIFICATE_ROUNDS = 60
"""Files change without anybody saying so."""
_NAME_S = 0.5
"""How long a page waits for the name of who sends; it says enough without."""
_NAMED_FOR_MS = 60_000
_UNREAD_FOR_MS = 1_000
_MOST_NAMES = 10_000


class TrackingDirectory:
    """Answers from memory; ``run`` keeps it true and must be running beside it."""

    def __init__(self, database: Database, vault: Vault, settings: Settings, clock: Clock, *, is_dev: bool) -> None:
        self._database = database
        self._vault = vault
        self._settings = settings
        self._clock = clock
        # In dev the links of a captured message can be clicked.
        self._origin = console_url(settings) if is_dev and not settings.tracking.host else ""
        self._tls_ports = {parse_endpoint(text).port for text in settings.http.listen_tls}
        self._keys: list[TrackingKey] = []
        self._certificate: CertificateFacts | None = None
        self._revision: int | None = None
        self.secrets: Mapping[int, bytes] = {}
        self.blocked: frozenset[str] = frozenset()

    @property
    def key(self) -> TrackingKey:
        """The key that signs now: the newest that every node must know by now, else the first."""
        until = self._clock() - _KEY_RESTS_MS
        return next((one for one in reversed(self._keys) if one.made_at <= until), self._keys[0])

    def terms_for(self, domain: SendingDomain) -> TrackingTerms | None:
        """Return where a domain's tracked links lead; None where they have nowhere to."""
        place = self._place_of(domain)
        return None if place is None else TrackingTerms(place, self.key, domain.settings.tracking_trap)

    async def refresh(self, *, forced: bool = False) -> None:
        """Read what has changed. Raises StorageError."""
        current = await self._database.read(revision.current)
        if current == self._revision and not forced:
            return
        if not self._keys:
            await self._database.write(
                tracking_keys.ensure, self._vault, os.urandom(tracking_keys.OCTETS), self._clock()
            )
        self._keys = await self._database.read(tracking_keys.list_all, self._vault)
        self.secrets = {key.number: key.secret for key in self._keys}
        blocked = await self._database.read(blocked_destinations.list_all)
        self.blocked = frozenset(one.pattern for one in blocked)
        self._certificate = await self._shown_certificate()
        self._revision = current

    async def run(self) -> None:
        """Look every second whether something has changed, until cancelled."""
        rounds = 0
        while True:
            await asyncio.sleep(_REFRESH_S)
            rounds += 1
            try:
                await self.refresh(forced=rounds % _CERTIFICATE_ROUNDS == 0)
            except StorageError as error:
                log.warning("tracking_not_refreshed", error=str(error))

    def _place_of(self, domain: SendingDomain) -> Place | None:
        host = domain.settings.tracking_host or self._settings.tracking.host.lower()
        if not host:
            return Place(self._origin, name_of(urlsplit(self._origin).netloc)) if self._origin else None
        name = name_of(host)
        return Place(f"{'https' if self._is_https(host) else 'http'}://{host}", name)

    def _is_https(self, host: str) -> bool:
        match self._settings.tracking.https:
            case "auto":
                port = host.partition(":")[2]
                is_plain = port and int(port) not in self._tls_ports
                return not is_plain and self._certificate is not None and self._certificate.covers(name_of(host))
            case choice:
                return choice == "on"

    async def _shown_certificate(self) -> CertificateFacts | None:
        """Return what the doors show; None where nobody answers by HTTPS, or the certificate is of our own making."""
        if not self._settings.http.listen_tls:
            return None
        if is_obtained(self._settings):
            obtained = await self._database.read(certificates.get)
            pem = "" if obtained is None else obtained.certificate or ""
        else:
            file = self._settings.tls.certificate
            pem = await asyncio.to_thread(_text_of, Path(file)) if file else ""
        try:
            return facts_of(pem.encode()) if pem else None
        except ValueError:
            # The doors complain of it; links go on as they can.
            return None


class _Name(msgspec.Struct, frozen=True):
    text: str
    until: int


class DomainNames:
    """Tells the pages that recipients see who sends: by a domain's name alone, without its keys."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._names: OrderedDict[int, _Name] = OrderedDict()
        self._reads: dict[int, asyncio.Task[str]] = {}

    async def get(self, domain_id: int) -> str:
        """Return the name of a domain; empty where it is gone, or storage does not tell it soon."""
        known = self._names.get(domain_id)
        if known is not None and self._clock() < known.until:
            return known.text
        reading = self._reads.get(domain_id)
        if reading is None:
            reading = self._reads[domain_id] = asyncio.create_task(self._read(domain_id))
            reading.add_done_callback(lambda _: self._reads.pop(domain_id))
        try:
            async with asyncio.timeout(_NAME_S):
                return await asyncio.shield(reading)
        except TimeoutError:
            return "" if known is None else known.text

    async def _read(self, domain_id: int) -> str:
        try:
            domain = await self._database.read(domains.get, domain_id)
        except StorageError as error:
            log.warning("domain_not_named", error=str(error))
            known = self._names.get(domain_id)
            found = _Name("" if known is None else known.text, self._clock() + _UNREAD_FOR_MS)
        else:
            found = _Name("" if domain is None else domain.name, self._clock() + _NAMED_FOR_MS)
        self._names[domain_id] = found
        self._names.move_to_end(domain_id)
        if len(self._names) > _MOST_NAMES:
            self._names.popitem(last=False)
        return found.text


def machine_networks(texts: Iterable[str]) -> tuple[Network, ...]:
    """Return the networks of ``tracking.machine_networks``, which were found sound."""
    return tuple(parse_network(text) for text in texts)


def _text_of(path: Path) -> str:
    try:
        return path.read_text("ascii", "replace")
    except OSError as error:
        # The doors complain of it; links go on as they can.
        log.warning("certificate_not_read", error=str(error))
        return ""

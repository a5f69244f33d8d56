"""What one worker knows of tracking: where links lead, the keys of their tokens, and which destinations are taken down."""

import asyncio
import os
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from urllib.parse import urlsplit

import msgspec
import structlog

from postroad.certificates.facts import CertificateFacts
from postroad.config import Settings
from postroad.delivery.tracked import LeavingByMail, TrackingTerms
from postroad.domains.settings import installation_names
from postroad.httpd.hosts import name_of
from postroad.model.domain import SendingDomain
from postroad.net.address import parse_network
from postroad.net.clock import Clock
from postroad.net.listen import parse_endpoint
from postroad.node.certificate import shown_facts
from postroad.node.first_start import console_url
from postroad.node.keys import InstallationKeys
from postroad.policy.records import return_path_domain
from postroad.storage import blocked_destinations, domains, revision, tracking_keys
from postroad.storage.database import Database
from postroad.storage.errors import StorageError
from postroad.suppressions.group_directory import GroupDirectory
from postroad.tracking.token import Place, TrackingKey
from postroad.tracking.verdict import Network

log = structlog.get_logger()

_KEY_RESTS_MS = 60_000
"""A new key signs nothing until every node knows it."""
_CERTIFICATE_S = 60.0
"""Files change without anybody saying so."""
_NAME_S = 0.5
"""How long a page waits for the name of who sends; it says enough without."""
_NAMED_FOR_MS = 60_000
_UNREAD_FOR_MS = 1_000
_MOST_NAMES = 10_000


class TrackingDirectory:
    """Answers from memory; ``refresh`` after each change and ``run`` beside it keep it true.

    ``has_certificate`` tells of a host whether every node shows a certificate of its own for it.
    """

    def __init__(
        self,
        database: Database,
        keys: InstallationKeys,
        settings: Settings,
        clock: Clock,
        *,
        has_certificate: Callable[[str], bool],
        is_dev: bool,
    ) -> None:
        self._has_certificate = has_certificate
        self._database = database
        self._vault = keys.vault
        self._return_path_key = keys.return_path
        self._names = installation_names(settings.domains)
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
        if place is None:
            return None
        return TrackingTerms(place, self.key, domain.settings.tracking_trap, self._by_mail(domain))

    def _by_mail(self, domain: SendingDomain) -> LeavingByMail | None:
        """Return where mail to unsubscribe goes; None where it would not arrive as far as is known."""
        # An active domain's MX record was seen, and is looked at every day: since then it may have failed.
        is_led_here = bool(self._names.inbound_host or self._names.return_path_host) and bool(
            self._settings.inbound.listen
        )
        is_received = is_led_here and domain.failing_since is None
        host = return_path_domain(domain.name, self._names)
        return LeavingByMail(host, self._return_path_key) if is_received else None

    async def refresh(self) -> None:
        """Read what has changed. Raises StorageError."""
        current = await self._database.read(revision.current)
        if current == self._revision:
            return
        if not self._keys:
            await self._database.write(
                tracking_keys.ensure, self._vault, os.urandom(tracking_keys.OCTETS), self._clock()
            )
        self._keys = await self._database.read(tracking_keys.list_all, self._vault)
        self.secrets = {key.number: key.secret for key in self._keys}
        blocked = await self._database.read(blocked_destinations.list_all)
        self.blocked = frozenset(one.pattern for one in blocked)
        await self.read_certificate()
        self._revision = current

    async def read_certificate(self) -> None:
        """Read which hosts the certificate of the doors holds. Raises StorageError."""
        self._certificate = await shown_facts(self._settings, self._database)

    async def run(self) -> None:
        """Read the certificate every minute, until cancelled."""
        while True:
            await asyncio.sleep(_CERTIFICATE_S)
            try:
                await self.read_certificate()
            except StorageError as error:
                log.warning("certificate_not_read", error=str(error))

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
                return not is_plain and self._is_certified(name_of(host))
            case choice:
                return choice == "on"

    def _is_certified(self, name: str) -> bool:
        if not self._tls_ports:
            return False
        return self._has_certificate(name) or (self._certificate is not None and self._certificate.covers(name))


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


async def has_group(groups: GroupDirectory, domain_id: int, group_id: int) -> bool:
    """Return whether a sending domain has a group; true where storage does not tell it soon."""
    try:
        async with asyncio.timeout(_NAME_S):
            return await groups.get(domain_id, group_id) is not None
    except (TimeoutError, StorageError) as error:
        log.warning("group_not_looked_up", error=str(error))
        return True


def machine_networks(texts: Iterable[str]) -> tuple[Network, ...]:
    """Return the networks of ``tracking.machine_networks``, which were found sound."""
    return tuple(parse_network(text) for text in texts)

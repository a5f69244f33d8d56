"""How the hosts that tracked links lead over stand: for the people of a domain, from the rows and files of the moment."""

import asyncio
from pathlib import Path

from postroad.certificates.host_files import read_folder
from postroad.config import Settings
from postroad.httpd.hosts import name_of
from postroad.model.certificate import TrackingHostStanding
from postroad.model.domain import SendingDomain
from postroad.net.clock import Clock
from postroad.node.certificate import has_obtained_hosts, shown_facts
from postroad.storage import certificates
from postroad.storage.database import Database


class TrackingHosts:
    """Tells of one domain at a time, and has its certificate asked for before its time."""

    def __init__(self, settings: Settings, database: Database, clock: Clock) -> None:
        self._settings = settings
        self._database = database
        self._clock = clock

    async def standing(self, domain: SendingDomain) -> TrackingHostStanding | None:
        """Return how the host of a domain's links stands; None where they have nowhere to lead."""
        host = domain.settings.tracking_host or self._settings.tracking.host.lower()
        if not host:
            return None
        found = await self._certified(host, name_of(host))
        match self._settings.tracking.https:
            case "auto":
                return found
            case choice:
                is_https = choice == "on"
                return TrackingHostStanding(
                    host=host, is_https=is_https, certificate="elsewhere" if is_https else "none"
                )

    async def look_again(self, domain: SendingDomain) -> None:
        """Have a domain's host looked at within seconds, where it waits for its record: that may be there now."""
        host = domain.settings.tracking_host
        found = await self._database.read(certificates.of_host, host) if host else None
        if found is not None and found.is_astray:
            await self._database.write(certificates.ask_now, self._clock(), host)

    async def _certified(self, host: str, name: str) -> TrackingHostStanding:
        now, folder = self._clock(), self._settings.tls.host_certificates
        if not self._settings.http.listen_tls:
            return TrackingHostStanding(host=host, is_https=False, certificate="none")
        files = (await asyncio.to_thread(read_folder, Path(folder))).by_name if folder else {}
        file = files.get(name) or files.get(f"*.{name.partition('.')[2]}")
        if file is not None:
            return TrackingHostStanding(
                host=host, is_https=file.expires_at > now, certificate="file", expires_at=file.expires_at
            )
        shown = await shown_facts(self._settings, self._database)
        if shown is not None and shown.covers(name):
            return TrackingHostStanding(
                host=host, is_https=True, certificate="installation", expires_at=shown.not_after
            )
        own = await self._database.read(certificates.of_host, name) if has_obtained_hosts(self._settings) else None
        if own is None:
            return TrackingHostStanding(host=host, is_https=False, certificate="none")
        return TrackingHostStanding(
            host=host,
            is_https=(own.expires_at or 0) > now,
            certificate="none" if own.expires_at is None else "own",
            leads_here=not own.is_astray,
            expires_at=own.expires_at,
            problem=own.last_error,
            next_attempt_at=own.next_attempt_at,
        )

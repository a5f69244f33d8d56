"""The submission listeners of one worker: sessions on sockets that the supervisor has bound."""

import asyncio
import socket
import ssl
from collections.abc import Callable, Iterable, Sequence

from postroad.net.address import Networks
from postroad.net.clock import Clock
from postroad.policy.options import FURTHEST_AHEAD_DAYS
from postroad.protocol.smtp.server_options import ServerLimits, ServerOptions
from postroad.smtpd.connection import Connection, Door
from postroad.smtpd.roster import ByteBudget, Roster
from postroad.smtpd.session import Services, SubmissionSession
from postroad.smtpd.settings import SmtpSettings

_MAX_HOLD_S = FURTHEST_AHEAD_DAYS * 86_400


class SmtpListener:
    """Sockets that SMTP connections are taken from, with what all of these share."""

    def __init__(
        self, settings: SmtpSettings, *, hostname: str, tls_context: ssl.SSLContext | None, clock: Clock
    ) -> None:
        self._settings = settings
        self._hostname = hostname
        self._tls_context = tls_context
        self._clock = clock
        self._proxy_networks = Networks(settings.proxy_protocol_from)
        self._servers: list[asyncio.Server] = []
        self.roster = Roster(settings.max_sessions, settings.max_sessions_per_address)
        self.budget = ByteBudget(settings.max_bytes_in_flight)

    def door(
        self,
        *,
        begins_with_tls: bool = False,
        requires_auth: bool = True,
        takes_null_path: bool = False,
        has_dsn: bool = True,
        max_hold_s: int = 0,
    ) -> Door:
        """Return what the connections of one kind have in common."""
        options = ServerOptions(
            hostname=self._hostname,
            requires_auth=requires_auth,
            requires_tls=self._settings.require_tls,
            has_tls=self._tls_context is not None,
            takes_null_path=takes_null_path,
            has_dsn=has_dsn,
            max_hold_s=max_hold_s,
            limits=limits_of(self._settings),
        )
        return Door(
            options=options,
            settings=self._settings,
            tls_context=self._tls_context,
            begins_with_tls=begins_with_tls,
            proxy_networks=self._proxy_networks,
            roster=self.roster,
            budget=self.budget,
            clock=self._clock,
        )

    async def serve(self, sockets: Iterable[socket.socket], connection: Callable[[], Connection]) -> None:
        """Take connections from bound sockets; ``connection`` makes each one's protocol."""
        loop = asyncio.get_running_loop()
        for bound in sockets:
            self._servers.append(await loop.create_server(connection, sock=bound))

    async def stop(self, grace_s: float) -> None:
        """Take no more connections, let messages under way be finished, and end what is left after the grace."""
        for server in self._servers:
            server.close()
        await self.roster.dismiss(grace_s)


class SubmissionListener(SmtpListener):
    """The submission doors: with STARTTLS, under TLS from the first octet, and by network address."""

    def __init__(
        self,
        settings: SmtpSettings,
        services: Services,
        *,
        hostname: str,
        tls_context: ssl.SSLContext | None,
        clock: Clock,
    ) -> None:
        super().__init__(settings, hostname=hostname, tls_context=tls_context, clock=clock)
        self._services = services

    async def start(
        self,
        plain: Sequence[socket.socket] = (),
        tls: Sequence[socket.socket] = (),
        by_address: Sequence[socket.socket] = (),
    ) -> None:
        """Serve bound sockets, each in its kind; ``tls`` needs a context."""
        if tls and self._tls_context is None:
            raise ValueError("a TLS listener needs a certificate")
        # The null path is refused by the sender check, which leaves an event.
        for sockets, door in (
            (plain, self.door(takes_null_path=True, max_hold_s=_MAX_HOLD_S)),
            (tls, self.door(begins_with_tls=True, takes_null_path=True, max_hold_s=_MAX_HOLD_S)),
            (by_address, self.door(requires_auth=False, takes_null_path=True, max_hold_s=_MAX_HOLD_S)),
        ):
            await self.serve(sockets, self._session_maker(door))

    def _session_maker(self, door: Door) -> Callable[[], SubmissionSession]:
        return lambda: SubmissionSession(door, self._services)


def limits_of(settings: SmtpSettings) -> ServerLimits:
    """Return the limits of one session."""
    return ServerLimits(
        max_recipients=settings.max_recipients,
        max_message_size=settings.max_message_size,
        max_errors=settings.max_errors,
        max_unknown_commands=settings.max_unknown_commands,
        max_bad_recipients=settings.max_bad_recipients,
        max_auth_failures=settings.max_auth_failures,
        max_idle_commands=settings.max_idle_commands,
    )

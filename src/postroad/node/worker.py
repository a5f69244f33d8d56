"""One worker process: takes its plan from the supervisor, serves, and stops when told or when the supervisor is gone."""

import asyncio
import gc
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, suppress
from pathlib import Path

import structlog
import uvloop
from starlette.types import ASGIApp

from postroad.httpd.apps import beside_tracker, dev_web_app, web_app
from postroad.httpd.clients import Clients
from postroad.httpd.proofs import port_80_app
from postroad.httpd.server import HttpServer, http_servers
from postroad.net.clock import now_ms
from postroad.net.tls import ServerCertificate
from postroad.node import doors
from postroad.node.certificate import is_obtained, server_certificate
from postroad.node.channel import Beat, Channel, Plan, Ready, Reload, Why, WhyAsked
from postroad.node.client_access import client_access
from postroad.node.cpu_scheduling import prefer_throughput
from postroad.node.disk import folders_of_mail
from postroad.node.installation import presence_of_worker
from postroad.node.lease import leased_number
from postroad.node.memory import give_large_back
from postroad.node.services import Services, build
from postroad.node.status import WorkerStatus
from postroad.smtpd.listener import SmtpListener
from postroad.storage.engine import open_database
from postroad.storage.errors import StorageError
from postroad.storage.workers import WorkerLease
from postroad.telemetry.logs import configure
from postroad.telemetry.metrics import Meter

log = structlog.get_logger()

_BEAT_S = 1.0
_COLLECT_AFTER = (20_000, 20, 100)
"""Python's default of (700, 10, 10) costs a sixth of the work on a message."""


def main() -> None:
    """Run the worker whose supervisor holds the other end of the socket pair named by the first argument."""
    give_large_back()
    pair_end = socket.socket(fileno=int(sys.argv[1]))
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        has_served = runner.run(_run(pair_end))
    sys.exit(0 if has_served else 1)


async def _run(pair_end: socket.socket) -> bool:
    """Serve until told to stop; false where storage kept it from beginning."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    channel = await Channel.over(pair_end)
    words = channel.words()
    plan = await anext(words, None)
    if not isinstance(plan, Plan):
        return True
    configure(plan.settings.log)
    structlog.contextvars.bind_contextvars(slot=plan.slot)
    prefer_throughput()
    async with AsyncExitStack() as stack:
        stack.enter_context(presence_of_worker(Path(plan.settings.data_dir)))
        worker = await _opened(plan, stack)
        if worker is None:
            return False
        listening = asyncio.create_task(worker.listen(channel, words, stop))
        channel.say(Ready(number=worker.lease.number, incarnation=worker.lease.incarnation))
        await stop.wait()
        listening.cancel()
        with suppress(asyncio.CancelledError):
            await listening
        await worker.stop()
    return True


async def _opened(plan: Plan, stack: AsyncExitStack) -> "Worker | None":
    """Open the worker; null where storage cannot be used, which is told: there may be many tries until it can."""
    worker = None
    try:
        worker = await Worker.open(plan, stack)
    except* StorageError as errors:
        log.error("worker_without_storage", why=str(_first_of(errors)))  # noqa: TRY400 - no fault of ours
    return worker


def _first_of(errors: BaseExceptionGroup[StorageError]) -> StorageError:
    first = errors.exceptions[0]
    return _first_of(first) if isinstance(first, BaseExceptionGroup) else first


class Worker:
    """The services and doors of one worker process."""

    def __init__(self, plan: Plan, lease: WorkerLease, services: Services, certificate: ServerCertificate) -> None:
        self.lease = lease
        self._plan = plan
        self._services = services
        self._certificate = certificate
        self._smtp_doors: list[SmtpListener] = []

    @classmethod
    async def open(cls, plan: Plan, stack: AsyncExitStack) -> "Worker":
        """Open the database, lease a worker number, build the services and begin to serve."""
        settings = plan.settings
        data_dir = Path(settings.data_dir)
        meter = Meter()
        database = await open_database(
            settings.database.url, data_dir=data_dir, clock=now_ms, is_checkpointer=plan.is_checkpointer, meter=meter
        )
        stack.push_async_callback(database.close)
        lease = await stack.enter_async_context(leased_number(database, plan))
        certificate = server_certificate(settings)
        services = await stack.enter_async_context(build(plan, database, lease, meter, certificate))
        worker = cls(plan, lease, services, certificate)
        await worker._open_doors(stack)
        _spare_collector()
        return worker

    async def _open_doors(self, stack: AsyncExitStack) -> None:
        inherited = _sockets_of(self._plan)
        if "smtp" in self._plan.roles:
            submission = self._services.submission_listener()
            self._smtp_doors.append(submission)
            await submission.start(
                inherited.get(doors.SUBMISSION, ()),
                inherited.get(doors.SUBMISSION_TLS, ()),
                inherited.get(doors.SUBMISSION_BY_ADDRESS, ()),
            )
        if inherited.get(doors.INBOUND):
            inbound = self._services.inbound_listener()
            self._smtp_doors.append(inbound)
            await inbound.start(inherited[doors.INBOUND])
        http = self._plan.settings.http
        clients = Clients(http.trusted_proxies, http.max_connections_per_address)
        if inherited.get(doors.HTTP) or inherited.get(doors.HTTP_TLS):
            app = self._web_app()
            plain, tls = inherited.get(doors.HTTP, ()), inherited.get(doors.HTTP_TLS, ())
            await _serve(http_servers(app, plain, tls, self._certificate.context, clients), stack)
            # What would go on for hours ends before the servers wait for it.
            stack.callback(self._services.console.streams.close)
        if inherited.get(doors.ACME):
            port_80 = beside_tracker(port_80_app(self._services.find_proof, http.public_url), self._services.tracker)
            await _serve([HttpServer(port_80, inherited[doors.ACME], clients=clients)], stack)

    def _web_app(self) -> ASGIApp:
        services = self._services
        clients = client_access(self._plan.settings)
        if self._plan.is_dev:
            return dev_web_app(
                services.console,
                services.api,
                services.database,
                WorkerStatus(services.database, folders_of_mail(self._plan.settings), services.why),
                clients=clients,
                tracker=services.tracker,
            )
        return web_app(
            services.console,
            services.api,
            services.database,
            clients=clients,
            tracker=services.tracker,
            find_proof=services.find_proof if is_obtained(self._plan.settings) else None,
            public_url=self._plan.settings.http.public_url,
        )

    async def listen(self, channel: Channel, words: AsyncIterator[object], stop: asyncio.Event) -> None:
        """Answer the supervisor and tell it every second that the event loop turns; its silence is a reason to stop."""
        beating = asyncio.create_task(self._beat(channel))
        try:
            async for word in words:
                match word:
                    case Reload():
                        await self._services.shown.refresh()
                        await self._services.shown_hosts.refresh()
                        await self._services.places.refresh()
                    case WhyAsked(delivery_id):
                        channel.say(Why(delivery_id, self._services.why(delivery_id)))
        finally:
            beating.cancel()
            stop.set()

    async def _beat(self, channel: Channel) -> None:
        while True:
            sessions = sum(len(one.roster) for one in self._smtp_doors)
            channel.say(Beat(sessions=sessions, leased_deliveries=self._services.leased_deliveries))
            self._services.take_stock(self._smtp_doors)
            await asyncio.sleep(_BEAT_S)

    async def stop(self) -> None:
        """Take nothing new, finish what is in flight and give leases back."""
        grace_s = self._plan.settings.smtp.stop_timeout_s
        await asyncio.gather(*(one.stop(grace_s) for one in self._smtp_doors))
        await self._services.stop()
        self._services.take_stock(self._smtp_doors)
        log.debug("worker_stopped", pid=os.getpid())


async def _serve(servers: Sequence[HttpServer], stack: AsyncExitStack) -> None:
    for server in servers:
        await server.start()
        stack.push_async_callback(server.stop)


def _spare_collector() -> None:
    """Look for garbage cycles more rarely: what was made so far stays, and messages make none worth the search."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_COLLECT_AFTER)


def _sockets_of(plan: Plan) -> Mapping[str, tuple[socket.socket, ...]]:
    return {
        door: tuple(socket.socket(fileno=descriptor) for descriptor in descriptors)
        for door, descriptors in plan.sockets.items()
    }


if __name__ == "__main__":
    main()

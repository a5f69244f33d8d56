"""The supervisor: binds the sockets, drops root, keeps the workers running, answers for all of them, stops in order."""

import asyncio
import itertools
import os
import pwd
import signal
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import structlog

from postroad.accounts.accounts import Accounts
from postroad.config import ConfigError, Settings
from postroad.httpd.health import admin_app
from postroad.httpd.server import HttpServer
from postroad.model.actor import SYSTEM
from postroad.net.clock import now_ms
from postroad.net.listen import bind, parse_endpoint
from postroad.net.tls import CertificateError
from postroad.node.certificate import is_obtained, server_certificate
from postroad.node.channel import Plan
from postroad.node.disk import folders_of_mail
from postroad.node.doors import SlotSockets, bind_doors
from postroad.node.installation import worker_count, workers_are_gone
from postroad.node.keys import installation_keys
from postroad.node.lease import node_name
from postroad.node.soundness import require_sound
from postroad.node.status import NodeStatus
from postroad.node.worker_process import WorkerProcess
from postroad.storage import workers as worker_rows
from postroad.storage.database import Database
from postroad.storage.engine import open_database
from postroad.storage.errors import StorageError
from postroad.telemetry.exposition import forget_process

log = structlog.get_logger()

ROLES = ("smtp", "http", "delivery", "webhooks", "upkeep")
_GRACE_S = 60.0
"""How long a worker may take to finish what is in flight before it is killed."""


class Supervisor:
    """One node: its workers and the listener for whoever operates it."""

    def __init__(
        self,
        settings: Settings,
        *,
        roles: Sequence[str] = ROLES,
        is_dev: bool = False,
        reload: Callable[[], Settings] | None = None,
        when_serving: Callable[[], None] | None = None,
    ) -> None:
        self._settings = settings
        self._roles = tuple(roles)
        self._is_dev = is_dev
        self._reload = reload
        self._when_serving = when_serving
        self._workers: list[WorkerProcess] = []
        self._sockets: list[SlotSockets] = []
        """Kept open here across a worker's restarts, so that no waiting client is reset; until the stop begins."""
        self._stopped = asyncio.Event()
        self._settings_changed = asyncio.Event()

    async def run(self) -> None:
        """Serve until SIGTERM or SIGINT; returns after everything has stopped.

        Raises:
            ListenError: an address cannot be listened on.
            ConfigError: a setting does not fit this machine.
        """
        slots = worker_count(self._settings)
        self._sockets = bind_doors(self._settings, slots, frozenset(self._roles))
        admin_sockets = bind(parse_endpoint(self._settings.admin.listen))[0] if self._settings.admin.listen else ()
        _drop_root(self._settings)
        metrics_dir = _metrics_folder()
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = metrics_dir.name
        database = await open_database(
            self._settings.database.url,
            data_dir=Path(self._settings.data_dir),
            clock=now_ms,
            read_connections=1,
            is_checkpointer=False,
        )
        status = NodeStatus(self._workers, database, folders_of_mail(self._settings), Path(metrics_dir.name))
        admin = HttpServer(admin_app(status), admin_sockets) if admin_sockets else None
        try:
            await installation_keys(database, Path(self._settings.data_dir))
            await Accounts(database, now_ms).ensure_default(SYSTEM)
            await _free_earlier_run(database, self._settings)
            async with asyncio.TaskGroup() as tasks:
                self._start_workers(tasks, database, Path(metrics_dir.name))
                if admin is not None:
                    await admin.start()
                self._listen_to_signals()
                beside = [tasks.create_task(work) for work in (self._announce(), self._keep_workers_current())]
                await self._stopped.wait()
                for task in beside:
                    task.cancel()
                self._let_sockets_go()
                await asyncio.gather(*(worker.stop(_GRACE_S) for worker in self._workers))
        finally:
            if admin is not None:
                await admin.stop()
            await database.close()
            metrics_dir.cleanup()
            log.info("node_stopped")

    def _start_workers(self, tasks: asyncio.TaskGroup, database: Database, metrics_dir: Path) -> None:
        async def free(pid: int, incarnation: int) -> None:
            forget_process(metrics_dir, pid)
            try:
                freed = await database.release_owner(incarnation)
                await database.write(worker_rows.remove, incarnation)
                log.info("leases_freed", incarnation=incarnation, deliveries=freed)
            except StorageError as error:
                # Time frees them as well; this only makes it sooner.
                log.warning("leases_not_freed", incarnation=incarnation, error=str(error))

        for slot, row in enumerate(self._sockets):
            plan = Plan(
                settings=self._settings,
                slot=slot,
                roles=self._roles,
                sockets={door: tuple(one.fileno() for one in sockets) for door, sockets in row.items()},
                is_dev=self._is_dev,
                is_checkpointer=slot == 0,
            )
            worker = WorkerProcess(plan, free)
            self._workers.append(worker)
            tasks.create_task(worker.run(), name=f"worker-{slot}")

    def _let_sockets_go(self) -> None:
        """Leave the sockets to the workers, which close theirs: clients would else wait at ours for a greeting."""
        for worker in self._workers:
            worker.start_no_more()
        for row in self._sockets:
            for one in itertools.chain.from_iterable(row.values()):
                one.close()

    async def _announce(self) -> None:
        for worker in self._workers:
            await worker.served.wait()
        log.info("node_serving", workers=len(self._workers))
        if self._when_serving is not None:
            self._when_serving()

    def _listen_to_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stopped.set)
        loop.add_signal_handler(signal.SIGHUP, self._read_again)

    def _read_again(self) -> None:
        """Read configuration and certificates anew; where a setting changed, the workers are replaced."""
        if self._reload is None:
            return
        try:
            settings = self._reload()
            require_sound(settings)
            if settings != self._settings and settings.tls.certificate:
                # A worker that goes over to new settings reads it anew, and could not start without it.
                server_certificate(settings)
        except (CertificateError, ConfigError) as error:
            log.warning("configuration_kept", reason=str(error))
            return
        for worker in self._workers:
            worker.reload()
        if settings == self._settings:
            log.info("certificates_read")
            return
        if _needs_restart(self._settings, settings):
            log.warning("restart_needed", reason="listening addresses, workers and the database change at a restart")
            settings = msgspec.structs.replace(
                settings, database=self._settings.database, data_dir=self._settings.data_dir
            )
        self._settings = settings
        self._settings_changed.set()
        log.info("configuration_read")

    async def _keep_workers_current(self) -> None:
        """Have the workers go over to changed settings; those that change meanwhile take the place of what is under way."""
        async with asyncio.TaskGroup() as tasks:
            under_way: asyncio.Task[None] | None = None
            while True:
                await self._settings_changed.wait()
                self._settings_changed.clear()
                if under_way is not None:
                    under_way.cancel()
                under_way = tasks.create_task(self._go_over_to(self._settings))

    async def _go_over_to(self, settings: Settings) -> None:
        """Replace the workers one after another, each once the one before serves, so that the others serve meanwhile."""
        for worker in self._workers:
            await worker.go_over_to(settings)


async def _free_earlier_run(database: Database, settings: Settings) -> None:
    """Free what workers of an earlier run still hold, once they are dead: the data folder is ours alone."""
    if not await workers_are_gone(Path(settings.data_dir), _GRACE_S):
        # Their supervisor was killed and they do not end; what they hold is freed when their heartbeats stop.
        log.warning("earlier_workers_alive", after_s=_GRACE_S)
        return
    for worker in await database.read(worker_rows.live, 0):
        if worker.node == node_name(settings):
            freed = await database.release_owner(worker.incarnation)
            await database.write(worker_rows.remove, worker.incarnation)
            log.info("leases_freed", incarnation=worker.incarnation, deliveries=freed)


def _metrics_folder() -> "tempfile.TemporaryDirectory[str]":
    """Make the folder in which the processes count; raises ConfigError where there is no room for one."""
    try:
        return tempfile.TemporaryDirectory(prefix="postroad-metrics-")
    except OSError as error:
        raise ConfigError(f"no temporary folder can be made, see TMPDIR: {error.strerror}") from error


def _needs_restart(old: Settings, new: Settings) -> bool:
    def fixed(settings: Settings) -> tuple[Any, ...]:
        smtp = settings.smtp
        return (
            settings.database,
            settings.data_dir,
            settings.workers,
            settings.admin,
            (settings.http.listen, settings.http.listen_tls),
            settings.tls.acme.http_listen if is_obtained(settings) else (),
            (smtp.listen, smtp.listen_tls, smtp.listen_by_address, settings.inbound.listen),
        )

    return fixed(old) != fixed(new)


def _drop_root(settings: Settings) -> None:
    """Go on as the configured user once the low ports are bound; raises ConfigError for an unknown one."""
    if not settings.user or os.geteuid() != 0:
        return
    try:
        entry = pwd.getpwnam(settings.user)
    except KeyError as error:
        raise ConfigError(f"user: there is no user {settings.user} on this machine") from error
    data_dir = Path(settings.data_dir).resolve()
    for path in [data_dir, *data_dir.rglob("*")]:
        # The folder is that user's: a link put there may not make root give away what it points to.
        os.chown(path, entry.pw_uid, entry.pw_gid, follow_symlinks=False)
    os.initgroups(entry.pw_name, entry.pw_gid)
    os.setgid(entry.pw_gid)
    os.setuid(entry.pw_uid)

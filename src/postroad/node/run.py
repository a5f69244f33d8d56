"""Starts a node in this process and returns when it has stopped."""

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path

import uvloop

from postroad.config import Settings
from postroad.node.certificate import server_certificate
from postroad.node.installation import sole_use
from postroad.node.open_files import allow_open_files
from postroad.node.soundness import require_sound
from postroad.node.supervisor import ROLES, Supervisor
from postroad.telemetry.logs import configure


def run_node(
    settings: Settings,
    *,
    roles: Sequence[str] = ROLES,
    is_dev: bool = False,
    reload: Callable[[], Settings] | None = None,
    prepare: Callable[[Settings], None],
    when_serving: Callable[[], None] | None = None,
) -> None:
    """Run a node until it is told to stop.

    Args:
        settings: The configuration.
        roles: What its workers do.
        is_dev: Whether all mail is captured instead of delivered.
        reload: Reads the configuration again, on SIGHUP.
        prepare: Brings the database to where a node may start; called while the data folder is held.
        when_serving: Called once every worker serves.

    Raises:
        ConfigError: a setting does not fit this machine, or another node has the data folder.
        ListenError: an address cannot be listened on.
        CertificateError: the certificate cannot be used.
        StorageError: the database cannot be used.
    """
    with sole_use(Path(settings.data_dir)):
        configure(settings.log)
        allow_open_files(settings)
        require_sound(settings)
        prepare(settings)
        server_certificate(settings)
        supervisor = Supervisor(settings, roles=roles, is_dev=is_dev, reload=reload, when_serving=when_serving)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(supervisor.run())

"""How many files and connections the processes of a node may have open."""

import resource

import structlog

from postroad.config import Settings
from postroad.httpd.clients import MAX_CONNECTIONS

log = structlog.get_logger()

_BESIDE = 200
"""What a worker opens beside its connections: database, content, logs, uploads."""


def allow_open_files(settings: Settings) -> None:
    """Let this process and those it starts open as many files as the system allows it (getrlimit(2)).

    Most shells and service managers leave it at 1024, for programs that wait by ``select``: fewer than the sessions of one
    worker, and where none is left, no connection is accepted and no database opened.
    """
    _, allowed = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, allowed))
    except (ValueError, OSError) as error:
        log.warning("open_files_not_raised", error=str(error))
    needed = _needed(settings)
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if resource.RLIM_INFINITY != limit < needed:
        log.warning("open_files_few", limit=limit, a_worker_may_need=needed)


def _needed(settings: Settings) -> int:
    """Return how many files one worker has open at the most, by its settings."""
    outbound = settings.delivery.queue.sessions + settings.delivery.connections.max_idle
    return settings.smtp.max_sessions + settings.inbound.max_sessions + MAX_CONNECTIONS + outbound + _BESIDE

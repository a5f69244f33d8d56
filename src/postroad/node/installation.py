"""What a node finds out and sets right before it serves: its folder, its schema, how many workers it may have."""

import asyncio
import contextlib
import fcntl
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

import structlog

from postroad.config import ConfigError, Settings
from postroad.storage.driver import SUPPORTS_MANY_WRITERS
from postroad.storage.migrate import migrate, require_current, schema_state

log = structlog.get_logger()

_MOST_SQLITE_WORKERS = 4
"""With SQLite the workers take turns at writing; more of them only wait."""
_PRESENCE = "workers.lock"
_LOOK_AGAIN_S = 0.1


@contextlib.contextmanager
def sole_use(data_dir: Path) -> Iterator[None]:
    """Hold the data folder for this node; raises ConfigError when another node has it, or it cannot be written."""
    make_data_dir(data_dir)
    with _lock_file(data_dir / "node.lock") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ConfigError(
                f"data_dir: another Postroad runs in {data_dir}; stop it or name another folder"
            ) from error
        yield


def make_data_dir(data_dir: Path) -> None:
    """Make the data folder where it is not there; raises ConfigError where it cannot be."""
    try:
        # For its owner alone: it holds the mail, and the key to all secrets.
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"data_dir: {data_dir} cannot be made: {error.strerror}") from error


def _lock_file(path: Path) -> TextIO:
    try:
        return path.open("w")
    except OSError as error:
        raise ConfigError(f"data_dir: {path} cannot be written: {error.strerror}") from error


@contextlib.contextmanager
def presence_of_worker(data_dir: Path) -> Iterator[None]:
    """Show for the length of the block, or the life of the process, that a worker of this data folder is alive."""
    with _lock_file(data_dir / _PRESENCE) as lock:
        fcntl.flock(lock, fcntl.LOCK_SH)
        yield


async def workers_are_gone(data_dir: Path, within_s: float) -> bool:
    """Wait until no worker of this data folder is alive; false where one still is when the time is over."""
    loop = asyncio.get_running_loop()
    until = loop.time() + within_s
    with _lock_file(data_dir / _PRESENCE) as lock:
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if loop.time() >= until:
                    return False
            else:
                return True
            await asyncio.sleep(_LOOK_AGAIN_S)


@contextlib.contextmanager
def right_to_write(settings: Settings) -> Iterator[bool]:
    """Tell whether a command may write now; what it is told holds for the length of the block.

    An SQLite that several writing processes can damage is written only by who has the data folder to itself.
    """
    if SUPPORTS_MANY_WRITERS or settings.database.url.startswith("postgres"):
        yield True
        return
    with contextlib.ExitStack() as held:
        try:
            held.enter_context(sole_use(Path(settings.data_dir)))
            is_alone = True
        except ConfigError:
            is_alone = False
        yield is_alone


def ensure_schema(settings: Settings) -> None:
    """Create the schema of an empty database; raises SchemaMismatch for one of another version."""
    data_dir = Path(settings.data_dir)
    state = schema_state(settings.database.url, data_dir)
    if state.current is None:
        migrate(settings.database.url, data_dir)
        log.info("schema_created", schema=state.newest)
    else:
        require_current(state)


def migrate_schema(settings: Settings) -> None:
    """Bring the schema up to date, as ``postroad dev`` does; raises SchemaMismatch for a newer one."""
    state = schema_state(settings.database.url, Path(settings.data_dir))
    if state.is_newer:
        require_current(state)
    migrate(settings.database.url, Path(settings.data_dir))


def worker_count(settings: Settings) -> int:
    """Return how many workers to run; raises ConfigError when more are configured than the database takes."""
    wanted = settings.workers or len(os.sched_getaffinity(0))
    if settings.database.url.startswith("postgres"):
        return wanted
    if not SUPPORTS_MANY_WRITERS:
        if settings.workers > 1:
            raise ConfigError(
                "workers: this SQLite can damage a file that several processes write; use 1, or PostgreSQL"
            )
        return 1
    if settings.workers > _MOST_SQLITE_WORKERS:
        raise ConfigError(f"workers: at most {_MOST_SQLITE_WORKERS} with SQLite; use PostgreSQL for more")
    return min(wanted, _MOST_SQLITE_WORKERS)


def hostname_of(settings: Settings) -> str:
    """Return the name this installation gives itself in greetings, EHLO and Received fields."""
    return settings.smtp.hostname or settings.delivery.hostname or socket.getfqdn()

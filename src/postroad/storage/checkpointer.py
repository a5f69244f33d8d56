"""Moves what is in SQLite's write-ahead log into the database file, in one process of the node."""

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

from postroad.storage import driver
from postroad.storage.errors import StorageUnavailable
from postroad.storage.outage import Outage

_INTERVAL_S = 0.5
_ENOUGH_OCTETS = 8 * 1024 * 1024


class Checkpointer:
    """A thread that copies the log back when it has grown; commits never do it, so none of them is slow for it."""

    def __init__(self, path: Path, turn: Callable[[], AbstractContextManager[None]]) -> None:
        self._wal = path.with_name(f"{path.name}-wal")
        self._turn = turn
        self._raw = driver.connect(path)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sqlite-checkpointer", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop after the copy under way; blocks."""
        self._stopping.set()
        self._thread.join()
        self._raw.close()

    def _run(self) -> None:
        outage = Outage("checkpoint_failed")
        while not self._stopping.wait(_INTERVAL_S):
            try:
                if self._wal.stat().st_size >= _ENOUGH_OCTETS:
                    self.checkpoint()
                    outage.passed()
            except (OSError, driver.sqlite.Error) as error:
                outage.failed(StorageUnavailable(str(error)))

    def checkpoint(self) -> None:
        """Copy the log back and let the next commit start it anew."""
        if driver.SUPPORTS_MANY_WRITERS:
            self._raw.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
        # The log starts anew only when all of it has been copied, which never happens beside writers that go on:
        # the few frames they added meanwhile are copied while they wait. Truncating makes its size tell of new ones.
        with self._turn():
            self._raw.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

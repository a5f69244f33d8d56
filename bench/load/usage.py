"""What a server costs: processor time and memory of its process trees, read from ``/proc``."""

import contextlib
import os
import threading
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.peers.processes import tree

_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_INTERVAL_S = 0.5


def cpu_s(roots: Sequence[int]) -> float:
    """Return the processor time that the trees have used so far, ended children included."""
    return sum(stat.ticks for stat in tree(roots)) / _TICKS_PER_S


def memory_mib(roots: Sequence[int]) -> float:
    """Return the memory that the trees hold; pages that processes share count once (PSS)."""
    total = 0
    for stat in tree(roots):
        # A process may end between being listed and being read.
        with contextlib.suppress(OSError, IndexError):
            rollup = Path(f"/proc/{stat.pid}/smaps_rollup").read_text()
            total += int(rollup.split("\nPss:")[1].split()[0])
    return total / 1024


class Meter:
    """Measures the trees while its block runs."""

    def __init__(self, roots: Sequence[int]) -> None:
        """Take the process ids whose trees are one server."""
        self.cpu_s = 0.0
        self.peak_memory_mib = 0.0
        self._roots = roots
        self._is_over = threading.Event()
        self._sampler = threading.Thread(target=self._sample)

    def __enter__(self) -> Self:
        self.cpu_s = -cpu_s(self._roots)
        self._sampler.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.cpu_s += cpu_s(self._roots)
        self._is_over.set()
        self._sampler.join()

    def _sample(self) -> None:
        while True:
            self.peak_memory_mib = max(self.peak_memory_mib, memory_mib(self._roots))
            if self._is_over.wait(_INTERVAL_S):
                return

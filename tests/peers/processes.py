"""Process trees, read from ``/proc``: who descends from whom, what it cost, and how to end all of it at once."""

import contextlib
import os
import signal
import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Stat:
    """What ``/proc/PID/stat`` says of one process."""

    pid: int
    state: str
    parent: int
    group: int
    ticks: int
    """Its own processor time, and that of its children that have ended and been waited for."""

    @property
    def is_alive(self) -> bool:
        """Whether it is more than a zombie, which is for its parent to bury."""
        return self.state not in "ZX"


def every_process() -> Iterable[Stat]:
    """Yield the processes of the machine."""
    for path in Path("/proc").glob("[0-9]*/stat"):
        # One may end between being listed and being read.
        with contextlib.suppress(OSError):
            # proc(5): after the command's name, which stands in brackets, come state, parent, group (3, 4, 5);
            # utime, stime, cutime and cstime are 14 to 17.
            fields = path.read_text().rpartition(")")[2].split()
            ticks = sum(int(field) for field in fields[11:15])
            yield Stat(int(path.parent.name), fields[0], int(fields[1]), int(fields[2]), ticks)


def tree(roots: Sequence[int]) -> list[Stat]:
    """Return the processes of some roots with all their descendants."""
    children: defaultdict[int, list[Stat]] = defaultdict(list)
    found = []
    for stat in every_process():
        children[stat.parent].append(stat)
        if stat.pid in roots:
            found.append(stat)
    for stat in found:
        found.extend(children[stat.pid])
    return found


def kill_tree(root: int, timeout_s: float = 10) -> None:
    """Kill a process and all its descendants at the same instant, in whatever sessions they are, and see them dead."""
    try:
        # A stopped root starts nothing while its tree is listed.
        os.kill(root, signal.SIGSTOP)
    except ProcessLookupError:
        return
    doomed = {stat.pid for stat in tree([root])}
    for pid in doomed:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    deadline = time.monotonic() + timeout_s
    while any(stat.pid in doomed and stat.is_alive for stat in every_process()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"killed processes of {root} still live after {timeout_s} s")
        time.sleep(0.005)

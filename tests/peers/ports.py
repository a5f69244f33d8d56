"""Free loopback ports, and waiting until something listens on one."""

import fcntl
import itertools
import os
import random
import socket
import subprocess
import tempfile
import time
from pathlib import Path

LOOPBACK = "127.0.0.1"

# Below the ports that systems give to outgoing connections, one of which might otherwise take a port handed out here.
_RANGE = range(10_000, 30_000)
_candidates = itertools.cycle(random.Random(os.getpid()).sample(_RANGE, len(_RANGE)))


def free_ports(count: int) -> list[int]:
    """Return so many different ports that nothing listens on, and that no other test process is given."""
    return [next(port for port in _candidates if _is_ours(port) and _is_free(port)) for _ in range(count)]


def free_port() -> int:
    """Return a port that nothing listens on at the moment."""
    return free_ports(1)[0]


def wait_until_listening(place: int | str, process: subprocess.Popen[bytes], timeout_s: float = 45) -> None:
    """Wait until the process takes connections at a loopback port or a Unix socket's path.

    Raises:
        RuntimeError: the process ended, or time is up.
    """
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"{process.args!r} ended with {process.returncode} before it listened on {place}")
        if _answers(place):
            return
        time.sleep(0.02)
    raise RuntimeError(f"{process.args!r} did not listen on {place} within {timeout_s} s")


def stop(process: subprocess.Popen[bytes], timeout_s: float = 10) -> None:
    """End a process with SIGTERM, and with SIGKILL when it does not obey in time."""
    process.terminate()
    try:
        process.wait(timeout_s)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(timeout_s)


def _is_ours(port: int) -> bool:
    folder = Path(tempfile.gettempdir(), f"postroad-test-ports-{os.getuid()}")
    folder.mkdir(exist_ok=True)
    # Never closed: the lock, and with it the port, belongs to this process for as long as it runs.
    lock = os.open(folder / str(port), os.O_CREAT | os.O_WRONLY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        return False
    return True


def _is_free(port: int) -> bool:
    try:
        with socket.create_server((LOOPBACK, port)), socket.socket(type=socket.SOCK_DGRAM) as datagrams:
            datagrams.bind((LOOPBACK, port))
    except OSError:
        return False
    return True


def _answers(place: int | str) -> bool:
    family = socket.AF_INET if isinstance(place, int) else socket.AF_UNIX
    with socket.socket(family) as probe:
        probe.settimeout(1)
        return probe.connect_ex((LOOPBACK, place) if isinstance(place, int) else place) == 0

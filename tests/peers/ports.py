"""Free loopback ports, and waiting until something listens on one."""

import socket
import subprocess
import time

LOOPBACK = "127.0.0.1"


def free_ports(count: int) -> list[int]:
    """Return so many different ports that nothing listens on at the moment."""
    sockets = [socket.create_server((LOOPBACK, 0)) for _ in range(count)]
    try:
        return [listener.getsockname()[1] for listener in sockets]
    finally:
        for listener in sockets:
            listener.close()


def free_port() -> int:
    """Return a port that nothing listens on at the moment."""
    return free_ports(1)[0]


def wait_until_listening(place: int | str, process: subprocess.Popen[bytes], timeout_s: float = 20) -> None:
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


def _answers(place: int | str) -> bool:
    family = socket.AF_INET if isinstance(place, int) else socket.AF_UNIX
    with socket.socket(family) as probe:
        probe.settimeout(1)
        return probe.connect_ex((LOOPBACK, place) if isinstance(place, int) else place) == 0

"""Postfix's smtp-sink: a receiving server that takes everything, and counts or dumps it."""

import os
import re
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.peers import ports
from tests.peers.programs import path_of

_COUNTERS = re.compile(rb"mesg=(\d+)")
_BACKLOG = 1024
_CONNECTIONS = 1024


@dataclass(frozen=True, kw_only=True)
class DumpedMessage:
    """One message as smtp-sink wrote it down."""

    mail_arguments: str
    """What followed ``MAIL FROM:``, address and parameters."""
    recipients: tuple[str, ...]
    content: bytes
    """The message text, with line feeds as line ends."""


class Sink:
    """A running smtp-sink on a free loopback port; use it as a context manager."""

    def __init__(self, *options: str, keep_messages: bool = False) -> None:
        """Take further options of smtp-sink; with ``keep_messages`` each message is written to a file."""
        self.port = ports.free_port()
        self._options = options
        self._keep_messages = keep_messages
        self._directory = tempfile.TemporaryDirectory(prefix="smtp-sink-")
        self._counters = Path(self._directory.name, "counters")
        self._dumps = Path(self._directory.name, "messages")

    def __enter__(self) -> Self:
        command = [path_of("smtp-sink"), "-c", "-m", str(_CONNECTIONS), *self._options]
        if os.geteuid() == 0:
            # Started by root it insists on giving that up.
            command += ["-u", "nobody"]
        if self._keep_messages:
            Path(self._directory.name).chmod(0o755)
            self._dumps.mkdir()
            self._dumps.chmod(0o777)
            command += ["-d", f"{self._dumps}/%s."]
        command += [f"{ports.LOOPBACK}:{self.port}", str(_BACKLOG)]
        # The counters are rewritten for each message: into a file, so that no pipe has to be kept drained.
        with self._counters.open("wb") as counters:
            self._process = subprocess.Popen(command, stdout=counters)
        ports.wait_until_listening(self.port, self._process)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        ports.stop(self._process)
        self._directory.cleanup()

    @property
    def pid(self) -> int:
        """The sink's process."""
        return self._process.pid

    def count(self) -> int:
        """Return how many messages have been received so far."""
        with self._counters.open("rb") as counters:
            size = counters.seek(0, 2)
            counters.seek(max(0, size - 200))
            found = _COUNTERS.findall(counters.read())
        return int(found[-1]) if found else 0

    def wait_for(self, count: int, timeout_s: float = 30) -> float:
        """Wait until so many messages have come in and return the monotonic time; raises TimeoutError."""
        deadline = time.monotonic() + timeout_s
        while (received := self.count()) < count:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{received} of {count} messages within {timeout_s} s")
            time.sleep(0.005)
        return time.monotonic()

    def messages(self) -> list[DumpedMessage]:
        """Return what has been received, in no particular order; needs ``keep_messages``."""
        dumps = [path.read_bytes() for path in sorted(self._dumps.iterdir())]
        # A message on its way is a file already, and empty at first.
        return [_read_dump(dump) for dump in dumps if dump]


def _read_dump(dump: bytes) -> DumpedMessage:
    """Split off the pseudo-header that smtp-sink puts before the message: ``X-…-Args:`` lines and a Received."""
    lines = dump.split(b"\n")
    mail_arguments, recipients, position = "", [], 0
    while lines[position].startswith(b"X-"):
        name, _, value = lines[position].decode("utf-8", "replace").partition(": ")
        if name == "X-Mail-Args":
            mail_arguments = value
        elif name == "X-Rcpt-Args":
            recipients.append(value)
        position += 1
    # The Received field is smtp-sink's own: its first line and the folded ones after it.
    position += 1
    while lines[position].startswith((b"\t", b" ")):
        position += 1
    # One line feed more than was sent ends the file.
    content = b"\n".join(lines[position:]).removesuffix(b"\n")
    return DumpedMessage(mail_arguments=mail_arguments, recipients=tuple(recipients), content=content)

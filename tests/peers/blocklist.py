"""rbldnsd, the name server that most blocklists are served by, with lists of a test's own."""

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Self

import dns.exception
import dns.message
import dns.query

from tests.peers import ports
from tests.peers.programs import path_of

_UNTIL_S = 10


class Rbldnsd:
    """The server with lists by zone; use it as a context manager.

    A list is the text of its entries, one a line: an address or network, and ``:code:text`` where it differs from
    the list's first line, which has the default. Lists of IPv6 addresses are of another type than those of IPv4, and
    a zone may have both.
    """

    def __init__(self, ipv4: Mapping[str, str], ipv6: Mapping[str, str] | None = None) -> None:
        self.port = ports.free_port()
        # rbldnsd gives up root's rights before it reads: the folder must be open to whom it becomes.
        self._directory = Path(tempfile.mkdtemp(prefix="rbldnsd-"))
        self._directory.chmod(0o777)
        self._lists = {"ip4set": dict(ipv4), "ip6trie": dict(ipv6 or {})}
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def resolver(self) -> str:
        """The server as the setting ``dns.resolvers`` names it."""
        return f"127.0.0.1:{self.port}"

    @property
    def questions(self) -> str:
        """Every question it was asked, in its own log."""
        return (self._directory / "questions").read_text()

    def __enter__(self) -> Self:
        command = [path_of("rbldnsd"), "-n", "-4", "-b", f"127.0.0.1/{self.port}", "-l", "+questions"]
        command += ["-w", str(self._directory), *(["-u", "nobody"] if os.geteuid() == 0 else [])]
        for kind, lists in self._lists.items():
            for zone, entries in lists.items():
                path = self._directory / f"{zone}.{kind}"
                path.write_text(f"$SOA 60 ns.{zone} admin.{zone} 1 600 300 86400 60\n{entries}\n")
                path.chmod(0o644)
                command.append(f"{zone}:{kind}:{path.name}")
        with (self._directory / "log").open("wb") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            self._wait_until_it_answers()
        except BaseException as error:
            error.add_note((self._directory / "log").read_text())
            self._end()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._end()

    def _wait_until_it_answers(self) -> None:
        assert self._process is not None
        zone = next(iter(self._lists["ip4set"]))
        deadline = time.monotonic() + _UNTIL_S
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                raise RuntimeError(f"rbldnsd ended with {self._process.returncode}")
            try:
                dns.query.udp(dns.message.make_query(zone, "SOA"), "127.0.0.1", 0.2, self.port)
            except (dns.exception.DNSException, OSError):
                time.sleep(0.02)
            else:
                return
        raise RuntimeError(f"rbldnsd does not answer on port {self.port}")

    def _end(self) -> None:
        if self._process is not None:
            ports.stop(self._process)
        shutil.rmtree(self._directory)

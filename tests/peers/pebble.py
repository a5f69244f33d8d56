"""Pebble, the ACME server that Let's Encrypt tests with, as the authority of a test."""

import json
import os
import ssl
import subprocess
import tempfile
import urllib.request
from pathlib import Path
from typing import Self

import trustme

from tests.peers import ports
from tests.peers.programs import path_of


class Pebble:
    """An authority on a loopback port; use it as a context manager.

    It proves names by asking ``http_port`` of the addresses that ``resolver`` gives them. Of the nonces that it gave
    out it refuses a third, as an authority may at any time (RFC 8555 §6.5).
    """

    def __init__(self, *, http_port: int, resolver: str, lifetime_s: int = 90 * 86_400) -> None:
        self._port, self._management_port = ports.free_ports(2)
        self._http_port = http_port
        self._resolver = resolver
        self._lifetime_s = lifetime_s
        self.directory = Path(tempfile.mkdtemp(prefix="pebble-"))
        self._process: subprocess.Popen[bytes] | None = None
        self._front = trustme.CA()

    @property
    def url(self) -> str:
        """The ACME directory."""
        return f"https://localhost:{self._port}/dir"

    @property
    def authorities(self) -> Path:
        """PEM file of who vouches for Pebble's own HTTPS; what it issues has another root."""
        return self.directory / "front.pem"

    def root(self) -> str:
        """Return the root of what this run of Pebble issues, in PEM."""
        context = ssl.create_default_context(cafile=str(self.authorities))
        with urllib.request.urlopen(f"https://localhost:{self._management_port}/roots/0", context=context) as reply:
            text: bytes = reply.read()
        return text.decode()

    def trusting(self) -> ssl.SSLContext:
        """Return the context of a client that trusts what Pebble issues, and nobody else."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(cadata=self.root())
        return context

    def __enter__(self) -> Self:
        own = self._front.issue_cert("localhost")
        self._front.cert_pem.write_to_path(self.authorities)
        own.private_key_pem.write_to_path(self.directory / "key.pem")
        own.cert_chain_pems[0].write_to_path(self.directory / "cert.pem")
        settings = {
            "listenAddress": f"{ports.LOOPBACK}:{self._port}",
            "managementListenAddress": f"{ports.LOOPBACK}:{self._management_port}",
            "certificate": str(self.directory / "cert.pem"),
            "privateKey": str(self.directory / "key.pem"),
            "httpPort": self._http_port,
            "tlsPort": 1,
            "certificateValidityPeriod": self._lifetime_s,
        }
        (self.directory / "pebble.json").write_text(json.dumps({"pebble": settings}))
        command = [
            path_of("pebble"), "-strict", "-config", str(self.directory / "pebble.json"), "-dnsserver", self._resolver,
        ]  # fmt: skip
        habits = {"PEBBLE_VA_NOSLEEP": "1", "PEBBLE_AUTHZREUSE": "0", "PEBBLE_WFE_NONCEREJECT": "33"}
        with (self.directory / "log").open("wb") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, env=os.environ | habits)
        try:
            ports.wait_until_listening(self._management_port, self._process)
        except BaseException as error:
            error.add_note((self.directory / "log").read_text())
            self._end()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._end()

    def _end(self) -> None:
        if self._process is not None:
            ports.stop(self._process)
        for path in self.directory.iterdir():
            path.unlink()
        self.directory.rmdir()

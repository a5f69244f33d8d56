"""A whole node on free loopback ports: configured, filled and started by the commands that an operator uses."""

import json
import shutil
import subprocess
import sys
import time
import tomllib
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.peers.commands import give
from tests.peers.ports import LOOPBACK, free_ports
from tests.peers.processes import kill_tree

DOMAIN = "bench.example"
USERNAME = f"load@{DOMAIN}"
PASSWORD = "Quiet-harbour-41-lanterns"

_READY_S = 40.0
_COMMAND_S = 60.0
_STOP_S = 40.0

_CONFIGURATION = """\
data_dir = {data_dir}
workers = {workers}

[database]
url = {database_url}

[smtp]
listen = ["127.0.0.1:{submission_port}"]
listen_tls = ["127.0.0.1:{submission_tls_port}"]
listen_by_address = ["127.0.0.1:{by_address_port}"]

[inbound]
listen = ["127.0.0.1:{inbound_port}"]

[delivery]
smarthost = "{smarthost}"
allow_private_addresses = true
{delivery}
[domains]
verification = "off"

[http]
listen = ["127.0.0.1:{http_port}"]

[admin]
listen = "127.0.0.1:{admin_port}"
"""


class Product:
    """One node; use it as a context manager once it is prepared, or has joined one that is."""

    def __init__(
        self,
        directory: Path,
        *,
        smarthost_port: int | None,
        database_url: str = "",
        workers: int = 2,
        delivery_settings: str = "",
        settings: Mapping[str, Any] | None = None,
    ) -> None:
        """Write the configuration; ``delivery_settings`` are further lines of ``[delivery]``, ``settings`` win over all."""
        directory.mkdir(parents=True, exist_ok=True)
        self.directory = directory
        self.data_dir = directory / "data"
        ports = free_ports(6)
        self.submission_port, self.submission_tls_port, self.by_address_port = ports[:3]
        self.admin_port, self.http_port, self.inbound_port = ports[3:]
        self.configuration = directory / "postroad.toml"
        self.log = directory / "postroad.log"
        self.roles = ""
        """What the node does, with commas between; empty for everything."""
        self._process: subprocess.Popen[bytes] | None = None
        self.configuration.write_text(
            _CONFIGURATION.format(
                # A JSON string is a TOML string too.
                data_dir=json.dumps(str(self.data_dir)),
                database_url=json.dumps(database_url),
                workers=workers,
                submission_port=self.submission_port,
                submission_tls_port=self.submission_tls_port,
                by_address_port=self.by_address_port,
                inbound_port=self.inbound_port,
                smarthost="" if smarthost_port is None else f"{LOOPBACK}:{smarthost_port}",
                delivery=delivery_settings,
                http_port=self.http_port,
                admin_port=self.admin_port,
            )
        )
        self.configure(settings or {})

    def configure(self, settings: Mapping[str, Any]) -> None:
        """Change settings in the configuration file, section by section."""
        document = tomllib.loads(self.configuration.read_text())
        self.configuration.write_text(_as_toml(_merged(document, settings)))

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def prepare(self) -> None:
        """Make the schema, the domain, and an SMTP user with a password."""
        self.run("migrate")
        self.run("domain", "add", DOMAIN)
        self.run("smtp-user", "add", USERNAME, "--password-stdin", given=PASSWORD)

    def join(self, other: "Product") -> None:
        """Take another node's master key, as every node of one database has to have the same."""
        self.data_dir.mkdir(mode=0o700)
        shutil.copy2(other.data_dir / "master.key", self.data_dir)

    def run(self, *arguments: str, given: str = "") -> str:
        """Run one command of the product and return what it printed; raises RuntimeError where it refuses."""
        done = give([*arguments, "--config", str(self.configuration)], given + "\n", _COMMAND_S)
        if done.returncode:
            raise RuntimeError(f"postroad {' '.join(arguments)}: {done.returncode}\n{done.stdout}{done.stderr}")
        return done.stdout

    def start(self) -> None:
        """Start serving and wait until the node says that it is ready."""
        command = [sys.executable, "-m", "postroad", "serve", "--config", str(self.configuration)]
        command += ["--roles", self.roles] if self.roles else []
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        deadline = time.monotonic() + _READY_S
        while not self.is_ready():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.kill()
                raise RuntimeError(f"postroad serve is not ready; its log ends:\n{self.log.read_text()[-4000:]}")
            time.sleep(0.05)

    def stop(self) -> None:
        """Ask for a graceful end; the whole node is killed when it takes too long, and that is an error."""
        if self._process is None:
            return
        process, self._process = self._process, None
        process.terminate()
        try:
            process.wait(_STOP_S)
        except subprocess.TimeoutExpired as error:
            kill_tree(process.pid)
            process.wait(_STOP_S)
            raise RuntimeError(
                f"SIGTERM did not end the node; its log ends:\n{self.log.read_text()[-4000:]}"
            ) from error

    def kill(self) -> None:
        """Kill supervisor and workers at the same instant, as a power cut would."""
        assert self._process is not None
        process, self._process = self._process, None
        kill_tree(process.pid)
        process.wait(_STOP_S)

    def is_ready(self) -> bool:
        """Whether ``/readyz`` answers 200."""
        try:
            self._get("/readyz")
        except OSError:
            return False
        return True

    def run_json(self, *arguments: str, given: str = "") -> Any:
        """Run one command of the product with ``--json`` and return what it said."""
        return json.loads(self.run(*arguments, "--json", given=given))

    def worker_pids(self) -> list[int]:
        """Return the processes of the workers that live."""
        return [worker["pid"] for worker in json.loads(self._get("/healthz"))["workers"] if worker["pid"]]

    @property
    def pid(self) -> int:
        """The supervisor's process."""
        assert self._process is not None
        return self._process.pid

    def metrics(self) -> str:
        """Return what ``/metrics`` says."""
        return self._get("/metrics").decode()

    def _get(self, path: str) -> bytes:
        with urllib.request.urlopen(f"http://{LOOPBACK}:{self.admin_port}{path}", timeout=6) as reply:
            content: bytes = reply.read()
        return content


def _merged(document: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(document)
    for key, value in over.items():
        below = merged.get(key, {})
        merged[key] = _merged(below, value) if isinstance(value, Mapping) else value
    return merged


def _as_toml(table: Mapping[str, Any], path: tuple[str, ...] = ()) -> str:
    # A JSON value that is no object is a TOML value too.
    own = [f"{key} = {json.dumps(value)}" for key, value in table.items() if not isinstance(value, Mapping)]
    below = [_as_toml(value, (*path, key)) for key, value in table.items() if isinstance(value, Mapping)]
    return "\n".join([*([f"[{'.'.join(path)}]"] if path else []), *own, *below]) + "\n"

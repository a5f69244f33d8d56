"""Peers that come from npm: ``node/package-lock.json`` names them, ``install.sh`` puts them into ``.node``."""

import json
import subprocess
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.peers import ports
from tests.peers.programs import NPM_FOLDER, NPM_INSTALLED, path_of


class NodeServer:
    """A script of ``node/`` that serves on a loopback port; use it as a context manager."""

    def __init__(self, script: str, **facts: Any) -> None:
        """``facts`` are given to the script as JSON, with its ``port``."""
        self.port = ports.free_port()
        self._script = NPM_FOLDER / script
        self.facts = facts
        self._process: subprocess.Popen[bytes] | None = None
        self._folder = tempfile.TemporaryDirectory(prefix="node-")
        self._log = Path(self._folder.name, "log")

    def __enter__(self) -> Self:
        # From standard input, as a module in the folder of the packages: imports are found from there.
        command = [path_of("node"), "--input-type=module", "-", json.dumps(self.facts | {"port": self.port})]
        with self._script.open("rb") as script, self._log.open("wb") as log:
            self._process = subprocess.Popen(command, cwd=NPM_INSTALLED, stdin=script, stdout=log, stderr=log)
        try:
            ports.wait_until_listening(self.port, self._process)
        except RuntimeError as error:
            ports.stop(self._process)
            raise RuntimeError(f"{error}; it said:\n{self.log()}") from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process is not None
        ports.stop(self._process)
        self._folder.cleanup()

    def log(self) -> str:
        """Return what the script has printed."""
        return self._log.read_text("utf-8", "replace")


def run_node(script: str, facts: Any, timeout_s: float = 30) -> Any:
    """Run a script of ``node/`` to its end, with facts as JSON, and return the JSON that it printed."""
    source = Path(NPM_FOLDER / script).read_bytes()
    command = [path_of("node"), "--input-type=module", "-", json.dumps(facts)]
    done = subprocess.run(command, cwd=NPM_INSTALLED, input=source, capture_output=True, timeout=timeout_s, check=False)
    if done.returncode:
        raise RuntimeError(f"{script}: {done.returncode}\n{done.stderr.decode()}")
    return json.loads(done.stdout)

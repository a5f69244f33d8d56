"""Starts ``postroad dev`` the way a newcomer does, on free ports, and reads what it prints."""

import contextlib
import json
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tests.peers.ports import free_port

START_S = 60.0


class Dev:
    """A running ``postroad dev``."""

    def __init__(self, process: subprocess.Popen[str], facts: dict[str, Any]) -> None:
        self.process = process
        self.facts = facts

    def get(self, path: str, accept: str = "application/json") -> Any:
        """Fetch one of its pages; JSON is decoded."""
        request = urllib.request.Request(self.facts["inbox"].removesuffix("/inbox") + path, headers={"Accept": accept})
        with urllib.request.urlopen(request, timeout=10) as reply:
            content = reply.read()
        return json.loads(content) if accept == "application/json" else content.decode()

    def wait_for_mail(self, count: int = 1, timeout_s: float = 15.0) -> list[dict[str, Any]]:
        """Return the newest captures once there are ``count``."""
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            captures: list[dict[str, Any]] = self.get("/inbox.json")
            if len(captures) >= count:
                return captures
            time.sleep(0.05)
        raise AssertionError(f"{count} messages were expected in the inbox within {timeout_s} s")


@contextlib.contextmanager
def running_dev(data_dir: Path, variables: Mapping[str, str] | None = None) -> Iterator[Dev]:
    """Run ``postroad dev --json`` until the block ends; ``variables`` are settings that win over its free ports."""
    environment = (
        os.environ
        | {
            "POSTROAD_SMTP__LISTEN": f"127.0.0.1:{free_port()}",
            "POSTROAD_SMTP__LISTEN_TLS": f"127.0.0.1:{free_port()}",
            "POSTROAD_INBOUND__LISTEN": f"127.0.0.1:{free_port()}",
            "POSTROAD_HTTP__LISTEN": f"127.0.0.1:{free_port()}",
            "POSTROAD_ADMIN__LISTEN": f"127.0.0.1:{free_port()}",
        }
        | dict(variables or {})
    )
    command = [sys.executable, "-m", "postroad", "dev", "--json", "--data", str(data_dir)]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield Dev(process, json.loads(process.stdout.readline()))
    finally:
        process.terminate()
        process.wait(START_S)
        assert process.stdout is not None
        process.stdout.close()

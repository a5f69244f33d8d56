"""Commands where storage cannot be used: refused with a sentence, never with a traceback."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.commands import Run, commands_in


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def run(data: Path) -> Run:
    return commands_in(data)


NO_DOORS = ("SMTP__LISTEN", "SMTP__LISTEN_TLS", "INBOUND__LISTEN", "HTTP__LISTEN")


def serve(data: Path, program: tuple[str, ...] = ("-m", "postroad")) -> "subprocess.CompletedProcess[str]":
    """Start a node in a process of its own, as it sets up the logs of a process; it is refused."""
    command = [sys.executable, *program, "serve", "--workers", "1", "--data", str(data)]
    doors = {f"POSTROAD_{name}": "[]" for name in NO_DOORS}
    variables = {"PYTHONPATH": ":".join(sys.path), **doors, "POSTROAD_ADMIN__LISTEN": ""}
    return subprocess.run(command, capture_output=True, text=True, timeout=60, env=variables, check=False)


def test_a_damaged_database_is_told_by_every_command(run: Run, data: Path) -> None:
    path = data / "postroad.sqlite"
    path.write_bytes(b"\xff" * 8192)
    said = f"Storage: the database {path} cannot be used: it is damaged"

    for command in (["account", "list"], ["migrate"], ["backup", str(data.parent / "backup.tar")]):
        assert said in run(*command, expect=1).stderr
    found = run("check", expect=1).stdout
    assert f"WRONG    database: The database {path} cannot be used: it is damaged" in found
    refused = serve(data)
    assert (refused.returncode, said in refused.stderr, "Traceback" in refused.stderr) == (1, True, False)


@pytest.mark.parametrize("blocked", ["node.lock", "workers.lock", "master.key"])
def test_a_data_folder_that_cannot_be_written_keeps_a_node_from_starting(run: Run, data: Path, blocked: str) -> None:
    # Tests may run as root, whom no mode keeps from writing: a folder does.
    (data / blocked).unlink(missing_ok=True)
    (data / blocked).mkdir()
    refused = serve(data)
    assert refused.returncode == 1
    assert f"{data}/{blocked} cannot be " in refused.stderr
    assert "Traceback" not in refused.stderr


def test_a_data_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    folder = tmp_path / "file" / "data"
    refused = serve(folder)
    assert refused.returncode == 1
    assert refused.stderr == f"Error: data_dir: {folder} cannot be made: Not a directory.\n"


def test_a_machine_without_room_for_temporary_files_keeps_a_node_from_starting(run: Run, data: Path) -> None:
    code = (
        "import errno, tempfile\n"
        "def full(*_, **__): raise OSError(errno.ENOSPC, 'No space left on device')\n"
        "tempfile.TemporaryDirectory = full\n"
        "from postroad.cli import main\nmain()"
    )
    refused = serve(data, ("-c", code))
    assert (refused.returncode, "Traceback" in refused.stderr) == (1, False)
    assert "no temporary folder can be made" in refused.stderr

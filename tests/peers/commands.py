"""Commands of the product, each in a process of its own, which a server forks that has read all of their code once.

A command that reads it anew takes a second of a processor, and a full run gives hundreds.
"""

import multiprocessing
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from postroad.cli import COMMANDS, main

_processes = multiprocessing.get_context("forkserver")
_processes.set_forkserver_preload([__name__, *{place.partition(":")[0] for place in COMMANDS.values()}])


def give(arguments: Sequence[str], given: str, timeout_s: float) -> subprocess.CompletedProcess[str]:
    """Give one command with a text to read; raises TimeoutError where it takes longer."""
    with tempfile.TemporaryDirectory(prefix="postroad-command-") as name:
        folder = Path(name)
        (folder / "0").write_text(given)
        process = _processes.Process(target=_command, args=(tuple(arguments), dict(os.environ), Path.cwd(), folder))
        process.start()
        process.join(timeout_s)
        if process.exitcode is None:
            process.kill()
            process.join()
            raise TimeoutError(f"postroad {' '.join(arguments)}: no end within {timeout_s} s")
        code = process.exitcode
        process.close()
        return subprocess.CompletedProcess(arguments, code, (folder / "1").read_text(), (folder / "2").read_text())


def _command(arguments: tuple[str, ...], environment: Mapping[str, str], directory: Path, folder: Path) -> None:
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(directory)
    for number, flags in ((0, os.O_RDONLY), (1, os.O_WRONLY | os.O_CREAT), (2, os.O_WRONLY | os.O_CREAT)):
        file = os.open(folder / str(number), flags, 0o600)
        os.dup2(file, number)
        os.close(file)
    # A process that is forked so begins with an input that is closed.
    sys.stdin = open(0, closefd=False)  # noqa: SIM115
    main(list(arguments), prog_name="postroad")

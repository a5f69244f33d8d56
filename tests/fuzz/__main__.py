"""Runs the fuzz targets: ``python -m tests.fuzz`` all of them, ``python -m tests.fuzz proxy`` one.

Each gets ``SECONDS_EACH`` (60). With atheris installed the search is led by coverage; without it inputs are changed
at random. An input that breaks a promise is kept in ``fuzz-findings/``, and the exit code is 1.
"""

import hashlib
import importlib
import importlib.util
import os
import random
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.fuzz.seeds import TARGETS

FINDINGS = Path("fuzz-findings")
_MOST_CHANGES = 6
_LONGEST = 20_000


def main(names: Sequence[str]) -> int:
    """Fuzz the targets named, or all of them each in a process of its own; return the exit code."""
    if unknown := set(names) - set(TARGETS):
        print(f"There is no target {', '.join(sorted(unknown))}; there are {', '.join(TARGETS)}.", file=sys.stderr)
        return 2
    if len(names) == 1:
        return fuzz(names[0], float(os.environ.get("SECONDS_EACH", "60")))
    if not has_atheris():
        print("atheris is not installed (`pip install atheris`): inputs are changed at random.")
    failed = [
        name for name in names or TARGETS if subprocess.run([sys.executable, "-m", "tests.fuzz", name]).returncode
    ]
    print(f"Findings in {', '.join(failed)}: see {FINDINGS}/." if failed else "No findings.")
    return 1 if failed else 0


def has_atheris() -> bool:
    """Whether coverage can lead the search."""
    return importlib.util.find_spec("atheris") is not None


def fuzz(name: str, seconds: float) -> int:
    """Fuzz one target in this process; return the exit code."""
    print(f"{name}: {seconds:g} s", flush=True)
    FINDINGS.mkdir(exist_ok=True)
    return _led_by_coverage(name, seconds) if has_atheris() else at_random(name, seconds, random.Random())


def at_random(name: str, seconds: float, chance: random.Random, run_one: Callable[[bytes], None] | None = None) -> int:
    """Change seeds at random until the time is over or a promise is broken."""
    seeds = TARGETS[name]
    inputs = (b"", *seeds.inputs())
    run_one = run_one or importlib.import_module(f"tests.fuzz.{name}").run_one
    deadline, runs = time.monotonic() + seconds, 0
    while time.monotonic() < deadline:
        data = changed(chance.choice(inputs), seeds.pieces, chance)
        try:
            run_one(data)
        except Exception:
            path = FINDINGS / f"{name}-{hashlib.sha256(data).hexdigest()[:16]}"
            path.write_bytes(data)
            traceback.print_exc()
            print(f"{name}: broken by {path}", file=sys.stderr)
            return 1
        runs += 1
    print(f"{name}: {runs} inputs")
    return 0


def changed(data: bytes, pieces: Sequence[bytes], chance: random.Random) -> bytes:
    """Return an input with a few octets replaced by pieces, by noise, or by a part of itself."""
    octets = bytearray(data)
    for _ in range(chance.randint(1, _MOST_CHANGES)):
        at = chance.randint(0, len(octets))
        end = at + chance.choice((0, 0, 1, 2, 8, 64))
        start = chance.randint(0, len(octets))
        octets[at:end] = chance.choice(
            (chance.choice(pieces), chance.choice(pieces), chance.randbytes(4), octets[start : start + 64])
        )
    return bytes(octets[:_LONGEST])


def _led_by_coverage(name: str, seconds: float) -> int:
    import atheris

    with atheris.instrument_imports(include=["postroad"]):
        target = importlib.import_module(f"tests.fuzz.{name}")
    with tempfile.TemporaryDirectory() as folder:
        corpus = Path(folder, "corpus")
        corpus.mkdir()
        for number, data in enumerate(TARGETS[name].inputs()):
            (corpus / str(number)).write_bytes(data)
        dictionary = Path(folder, "pieces")
        dictionary.write_text("\n".join(map(_quoted, TARGETS[name].pieces)))
        options = [f"-max_total_time={seconds:.0f}", f"-artifact_prefix={FINDINGS}/", f"-dict={dictionary}"]
        options += [f"-max_len={_LONGEST}", "-print_final_stats=1", "-verbosity=0"]
        atheris.Setup([sys.argv[0], *options, str(corpus)], target.run_one)
        # It ends the process by itself, with another code than 0 where it found something.
        atheris.Fuzz()
    return 0


def _quoted(piece: bytes) -> str:
    return '"' + "".join(f"\\x{octet:02x}" for octet in piece) + '"'


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

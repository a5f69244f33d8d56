"""``python -m bench.micro [word …]``: microseconds for each operation of the hot path, the best of five rounds.

Modules of this folder give their ``cases()``: names, each with a function that does one operation. The words narrow
it to the cases that hold one of them. The figures go to ``bench/results`` as JSON, to be compared later. A module that
needs more than one process has no cases and runs by itself: ``python -m bench.micro.dns``.
"""

import datetime as dt
import importlib
import pkgutil
import platform
import sys
import timeit
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

import bench.micro

_ROUNDS = 5
_RESULTS = Path(__file__).parents[1] / "results"


class Timing(msgspec.Struct, frozen=True):
    """What one case took."""

    case: str
    us: float
    """Microseconds for one operation in the fastest round: the others were disturbed."""
    loops: int


def discover() -> Iterator[tuple[str, Callable[[], object]]]:
    """Yield every case of every module, named ``module: case``."""
    for found in pkgutil.iter_modules(bench.micro.__path__):
        if found.name != "__main__":
            module = importlib.import_module(f"bench.micro.{found.name}")
            cases = module.cases() if hasattr(module, "cases") else {}
            yield from ((f"{found.name}: {name}", operation) for name, operation in cases.items())


def time_case(name: str, operation: Callable[[], object]) -> Timing:
    """Choose how many loops make a round of a fifth of a second, and take the best round."""
    timer = timeit.Timer(operation)
    loops, _ = timer.autorange()
    best_s = min(timer.repeat(_ROUNDS, loops))
    return Timing(name, best_s / loops * 1e6, loops)


def main(words: list[str]) -> int:
    """Time the cases, print a line for each, and write them down when none was left out."""
    timings = []
    for name, operation in discover():
        if words and not any(word in name for word in words):
            continue
        timing = time_case(name, operation)
        print(f"{timing.us:10.2f} µs  {name}", flush=True)
        timings.append(timing)
    if not timings:
        print("no case has that name", file=sys.stderr)
        return 1
    if not words:
        date = dt.datetime.now(dt.UTC).date().isoformat()
        result = {"date": date, "python": platform.python_version(), "best_of": _ROUNDS, "timings": timings}
        path = _RESULTS / f"micro-{date}.json"
        _RESULTS.mkdir(exist_ok=True)
        path.write_bytes(msgspec.json.format(msgspec.json.encode(result), indent=2) + b"\n")
        print(f"written to {path}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

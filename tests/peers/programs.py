"""Which programs of the system a test needs, and what happens where one is missing.

A test says ``@pytest.mark.peer("postfix", "swaks")``. Where one of these cannot be used the test is skipped with a
reason that names the Debian package; with ``CI=true`` it fails instead, so that a build never passes by leaving out.
What comes from npm is named after its package, ``npm:oidc-provider``, and is one of ``node/package.json``.
``python -m tests.peers.programs`` prints the Debian packages that are missing here, one a line.
"""

import functools
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

import pytest

PACKAGES: Mapping[str, str] = {
    "chromium-headless-shell": "chromium-headless-shell",
    "curl": "curl",
    "eatmydata": "eatmydata",
    "node": "nodejs",
    "npm": "npm",
    "nsd": "nsd",
    "opendkim": "opendkim",
    "opendkim-testmsg": "opendkim-tools",
    "pebble": "pebble",
    "postfix": "postfix",
    "rbldnsd": "rbldnsd",
    "smtp-sink": "postfix",
    "smtp-source": "postfix",
    "swaks": "swaks libnet-ssleay-perl",
    "unbound": "unbound",
}
"""Each peer by its program's name, with the Debian packages that bring it."""

NPM_FOLDER = Path(__file__).parent / "node"
NPM_INSTALLED = Path(__file__).parents[2] / ".node"
_NPM = "npm:"

# Postfix's master and the name servers change to users of their own, which only root may.
_STARTED_BY_ROOT = frozenset({"postfix"})
# Daemons live where an ordinary user's PATH does not look.
_SEARCH_PATH = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/local/sbin", "/usr/sbin", "/sbin"])


def path_of(name: str) -> str:
    """Return the path of a peer's program; raises LookupError where it is not installed."""
    found = shutil.which(name, path=_SEARCH_PATH)
    if found is None:
        raise LookupError(why_missing(name))
    return found


def missing(names: Iterable[str]) -> list[str]:
    """Return those of the named peers that cannot be used here."""
    return [name for name in names if not _is_installed(name) or not _may_start(name)]


def why_missing(name: str) -> str:
    """Return one sentence that says what a missing peer needs."""
    if _is_installed(name):
        return f"{name} can be started by root only"
    if name.startswith(_NPM):
        return f"{name.removeprefix(_NPM)} is not installed (npm package; `make peers` installs it)"
    return f"{name} is not installed (Debian packages: {PACKAGES[name]})"


def npm_peers() -> list[str]:
    """Return the names of the peers that come from npm."""
    document = json.loads((NPM_FOLDER / "package.json").read_text("utf-8"))
    return [_NPM + name for name in document["dependencies"]]


def missing_packages() -> list[str]:
    """Return the Debian packages that would bring every peer that is not installed."""
    absent = [packages.split() for name, packages in PACKAGES.items() if not _is_installed(name)]
    return sorted({package for packages in absent for package in packages})


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a test whose peers are missing, or fail it where ``CI=true`` says that nothing may be left out."""
    names = [name for marker in item.iter_markers("peer") for name in marker.args]
    unknown = set(names) - set(PACKAGES) - set(npm_peers())
    if unknown:
        pytest.fail(f"no such peer: {', '.join(sorted(unknown))}; tests/peers/programs.py lists them", pytrace=False)
    absent = missing(names)
    if not absent:
        return
    reason = "; ".join(why_missing(name) for name in absent)
    if os.environ.get("CI") == "true":
        pytest.fail(f"CI=true and {reason}", pytrace=False)
    pytest.skip(reason)


def _is_installed(name: str) -> bool:
    if name.startswith(_NPM):
        return _is_installed("node") and (NPM_INSTALLED / "node_modules" / name.removeprefix(_NPM)).is_dir()
    return shutil.which(name, path=_SEARCH_PATH) is not None and (name != "swaks" or _has_perl_module("Net::SSLeay"))


@functools.cache
def _has_perl_module(module: str) -> bool:
    """Whether Perl finds a module; swaks works without this one, but speaks no TLS."""
    perl = shutil.which("perl")
    return perl is not None and not subprocess.run([perl, f"-M{module}", "-e1"], capture_output=True).returncode


def _may_start(name: str) -> bool:
    return name not in _STARTED_BY_ROOT or os.geteuid() == 0


if __name__ == "__main__":
    sys.stdout.writelines(f"{package}\n" for package in missing_packages())

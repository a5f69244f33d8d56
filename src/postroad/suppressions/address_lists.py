"""The lists that addresses are compared with: those that come with Postroad, and the operator's own."""

import asyncio
import functools
import re
from collections.abc import Iterator
from pathlib import Path

import msgspec
import structlog

from postroad.policy.address_check import KnownNames
from postroad.protocol.smtp.address import AddressError, normal_domain

log = structlog.get_logger()

BUNDLED = Path(__file__).parent / "data"
DISPOSABLE = BUNDLED / "disposable_domains.txt"
_MOST_OCTETS = 32 * 1024 * 1024
_LOOK_S = 60.0
_DOMAIN = re.compile(r"[a-z0-9-]{1,63}(?:\.[a-z0-9-]{1,63})+")
_State = tuple[int, int, int]


class ListFileError(Exception):
    """A list cannot be used; the message says which and why in one sentence."""


class AddressLists:
    """Knows what addresses are compared with; ``run`` reads a changed file and must be running beside it."""

    def __init__(self, path: str = "") -> None:
        """Read the lists that come with Postroad; ``path`` names the operator's disposable domains."""
        self.names = bundled_names()
        self.path = Path(path) if path else None
        self._state: _State | None = None
        self._complaint = ""

    async def run(self) -> None:
        """Read the operator's file, and every minute look for another, until cancelled."""
        while True:
            await self.refresh()
            await asyncio.sleep(_LOOK_S)

    async def refresh(self) -> None:
        """Read the file where it has changed; one that cannot be used is complained of once, and the list before stays."""
        if self.path is None:
            return
        try:
            state = _state_of(self.path)
            if state == self._state:
                return
            self._state = state
            disposable = await asyncio.to_thread(disposable_domains, self.path)
        except ListFileError as error:
            if str(error) != self._complaint:
                log.warning("disposable_domains_not_read", reason=str(error))
            self._complaint = str(error)
            return
        self._complaint = ""
        self.names = msgspec.structs.replace(self.names, disposable=disposable)
        log.info("disposable_domains_read", domains=len(disposable))


@functools.cache
def bundled_names() -> KnownNames:
    """Return the lists that come with Postroad, read once."""
    providers = [line.split() for line in _lines(BUNDLED / "mail_providers.txt")]
    return KnownNames(
        roles=frozenset(_lines(BUNDLED / "role_names.txt")),
        disposable=disposable_domains(DISPOSABLE),
        providers=frozenset(one[0] for one in providers),
        misspelt=tuple(one[0] for one in providers if one[1:] == ["typos"]),
    )


def disposable_domains(path: Path) -> frozenset[str]:
    """Read a list of domains, one a line; raises ListFileError, which names the first line that is no domain."""
    found = set()
    try:
        for number, line in enumerate(_read(path).splitlines(), 1):
            text = line.partition("#")[0].strip()
            if text:
                found.add(_domain(path, number, text))
    except OSError as error:
        raise ListFileError(f"{path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ListFileError(f"{path} is not UTF-8: {error}") from error
    if not found:
        raise ListFileError(f"{path} names no domain")
    return frozenset(found)


def _domain(path: Path, number: int, text: str) -> str:
    domain = text.lower().removesuffix(".")
    try:
        # Lists have A-labels that are none of IDNA 2008: mail goes to nobody there, and nothing needs to be read again.
        domain = domain if domain.isascii() else normal_domain(domain)
    except AddressError as error:
        raise ListFileError(f"{path}, line {number}: {error}") from error
    # A whole top-level domain would make every address below it a disposable one.
    if _DOMAIN.fullmatch(domain) is None:
        raise ListFileError(f"{path}, line {number}: {text[:80]} is no domain with a dot in it")
    return domain


def _lines(path: Path) -> Iterator[str]:
    return (line for line in path.read_text("utf-8").splitlines() if line and not line.startswith("#"))


def _read(path: Path) -> str:
    with path.open("rb") as file:
        octets = file.read(_MOST_OCTETS + 1)
    if len(octets) > _MOST_OCTETS:
        raise ListFileError(f"{path} has more than {_MOST_OCTETS // 1024 // 1024} MB")
    return octets.decode("utf-8-sig")


def _state_of(path: Path) -> _State:
    try:
        stat = path.stat()
    except OSError as error:
        raise ListFileError(f"{path} cannot be read: {error.strerror}") from error
    return stat.st_mtime_ns, stat.st_size, stat.st_ino

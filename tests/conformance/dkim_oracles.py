"""The verifiers of others: dkimpy, and OpenDKIM with a resolver that knows our keys without asking the network."""

import re
import subprocess
from collections.abc import Sequence
from pathlib import Path

import dkim

from postroad.protocol.dkim.key import SigningKey, format_record, split_text
from tests.peers.programs import path_of

_VERDICT = re.compile(r"^\tdkim=(\w+) .*header\.s=([^\s;]+)", re.MULTILINE)


def dkimpy_verdicts(content: bytes, keys: Sequence[SigningKey]) -> list[bool]:
    """Return what dkimpy says of each signature, top first."""
    records = {f"{key.selector}._domainkey.{key.domain}.": format_record(key.private_key).encode() for key in keys}

    def find(name: bytes, timeout: int = 5) -> bytes | None:
        return records.get(name.decode())

    verifier = dkim.DKIM(content, minkey=1024)
    verdicts: list[bool] = []
    for index in range(len(keys)):
        try:
            verdicts.append(bool(verifier.verify(index, dnsfunc=find)))
        except dkim.DKIMException:
            verdicts.append(False)
    return verdicts


class OpenDkim:
    """OpenDKIM in its test mode; its resolver library takes the key records from a file."""

    def __init__(self, folder: Path, keys: Sequence[SigningKey]) -> None:
        self._folder = folder
        self._selectors = [key.selector for key in keys]
        resolver = folder / "unbound.conf"
        resolver.write_text("server:\n" + "".join(f"  local-data: '{_record(key)}'\n" for key in keys))
        self._config = folder / "opendkim.conf"
        # Only with -vv is the field shown that holds the verdicts; AlwaysAddARHeader has the verdicts of all signatures told, not only of the first.
        self._config.write_text(
            f"Mode v\nResolverConfiguration {resolver}\nSyslog no\nAlwaysAddARHeader yes\nMaximumHeaders 0\n"
        )

    def verdicts(self, content: bytes) -> list[bool]:
        """Return what OpenDKIM says of each key's signature, in the order of the keys."""
        message = self._folder / "message.eml"
        message.write_bytes(content)
        run = subprocess.run(
            [path_of("opendkim"), "-x", self._config, "-vv", "-t", message],
            capture_output=True,
            timeout=30,
            check=False,
        )
        results = {selector: result for result, selector in _VERDICT.findall(run.stdout.decode("latin-1"))}
        return [results.get(selector) == "pass" for selector in self._selectors]


def _record(key: SigningKey) -> str:
    strings = " ".join(f'"{string}"' for string in split_text(format_record(key.private_key)))
    return f"{key.selector}._domainkey.{key.domain}. 60 IN TXT {strings}"

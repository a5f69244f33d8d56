"""OpenDKIM as a signing milter, with a key of its own."""

import subprocess
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Self

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.peers import ports
from tests.peers.programs import path_of

_CONFIGURATION = """\
Mode                s
Domain              {domain}
Selector            {selector}
KeyFile             {key}
Canonicalization    relaxed/relaxed
SignatureAlgorithm  rsa-sha256
Socket              {socket}
UMask               000
InternalHosts       127.0.0.1
Background          no
Syslog              no
RequireSafeKeys     no
"""


class OpenDkim:
    """A running opendkim that signs for one domain with RSA-2048; use it as a context manager.

    It listens on a Unix socket, as Debian's package does: over TCP on loopback Nagle's algorithm and delayed
    acknowledgements add some 80 ms to each message, which would make a comparison unfair.
    """

    def __init__(self, domain: str, selector: str = "peer") -> None:
        """Make the key at once, so that its record can be published before the milter starts."""
        self.domain = domain
        self.selector = selector
        self._key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self._directory = tempfile.TemporaryDirectory(prefix="opendkim-")
        self._socket = Path(self._directory.name, "socket")

    def __enter__(self) -> Self:
        directory = Path(self._directory.name)
        # Postfix's own user comes in to the socket; the key stays closed to it.
        directory.chmod(0o755)
        key = directory / "key.pem"
        key.write_bytes(
            self._key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.TraditionalOpenSSL,
                serialization.NoEncryption(),
            )
        )
        key.chmod(0o600)
        configuration = directory / "opendkim.conf"
        configuration.write_text(
            _CONFIGURATION.format(domain=self.domain, selector=self.selector, key=key, socket=f"local:{self._socket}")
        )
        self._process = subprocess.Popen([path_of("opendkim"), "-f", "-x", str(configuration)])
        ports.wait_until_listening(str(self._socket), self._process)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # It has nothing to lose, and libmilter looks for a polite end only every five seconds.
        self._process.kill()
        self._process.wait()
        self._directory.cleanup()

    @property
    def milter(self) -> str:
        """The milter as Postfix's ``smtpd_milters`` names it."""
        return f"unix:{self._socket}"

    @property
    def pid(self) -> int:
        """The milter's process."""
        return self._process.pid

    @property
    def public_key(self) -> bytes:
        """The public key as DER, as it stands base64-encoded in the record's ``p=`` tag."""
        return self._key.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )

"""A certified OpenID provider (npm's ``oidc-provider``) over TLS, whose people are whoever the test says."""

import http.client
import json
import ssl
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import trustme

from tests.peers.node import NodeServer

HOST = "localhost"


class OpenIdPeer:
    """A running provider; use it as a context manager."""

    client_id = "postroad"
    client_secret = "Between:us %two"

    def __init__(self, redirect_uri: str, *, puts_email_into_token: bool = False) -> None:
        self._authority = trustme.CA()
        certificate = self._authority.issue_cert(HOST)
        self._folder = tempfile.TemporaryDirectory(prefix="openid-")
        self.authorities = Path(self._folder.name, "authorities.pem")
        self._authority.cert_pem.write_to_path(str(self.authorities))
        client = {
            "client_id": self.client_id,
            "client_secret": self.client_secret,
            "redirect_uris": [redirect_uri],
            "response_types": ["code"],
            "grant_types": ["authorization_code"],
        }
        self._server = NodeServer(
            "oidc_provider.mjs",
            certificate="".join(pem.bytes().decode() for pem in certificate.cert_chain_pems),
            key=certificate.private_key_pem.bytes().decode(),
            clients=[client, client | {"client_id": "another"}],
            conformIdTokenClaims=not puts_email_into_token,
        )
        self.issuer = f"https://{HOST}:{self._server.port}"
        self._server.facts["issuer"] = self.issuer

    def __enter__(self) -> Self:
        self._server.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.__exit__(kind, error, trace)
        self._folder.cleanup()

    @property
    def trust(self) -> ssl.SSLContext:
        """What a browser needs to trust it."""
        context = ssl.create_default_context()
        self._authority.configure_trust(context)
        return context

    def signs_in(self, subject: str, **claims: Any) -> None:
        """Have this person sign in from now on, with these claims."""
        self._tell("/test/person", {"sub": subject, **claims})

    def refuses(self) -> None:
        """Have nobody sign in from now on."""
        self._tell("/test/person", {"refuses": True})

    def rotates_keys(self) -> None:
        """Have it sign with another key; the one before is gone."""
        self._tell("/test/rotate", {})

    def _tell(self, path: str, document: object) -> None:
        connection = http.client.HTTPSConnection(HOST, self._server.port, context=self.trust, timeout=10)
        try:
            connection.request("POST", path, json.dumps(document))
            connection.getresponse().read()
        finally:
            connection.close()

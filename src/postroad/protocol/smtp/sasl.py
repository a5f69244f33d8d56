"""The server's side of AUTH PLAIN and AUTH LOGIN (RFC 4954 §4, RFC 4616, draft-murchison-sasl-login)."""

import binascii

import msgspec

from postroad.protocol.smtp.reply import Reply

MECHANISMS = frozenset({"LOGIN", "PLAIN"})
_ASK_USERNAME = "VXNlcm5hbWU6"
_ASK_PASSWORD = "UGFzc3dvcmQ6"


class SaslError(Exception):
    """An exchange that has failed, with the reply that ends it."""

    def __init__(self, code: int, enhanced_status: str, text: str) -> None:
        super().__init__(text)
        self.reply = Reply(code, enhanced_status, text)


class Credentials(msgspec.Struct, frozen=True):
    """What an exchange ends with."""

    username: str
    password: str

    def __repr__(self) -> str:
        return f"Credentials({self.username!r}, '…')"


class Challenge(msgspec.Struct, frozen=True):
    """What the client has to answer next; the text of the 334 reply."""

    text: str


class SaslExchange:
    """One login by one mechanism; every answer may raise SaslError, which ends it."""

    def __init__(self, mechanism: str) -> None:
        self.mechanism = mechanism
        self._is_plain = mechanism == "PLAIN"
        self._username: str | None = None

    def begin(self, initial_response: str | None) -> Challenge | Credentials:
        """Start with the response that came with the AUTH command, if one did."""
        if initial_response is None:
            return Challenge("" if self._is_plain else _ASK_USERNAME)
        # RFC 4954 §4: a single = stands for an empty response.
        return self._take(b"" if initial_response == "=" else _decoded(initial_response.encode()))

    def answer(self, line: bytes) -> Challenge | Credentials:
        """Go on with the client's answer to the challenge."""
        if line == b"*":
            raise SaslError(501, "5.7.0", "Login cancelled")
        return self._take(_decoded(line))

    def _take(self, response: bytes) -> Challenge | Credentials:
        if self._is_plain:
            return _plain(response)
        if self._username is None:
            self._username = _text(response)
            return Challenge(_ASK_PASSWORD)
        return Credentials(self._username, _text(response))


def _plain(response: bytes) -> Credentials:
    # RFC 4616 §2: [authzid] NUL authcid NUL password.
    parts = response.split(b"\0")
    if len(parts) != 3:
        raise SaslError(501, "5.5.2", "A PLAIN response is: nothing or a name, NUL, your name, NUL, your password")
    acting_for, username, password = map(_text, parts)
    if acting_for not in ("", username):
        raise SaslError(535, "5.7.8", "Acting for another name is not possible; leave the authorisation name empty")
    return Credentials(username, password)


def _decoded(response: bytes) -> bytes:
    try:
        return binascii.a2b_base64(response, strict_mode=True)
    except binascii.Error:
        raise SaslError(501, "5.5.2", "The response is not base64") from None


def _text(response: bytes) -> str:
    try:
        text = response.decode()
    except UnicodeDecodeError:
        raise SaslError(501, "5.5.2", "Name and password must be UTF-8") from None
    if "\0" in text:
        # RFC 4616 §2: neither a name nor a password has a NUL in it, and databases take none.
        raise SaslError(501, "5.5.2", "Name and password have no NUL in them")
    return text

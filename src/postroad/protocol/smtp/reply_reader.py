"""Reading replies off the wire: bytes in, whole replies out (RFC 5321 §4.2.1).

What the peer does wrong comes out as a value, never as an exception, and is the last thing that comes out: after a
line that is no reply nobody can say which command the next one answers.
"""

import re

import msgspec

from postroad.protocol.smtp import reply as replies
from postroad.protocol.smtp.reply import Reply

# RFC 5321 §4.5.3.1.5: a reply line has at most 512 octets. Real hosts write links and apologies, so take four times that.
MAX_LINE = 2_048
# Long enough for any EHLO reply; short enough that a hostile host cannot fill memory.
MAX_REPLY = 65_536

# RFC 5321 §4.2.1: the text may be missing, and then the space too. A lone LF ends a line: some hosts write nothing else.
_LINE = re.compile(rb"([2-5][0-9]{2})(?:([ -])([^\r\n]*))?\r*\n")


class RemoteProtocolError(msgspec.Struct, frozen=True):
    """The peer said something that is not SMTP."""

    detail: str


class ReplyReader:
    """Gathers bytes into replies; one per connection."""

    def __init__(self) -> None:
        self._buffer = b""
        self._code = 0
        self._lines: list[str] = []
        self._size = 0
        self._error: RemoteProtocolError | None = None

    def feed(self, data: bytes) -> None:
        """Add bytes that have arrived."""
        self._buffer = self._buffer + data if self._buffer else data

    def clear(self) -> None:
        """Forget everything read and not yet returned."""
        self._buffer, self._lines, self._size, self._error = b"", [], 0, None

    def next_reply(self) -> Reply | RemoteProtocolError | None:
        """Return the next whole reply; null when more bytes are needed."""
        while self._error is None and self._buffer:
            match = _LINE.match(self._buffer)
            if match is None:
                return self._reject_unless_partial()
            self._buffer = self._buffer[match.end() :]
            code, mark, text = match.groups()
            self._size += match.end()
            if self._lines and int(code) != self._code:
                # RFC 5321 §4.2.1: every line of a reply carries the same code.
                return self._reject(f"reply changes its code from {self._code} to {int(code)}")
            if match.end() > MAX_LINE or self._size > MAX_REPLY:
                return self._reject("reply is too long")
            self._lines.append(_printable(text) if text else "")
            self._code = int(code)
            if mark != b"-":
                lines, self._lines, self._size = self._lines, [], 0
                return replies.from_lines(self._code, lines)
        return self._error

    def _reject_unless_partial(self) -> RemoteProtocolError | None:
        end = self._buffer.find(b"\n")
        if end < 0 and len(self._buffer) <= MAX_LINE:
            return None
        if end < 0:
            return self._reject("reply line is too long")
        return self._reject(f"not an SMTP reply: {_printable(self._buffer[:end].rstrip()[:80])!r}")

    def _reject(self, detail: str) -> RemoteProtocolError:
        self._error = RemoteProtocolError(detail)
        self._buffer = b""
        return self._error


def _printable(text: bytes) -> str:
    """Return the text as it may be kept in events: UTF-8 where it is, and no control characters."""
    line = text.decode("utf-8", "replace")
    if line.isprintable():
        return line
    return "".join(character if character.isprintable() else " " for character in line)

"""SMTP replies: what a server says, how it is written and how it is read back (RFC 5321 §4.2, RFC 2034)."""

import re

import msgspec

_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029]")
_ENHANCED = re.compile(r"^([245])\.(\d{1,3})\.(\d{1,3})(?: |$)")


class Reply(msgspec.Struct, frozen=True):
    """One complete reply; a text of several lines is joined by line feeds."""

    code: int
    enhanced_status: str | None
    text: str

    @property
    def is_positive(self) -> bool:
        """Whether the command did what was asked, or may go on (2xx and 3xx)."""
        return 200 <= self.code < 400

    @property
    def is_transient(self) -> bool:
        """Whether trying again later may help (4xx)."""
        return 400 <= self.code < 500

    def __str__(self) -> str:
        """Return the reply in one line, as events and reports show it."""
        status = f"{self.enhanced_status} " if self.enhanced_status else ""
        return f"{self.code} {status}{' '.join(self.text.splitlines())}"

    def encode(self) -> bytes:
        """Return the reply's lines; the enhanced code stands on each of them, as RFC 2034 §4 asks."""
        prefix = f"{self.enhanced_status} " if self.enhanced_status else ""
        # Replies quote what clients wrote: no octet of it may end a line or steer a terminal.
        text = self.text if self.text.isprintable() else _CONTROL.sub("?", self.text)
        *first, last = text.split("\n")
        lines = [f"{self.code}-{prefix}{line}\r\n" for line in first]
        lines.append(f"{self.code} {prefix}{last}\r\n")
        return "".join(lines).encode("utf-8", "replace")


def from_lines(code: int, lines: list[str]) -> Reply:
    """Make a reply of the text lines received under one code, lifting the enhanced code off each line."""
    match = _ENHANCED.match(lines[0]) if lines else None
    # RFC 2034 §4: the class of the enhanced code agrees with the reply; one that does not is plain text.
    if match is None or match[1] != str(code)[0]:
        return Reply(code, None, "\n".join(lines))
    status = ".".join(match.groups())
    texts = [line[len(status) :].lstrip(" ") if line.startswith(status) else line for line in lines]
    return Reply(code, status, "\n".join(texts))

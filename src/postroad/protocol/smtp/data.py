r"""The message text on the wire: where it ends, its doubled dots, and the octets it must not have.

Only CR LF . CR LF ends a message (RFC 5321 §4.1.1.4). Any other mixture of CR, LF and dot is content, and shows up
among the faults; taking one for the end is how one message is smuggled inside another.
"""

import enum

_END = b"\r\n.\r\n"
LONGEST_LINE = 998
"""Octets of a line without its CR LF (RFC 5322 §2.1.1)."""


class Fault(enum.Flag):
    """What is wrong with the octets of a message text."""

    NONE = 0
    BARE_CR = enum.auto()
    BARE_LF = enum.auto()
    NUL = enum.auto()
    LONG_LINE = enum.auto()


class ContentScanner:
    """Looks for faults in content that comes in chunks, without looking at single octets."""

    def __init__(self) -> None:
        self._returns = self._feeds = self._pairs = 0
        self._line_length = 0
        self._ends_in_return = False
        self._has_nul = self._has_long_line = False

    def feed(self, chunk: bytes | bytearray) -> None:
        """Look at the next octets."""
        if not chunk:
            return
        self._returns += chunk.count(b"\r")
        self._feeds += chunk.count(b"\n")
        # A pair that the chunks have torn apart is counted with the second of them.
        self._pairs += chunk.count(b"\r\n") + (self._ends_in_return and chunk[0] == 10)
        self._ends_in_return = chunk[-1] == 13
        self._has_nul = self._has_nul or b"\0" in chunk
        if not self._has_long_line:
            self._measure_lines(chunk)

    def _measure_lines(self, chunk: bytes | bytearray) -> None:
        # From one line's start look back from the furthest place where a line feed may be: about one step for each
        # thousand octets, however short the lines are.
        start = -self._line_length
        end = len(chunk)
        while start + LONGEST_LINE + 2 <= end:
            line_feed = chunk.rfind(b"\n", max(start, 0), start + LONGEST_LINE + 2)
            if line_feed < 0:
                self._has_long_line = True
                return
            start = line_feed + 1
        line_feed = chunk.rfind(b"\n", max(start, 0))
        self._line_length = end - (line_feed + 1 if line_feed >= 0 else start)

    @property
    def faults(self) -> Fault:
        """What was found, the octets so far being all there is."""
        faults = Fault.NONE
        if self._returns != self._pairs:
            faults |= Fault.BARE_CR
        if self._feeds != self._pairs:
            faults |= Fault.BARE_LF
        if self._has_nul:
            faults |= Fault.NUL
        if self._has_long_line or self._line_length - self._ends_in_return > LONGEST_LINE:
            faults |= Fault.LONG_LINE
        return faults


def content_faults(content: bytes) -> Fault:
    """Return what is wrong with the octets of a whole message text."""
    scanner = ContentScanner()
    scanner.feed(content)
    return scanner.faults


class Content:
    """The message text as it gathers, up to a size beyond which nothing more is kept."""

    def __init__(self, max_size: int) -> None:
        self._max_size = max_size
        self._octets = bytearray()
        self._scanner = ContentScanner()
        self.is_too_large = False
        self.is_discarded = False

    def __len__(self) -> int:
        return len(self._octets)

    def append(self, chunk: bytes | bytearray) -> None:
        """Add octets, unless the text is not wanted any more."""
        if self.is_too_large or self.is_discarded:
            return
        if len(self._octets) + len(chunk) > self._max_size:
            self.is_too_large = True
            self._octets = bytearray()
            return
        self._octets += chunk
        self._scanner.feed(chunk)

    def discard(self) -> None:
        """Forget what has come and keep nothing of what is still to come."""
        self.is_discarded = True
        self._octets = bytearray()

    @property
    def faults(self) -> Fault:
        """What is wrong with the octets that have come."""
        return self._scanner.faults

    def take(self) -> bytes:
        """Return the whole text and hold it no longer."""
        octets, self._octets = bytes(self._octets), bytearray()
        return octets


class DataReader:
    """Takes the text that follows DATA, in any chunks, and takes away the doubled dots."""

    def __init__(self, content: Content) -> None:
        self._content = content
        # RFC 5321 §4.1.1.4: the CR LF of the DATA line is the one before the first line of text.
        self._kept = b"\r\n"
        self._is_first = True

    def feed(self, data: bytes | bytearray) -> int | None:
        """Take octets; return how many of ``data`` belong to the message and its final dot, or None if all do."""
        kept = self._kept
        text = kept + data
        end = text.find(_END)
        if end < 0:
            tail = _end_begun(text)
            self._kept = bytes(text[len(text) - tail :])
            self._add(text[: len(text) - tail])
            return None
        self._add(text[: end + 2])
        return end + len(_END) - len(kept)

    def _add(self, text: bytes | bytearray) -> None:
        if not text:
            return
        # RFC 5321 §4.5.2: a dot at the start of a line is taken off.
        plain = text.replace(b"\r\n.", b"\r\n")
        if self._is_first:
            plain = plain[2:]
            self._is_first = False
        self._content.append(plain)


def _end_begun(text: bytes | bytearray) -> int:
    """Return how many of the last octets may be the beginning of CR LF . CR LF."""
    for length in range(min(len(_END) - 1, len(text)), 0, -1):
        if text.endswith(_END[:length]):
            return length
    return 0


def stuff(content: bytes) -> bytes:
    """Return content as it goes over the wire after DATA: dots doubled, a final CR LF where it lacks one, the dot."""
    # RFC 5321 §4.5.2: a dot before each line that begins with one.
    stuffed = content.replace(b"\r\n.", b"\r\n..")
    if stuffed.startswith(b"."):
        stuffed = b"." + stuffed
    # RFC 5321 §4.1.1.4: the final CR LF is part of the end; none is added where the text has it.
    return stuffed + (b".\r\n" if not stuffed or stuffed.endswith(b"\r\n") else b"\r\n.\r\n")

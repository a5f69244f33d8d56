"""From offsets in a template's source to lines and columns, for its errors."""

from bisect import bisect_right
from typing import NoReturn

from postroad.templates.errors import TemplateError

_LONGEST_SHOWN = 60


def shown(written: str) -> str:
    """Return something from a template as a sentence about it shows it: on one line, and not too long."""
    line = " ".join(written.split())
    return line if len(line) <= _LONGEST_SHOWN else f"{line[:_LONGEST_SHOWN]}…"


class Source:
    """A template's text and name."""

    __slots__ = ("_line_starts", "name", "text")

    def __init__(self, text: str, name: str) -> None:
        self.text = text
        self.name = name
        self._line_starts: list[int] | None = None

    def error(self, offset: int, sentence: str) -> TemplateError:
        """Return the error that says ``sentence`` about the character at ``offset``."""
        starts = self._starts()
        line = bisect_right(starts, offset)
        return TemplateError(self.name, line, offset - starts[line - 1] + 1, sentence)

    def refuse(self, offset: int, sentence: str) -> NoReturn:
        """Raise the error that says ``sentence`` about the character at ``offset``."""
        raise self.error(offset, sentence)

    def line_of(self, offset: int) -> int:
        """Return the line, from 1, of the character at ``offset``."""
        return bisect_right(self._starts(), offset)

    def _starts(self) -> list[int]:
        if self._line_starts is None:
            starts, at = [0], self.text.find("\n")
            while at >= 0:
                starts.append(at + 1)
                at = self.text.find("\n", at + 1)
            self._line_starts = starts
        return self._line_starts

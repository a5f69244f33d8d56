"""Substitutions: texts that stand for other texts, wherever they are found in subject and content."""

import re
from collections.abc import Callable, Iterable, Mapping

import msgspec

_OURS = re.compile(r"%recipient(?:\.[^%\s<>\"'\\]{1,200}|_(?:email|name|fname|lname))?%")
"""What would be taken for one of our placeholders, and is a text like others where there are no placeholders."""


class GrowthError(Exception):
    """What substitutions make of a call takes too much."""


class Growth(msgspec.Struct):
    """By how many characters the substitutions of a call may still make its texts longer, all messages together."""

    left: int = 32 * 1024 * 1024

    def add(self, characters: int) -> None:
        """Count what was added; raises GrowthError."""
        self.left -= max(0, characters)
        if self.left < 0:
            raise GrowthError


class Replacer:
    """Finds all names of a set in one pass: what was put in is never looked at again."""

    def __init__(
        self, names: Iterable[str], links: Mapping[str, str], *, growth: Growth, finds_ours: bool = False
    ) -> None:
        self._links = links
        self._growth = growth
        # Of two that begin alike, the longer one is meant.
        wanted = [re.escape(one) for one in sorted({*names, *links}, key=len, reverse=True)]
        if finds_ours:
            wanted.append(_OURS.pattern)
        self._pattern = re.compile("|".join(wanted)) if wanted else None

    def replaced(self, text: str, value_of: Callable[[str], str]) -> str:
        """Return a text with what each found name stands for; raises GrowthError where that takes too much."""
        if self._pattern is None:
            return text

        def of(found: re.Match[str]) -> str:
            link = self._links.get(found[0])
            value = value_of(found[0]) if link is None else link
            self._growth.add(len(value) - len(found[0]))
            return value

        return self._pattern.sub(of, text)


def looks_ours(text: str) -> bool:
    """Whether a text holds what would be taken for a placeholder."""
    return "%" in text and _OURS.search(text) is not None

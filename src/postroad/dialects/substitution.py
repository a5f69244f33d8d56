"""Substitutions: texts that stand for other texts, wherever they are found in subject and content."""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping

import msgspec

_OURS = re.compile(r"%recipient(?:\.[^%\s<>\"'\\]{1,200}|_(?:email|name|fname|lname))?%")
"""What would be taken for one of our placeholders, and is a text like others where there are no placeholders."""
_FEW = 16
"""Characters that are looked for one by one faster than all are counted."""


class AllowanceError(Exception):
    """What substitutions make of a call, or finding their names in it, takes too much."""


class Allowance(msgspec.Struct):
    """What the substitutions of a call may still take, all its messages together."""

    growth: int = 32 * 1024 * 1024
    """By how many characters they may make its texts longer."""
    comparisons: int = 1_000_000_000
    """How many characters of names may be compared with a text: a second of work or two."""

    def grow(self, characters: int) -> None:
        """Count what was added; raises AllowanceError."""
        self.growth -= max(0, characters)
        if self.growth < 0:
            raise AllowanceError

    def compare(self, characters: int) -> None:
        """Count what is going to be compared at the most; raises AllowanceError."""
        self.comparisons -= characters
        if self.comparisons < 0:
            raise AllowanceError


class Replacer:
    """Finds all names of a set in one pass: what was put in is never looked at again."""

    def __init__(
        self, names: Iterable[str], links: Mapping[str, str], *, allowance: Allowance, finds_ours: bool = False
    ) -> None:
        self._links = links
        self._allowance = allowance
        # Of two that begin alike, the longer one is meant.
        found = sorted({*names, *links}, key=len, reverse=True)
        self._beginnings: Counter[str] = Counter()
        """What may have to be compared wherever a character stands: what the names begin with, and those it begins whole."""
        for name in found:
            self._beginnings[name[:1]] += len(name)
        for first in self._beginnings:
            self._beginnings[first] += len(found)
        wanted = [re.escape(one) for one in found]
        if finds_ours:
            wanted.append(_OURS.pattern)
        self._pattern = re.compile("|".join(wanted)) if wanted else None

    def replaced(self, text: str, value_of: Callable[[str], str]) -> str:
        """Return a text with what each found name stands for; raises AllowanceError where that takes too much."""
        if self._pattern is None:
            return text
        self._allowance.compare(self._comparisons(text))

        def of(found: re.Match[str]) -> str:
            link = self._links.get(found[0])
            value = value_of(found[0]) if link is None else link
            self._allowance.grow(len(value) - len(found[0]))
            return value

        return self._pattern.sub(of, text)

    def _comparisons(self, text: str) -> int:
        there = Counter(text) if len(self._beginnings) > _FEW else {one: text.count(one) for one in self._beginnings}
        return sum(characters * there.get(one, 0) for one, characters in self._beginnings.items())


def looks_ours(text: str) -> bool:
    """Whether a text holds what would be taken for a placeholder."""
    return "%" in text and _OURS.search(text) is not None

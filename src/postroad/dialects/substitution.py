"""Substitutions: texts that stand for other texts, wherever they are found in subject and content."""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping

import msgspec

_OURS = re.compile(r"%recipient(?:\.[^%\s<>\"'\\]{1,200}|_(?:email|name|fname|lname))?%")
"""What would be taken for one of our placeholders, and is a text like others where there are no placeholders."""
_FEW = 32
"""Beginnings of names that are counted in a text one by one."""
_LONGEST_BEGINNING = 4


class AllowanceError(Exception):
    """What substitutions make of a call, or finding their names in it, takes too much."""


class Allowance(msgspec.Struct):
    """What the substitutions of a call may still take, all its messages together."""

    growth: int = 32 * 1024 * 1024
    """By how many characters they may make its texts longer."""
    comparisons: int = 1_000_000_000
    """How many characters of names may be compared with a text: a few seconds of work."""

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
        self._count = len(found)
        self._firsts = frozenset(name[:1] for name in found)
        self._beginnings = _beginnings(found)
        wanted = [re.escape(one) for one in found]
        if finds_ours:
            # Its first character alone, so that names within the rest are found.
            wanted.append(f"%(?={_OURS.pattern[1:]})")
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
        """Return how many characters are compared at the most: of each name one where one begins, and all where it may stand."""
        there = Counter(text) if len(self._firsts) > _FEW else {one: text.count(one) for one in self._firsts}
        begun = sum(there.get(one, 0) for one in self._firsts) * self._count
        # Of beginnings that overlap one is counted.
        return begun + sum(
            (there.get(one, 0) if len(one) == 1 else text.count(one) * len(one)) * characters
            for one, characters in self._beginnings.items()
        )


def _beginnings(names: Iterable[str]) -> Counter[str]:
    """Return how many characters the names have that begin alike, by beginnings that are as long as few of them allow."""
    found: Counter[str] = Counter()
    for length in range(_LONGEST_BEGINNING, 0, -1):
        found = Counter()
        for name in names:
            found[name[:length]] += len(name)
        if len(found) <= _FEW:
            break
    return found


def looks_ours(text: str) -> bool:
    """Whether a text holds what would be taken for a placeholder."""
    return "%" in text and _OURS.search(text) is not None

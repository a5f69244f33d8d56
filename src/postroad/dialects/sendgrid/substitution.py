"""Substitutions: texts that stand for other texts, wherever they are found in subject and content."""

import re
from collections.abc import Callable, Iterable, Mapping

_KEY = re.compile(r"[^%\s<>\"'\\]{1,200}")
"""What may stand within one of our placeholders as it is."""
_OURS = re.compile(r"%recipient(?:\.[^%\s<>\"'\\]{1,200}|_(?:email|name|fname|lname))?%")
"""What would be taken for one of our placeholders, and is a text like others to a client of SendGrid."""
_WRAPPED = re.compile(r"\{\{\{?\s*([^{}\s]+)\s*\}?\}\}|-([^-\s]+)-|%([^%\s]+)%|\[%?([^\]%\s]+)%?\]|:([^:\s]+)")
_OWN = "sg:"
"""Begins the names of what is filled in for one recipient and is no substitution."""


class Replacer:
    """Finds all names of a set in one pass: what was put in is never looked at again."""

    def __init__(self, names: Iterable[str], links: Mapping[str, str], *, finds_ours: bool = False) -> None:
        self._links = links
        # Of two that begin alike, the longer one is meant.
        wanted = [re.escape(one) for one in sorted({*names, *links}, key=len, reverse=True)]
        if finds_ours:
            wanted.append(_OURS.pattern)
        self._pattern = re.compile("|".join(wanted)) if wanted else None

    def replaced(self, text: str, value_of: Callable[[str], str]) -> str:
        """Return a text with what each found name stands for."""
        if self._pattern is None:
            return text

        def of(found: re.Match[str]) -> str:
            link = self._links.get(found[0])
            return value_of(found[0]) if link is None else link

        return self._pattern.sub(of, text)


class Slots:
    """The names under which the values of each recipient are filled in, and the placeholders that stand for them."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}
        self.constants: dict[str, str] = {}
        """Values that are the same for everybody, and must not be looked at again."""

    def of(self, kind: str, key: str) -> str:
        """Return the name of a value: that of a substitution is its own where it can be."""
        wanted = key if kind == "substitution" and not key.startswith(_OWN) else f"{_OWN}{kind}:{key}"
        name = self._names.get(wanted)
        if name is None:
            name = self._names[wanted] = wanted if _KEY.fullmatch(wanted) else f"{_OWN}{kind}:{len(self._names)}"
        return name

    def literal(self, text: str) -> str:
        """Return a placeholder for a text that is to stay as it is."""
        name = self.of("text", text)
        self.constants[name] = text
        return placeholder(name)


def placeholder(name: str) -> str:
    """Return what a value of the recipient's is filled in for."""
    return f"%recipient.{name}%"


def looks_ours(text: str) -> bool:
    """Whether a text holds what would be taken for a placeholder."""
    return "%" in text and _OURS.search(text) is not None


def bare(name: str) -> str:
    """Return the name of a substitution without what it is wrapped in: ``{{name}}``, ``-name-``, ``%name%``."""
    found = _WRAPPED.fullmatch(name)
    return name if found is None else next(one for one in found.groups() if one is not None)

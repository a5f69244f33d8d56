"""The names under which the values of a personalization are filled in, and those of substitutions."""

import re

_KEY = re.compile(r"[^%\s<>\"'\\]{1,200}")
"""What may stand within one of our placeholders as it is."""
_WRAPPED = re.compile(r"\{\{\{?\s*([^{}\s]+)\s*\}?\}\}|-([^-\s]+)-|%([^%\s]+)%|\[%?([^\]%\s]+)%?\]|:([^:\s]+)")
_OWN = "sg:"
"""Begins the names of what is filled in for one recipient and is no substitution."""


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


def bare(name: str) -> str:
    """Return the name of a substitution without what it is wrapped in: ``{{name}}``, ``-name-``, ``%name%``."""
    found = _WRAPPED.fullmatch(name)
    return name if found is None else next(one for one in found.groups() if one is not None)

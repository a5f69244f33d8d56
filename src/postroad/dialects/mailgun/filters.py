"""The language of Mailgun's filters: terms that must all be there, with ``AND``, ``OR``, ``NOT``, parentheses and ``"phrases"``."""

import re
from collections.abc import Sequence

import msgspec

from postroad.model.refused import RefusedError

LONGEST = 1_000
"""Characters of one filter."""
_DEEPEST = 20
_TOKEN = re.compile(r'\s*(?:"([^"]*)"|([()])|([^\s()"]+))')
_NUMBER = re.compile(r"[<>]\d{1,15}")
_OPERATORS = frozenset({"AND", "OR", "NOT"})


class Filter(msgspec.Struct, frozen=True):
    """What is looked for in the values of one field."""

    verb: str
    """``term``, ``and``, ``or`` or ``not``."""
    term: str = ""
    parts: tuple["Filter", ...] = ()

    def takes(self, values: Sequence[str | int], *, is_whole: bool) -> bool:
        """Whether some values of an event are what is looked for; without case.

        ``is_whole``: a term is a whole value, and not a part of one.
        """
        match self.verb:
            case "and":
                return all(one.takes(values, is_whole=is_whole) for one in self.parts)
            case "or":
                return any(one.takes(values, is_whole=is_whole) for one in self.parts)
            case "not":
                return not self.parts[0].takes(values, is_whole=is_whole)
        return any(_agrees(self.term, one, is_whole=is_whole) for one in values)

    @property
    def only(self) -> str | None:
        """The term, where it is nothing but one."""
        return self.term if self.verb == "term" else None


def _agrees(term: str, value: str | int, *, is_whole: bool) -> bool:
    if isinstance(value, int):
        if _NUMBER.fullmatch(term):
            return value > int(term[1:]) if term[0] == ">" else value < int(term[1:])
        return term == str(value)
    return term == value.lower() if is_whole else term in value.lower()


def read_filter(name: str, texts: Sequence[str]) -> Filter:
    """Read the values of a field in a query, which must all agree; raises RefusedError."""
    if sum(map(len, texts)) > LONGEST:
        raise RefusedError(f"{name} has at most {LONGEST:,} characters", field=name)
    read = tuple(_Reader(name, text).read() for text in texts)
    return read[0] if len(read) == 1 else Filter("and", parts=read)


class _Reader:
    """Reads one filter, which is short and not deep."""

    def __init__(self, name: str, text: str) -> None:
        self._name = name
        self._tokens = self._cut(text.strip())
        self._at = 0

    def read(self) -> Filter:
        found = self._either(0)
        if self._at < len(self._tokens):
            raise self._fault("a parenthesis is closed that was not opened")
        return found

    def _cut(self, text: str) -> list[tuple[str, bool]]:
        """Return words, and whether each stood in quotes."""
        found, at = [], 0
        while at < len(text):
            match = _TOKEN.match(text, at)
            if match is None:
                raise self._fault("a quote is not closed")
            phrase, mark, word = match.groups()
            found.append((phrase, True) if phrase is not None else (mark or word, False))
            at = match.end()
        return found

    def _next(self) -> str | None:
        """Return the next operator or mark; empty for a term, None at the end."""
        if self._at == len(self._tokens):
            return None
        word, is_quoted = self._tokens[self._at]
        return word if not is_quoted and (word in _OPERATORS or word in {"(", ")"}) else ""

    def _either(self, depth: int) -> Filter:
        parts = [self._both(depth)]
        while self._next() == "OR":
            self._at += 1
            parts.append(self._both(depth))
        return parts[0] if len(parts) == 1 else Filter("or", parts=tuple(parts))

    def _both(self, depth: int) -> Filter:
        parts = [self._single(depth)]
        while (mark := self._next()) not in {None, "OR", ")"}:
            self._at += mark == "AND"
            parts.append(self._single(depth))
        return parts[0] if len(parts) == 1 else Filter("and", parts=tuple(parts))

    def _single(self, depth: int) -> Filter:
        if depth > _DEEPEST:
            raise self._fault("it is too deep")
        mark = self._next()
        if mark is None or mark in {"AND", "OR", ")"}:
            raise self._fault("a term is missing")
        self._at += 1
        if mark == "NOT":
            return Filter("not", parts=(self._single(depth + 1),))
        if mark == "(":
            found = self._either(depth + 1)
            if self._next() != ")":
                raise self._fault("a parenthesis is not closed")
            self._at += 1
            return found
        return Filter("term", self._tokens[self._at - 1][0].lower())

    def _fault(self, why: str) -> RefusedError:
        return RefusedError(f"{self._name} is not understood: {why}", field=self._name)

"""What the copies of one message have in common, and what is filled in for each recipient when it leaves.

The substitutions are made here, for every recipient. Where all of them come to the same, the text holds it; where they
differ, the text holds a placeholder of ours and each recipient's variables the value.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from postroad.dialects.sparkpost.recipients import Recipient
from postroad.dialects.sparkpost.substitution import TOO_MUCH, Budget, Piece, SubstitutionError
from postroad.policy.suppression import comparable

_OURS = re.compile(r"%(?=recipient(?:\.[^%\s<>\"'\\]{1,200}|_(?:email|name|fname|lname))?%)")
"""The sign that begins one of our placeholders, which is a text like others to a client of SparkPost."""
_PERCENT = "sp:percent"
_SLOT = "sp:{}"
_HELD_PER_VALUE = 64
"""What keeping one recipient's value takes besides its text, in octets."""

Segment = str | tuple[str, ...]
"""A text that all copies have, or the text of each."""


class Copies:
    """The recipients of one message, and their own values."""

    def __init__(self, members: Sequence[Recipient], shared: Sequence[Mapping[str, Any]], budget: Budget) -> None:
        self.members = members
        self._budget = budget
        self._data = [data_of(one, shared) for one in members]
        self._values: list[dict[str, Any]] = [{} for _ in members]
        self._slots: dict[tuple[str, ...], str] = {}
        self.has_own_values = False
        """Whether some text differs."""

    def segments(self, pieces: Sequence[Piece], *, escapes: bool = False, is_line: bool = False) -> tuple[Segment, ...]:
        """Make the substitutions of a text for everybody; raises SubstitutionError."""
        found: list[Segment] = []
        for piece in pieces:
            if isinstance(piece, str):
                found.append(piece)
                continue
            texts = tuple(
                _tidy(piece.rendered(data, self._budget, escapes=escapes), is_line=is_line) for data in self._data
            )
            if all(one == texts[0] for one in texts):
                found.append(texts[0])
            else:
                self._budget.octets -= _HELD_PER_VALUE * len(texts)
                if self._budget.octets < 0:
                    raise SubstitutionError(piece.line, TOO_MUCH)
                found.append(texts)
                self.has_own_values = True
        return tuple(found)

    def written(self, segments: Iterable[Segment], *, is_personal: bool) -> str:
        """Return a text as the message holds it, with a placeholder for what differs."""
        return "".join(
            self._placeholder(one) if isinstance(one, tuple) else literal(one) if is_personal else one
            for one in segments
        )

    def metadata(self, shared: Mapping[str, Any], *, is_personal: bool) -> dict[str, Any]:
        """Return the metadata of all copies; what differs is a placeholder, and a text."""
        found: dict[str, Any] = {}
        for name in {**shared, **self.members[0].metadata}:
            values = [one.metadata[name] if name in one.metadata else shared[name] for one in self.members]
            if all(one == values[0] for one in values):
                found[name] = _literal_within(values[0]) if is_personal else values[0]
            else:
                found[name] = self._placeholder(tuple(_as_text(one) for one in values))
        return found

    def variables(self, *, for_template: bool) -> dict[str, dict[str, Any]]:
        """Return what is filled in, by address in lower case."""
        own: dict[str, dict[str, Any]] = {}
        for one, values in zip(self.members, self._values, strict=True):
            data = {**one.metadata, **one.data, "address": address_of(one)} if for_template else {}
            own[comparable(one.mailbox.address)] = {**data, **values, _PERCENT: "%"}
        return own

    def _placeholder(self, texts: tuple[str, ...]) -> str:
        known = self._slots.get(texts)
        if known is not None:
            return f"%recipient.{known}%"
        name = self._slots[texts] = _SLOT.format(len(self._slots))
        for values, text in zip(self._values, texts, strict=True):
            values[name] = text
        return f"%recipient.{name}%"


def as_written(pieces: Sequence[Piece], segments: Sequence[Segment]) -> str:
    """Return a line for people: what all copies have in common filled in, the rest as the client wrote it."""
    shown = (
        one if isinstance(one, str) else piece if isinstance(piece, str) else piece.written
        for piece, one in zip(pieces, segments, strict=True)
    )
    return " ".join("".join(shown).split())


def metadata_differ(members: Sequence[Recipient]) -> bool:
    """Whether recipients have metadata of their own that is not the same."""
    return any(one.metadata != members[0].metadata for one in members)


def data_of(one: Recipient, shared: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return what the substitutions of one recipient are made from; its own beats what is shared, the later the earlier."""
    found: dict[str, Any] = {"address": address_of(one)}
    for data in (*shared, one.metadata, one.data):
        found |= data
    return found


def address_of(one: Recipient) -> dict[str, str]:
    """Return the built-in ``address`` of a recipient."""
    name = one.mailbox.display_name or (one.to[0].display_name if one.is_shown_alone else "")
    return {
        "email": one.mailbox.address,
        "name": name,
        "local_part": one.mailbox.local_part,
        "domain_part": one.mailbox.domain,
    }


def literal(text: str) -> str:
    """Return a text in which nothing is taken for one of our placeholders."""
    return _OURS.sub(f"%recipient.{_PERCENT}%", text) if "%recipient" in text else text


def _literal_within(value: Any) -> Any:
    match value:
        case str():
            return literal(value)
        case dict():
            return {name: _literal_within(inner) for name, inner in value.items()}
        case list():
            return [_literal_within(inner) for inner in value]
    return value


def _as_text(value: Any) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _tidy(text: str, *, is_line: bool) -> str:
    if is_line:
        return " ".join(text.split())
    # A value of several lines has the line ends of the message that it comes into.
    return re.sub(r"\r\n|\r|\n", "\r\n", text) if "\n" in text or "\r" in text else text

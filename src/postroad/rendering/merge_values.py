"""What placeholders stand for in one recipient's copy, and how much may be put in."""

import html
from typing import Any

import msgspec

from postroad.model.options import OnMissing
from postroad.rendering.errors import ImpossibleCopyError
from postroad.rendering.placeholder import Addressee, segments_of, value_of

MOST_OCTETS = 1024 * 1024
"""What the values of one copy may add to it: a long value in many places is no letter any more."""


class Filling(msgspec.Struct, frozen=True, kw_only=True):
    """How a plan is filled for one recipient."""

    addressee: Addressee
    on_missing: OnMissing = OnMissing.EMPTY
    escapes_html: bool = False
    only_links: bool = False
    """The message has no recipient variables: what looks like one stays as it is written."""


class TooMuchError(ImpossibleCopyError):
    """The values of one recipient make the copy too large."""


class Values:
    """Looks values up for one recipient and remembers which were missing; what it returns is never looked at again."""

    def __init__(self, filling: Filling) -> None:
        self._filling = filling
        self._room = MOST_OCTETS
        self.missing: set[str] = set()

    def mailbox(self) -> tuple[str, str]:
        """Return the recipient's display name and address."""
        return self._filling.addressee.display_name, self._filling.addressee.address

    def text(self, name: str, *, is_html: bool = False) -> str:
        """Return what a placeholder stands for; raises TooMuchError."""
        if self._filling.only_links and name.startswith("recipient"):
            return f"%{name}%"
        value = value_of(name, self._filling.addressee)
        if value is None:
            return self._without(name)
        self._room -= len(value)
        if self._room < 0:
            raise TooMuchError(f"the values of this recipient add more than {MOST_OCTETS} characters to the message")
        return html.escape(value) if is_html and self._filling.escapes_html else value

    def replaced(self, text: str) -> str:
        """Return a text with its placeholders replaced."""
        parts = segments_of(text.encode("utf-8", "surrogatepass"))
        return "".join(
            part.decode("utf-8", "surrogatepass") if isinstance(part, bytes) else self.text(part) for part in parts
        )

    def replaced_within(self, document: Any) -> Any:
        """Return a JSON value with the placeholders in its texts replaced; keys stay as they are."""
        match document:
            case str():
                return self.replaced(document)
            case dict():
                return {key: self.replaced_within(inner) for key, inner in document.items()}
            case list():
                return [self.replaced_within(inner) for inner in document]
        return document

    def _without(self, name: str) -> str:
        if not name.startswith("recipient"):
            # An address to unsubscribe at that this message has none of is no variable of the sender's.
            return f"%{name}%"
        self.missing.add(name)
        return f"%{name}%" if self._filling.on_missing is OnMissing.KEEP else ""

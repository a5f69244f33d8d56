"""Pages of lists as Mailgun links them: by what stands at their ends, in the query alone, which is all that its clients keep."""

from collections.abc import Mapping, Sequence
from urllib.parse import urlencode

import msgspec

from postroad.dialects.mailgun.parameters import Parameters
from postroad.model.refused import RefusedError

_WORDS = {"": "first", "first": "first", "next": "next", "prev": "previous", "previous": "previous", "last": "last"}


class Turn(msgspec.Struct, frozen=True, kw_only=True):
    """Which page is asked for."""

    word: str
    """``first``, ``next``, ``previous`` or ``last``."""
    pivot: str
    """What the page is next to; empty where it is at an end."""
    limit: int

    @property
    def is_backwards(self) -> bool:
        """Whether what stands before the pivot is asked for."""
        return self.word in {"previous", "last"}


def read_turn(parameters: Parameters, pivot: str, *, limit: int) -> Turn:
    """Return which page a query asks for, whose pivot has a name; raises RefusedError."""
    given = parameters.text("page").lower()
    if given not in _WORDS:
        raise RefusedError("page must be one of first, next, previous, last", field="page")
    word = _WORDS[given]
    beside = parameters.text(pivot) if word in {"next", "previous"} else ""
    if word == "previous" and not beside:
        word = "first"
    return Turn(word=word, pivot=beside, limit=limit)


def paging(base: str, turn: Turn, pivot: str, shown: Sequence[str], kept: Mapping[str, str]) -> dict[str, str]:
    """Return the links of a page.

    Args:
        base: The address of the list, without a query.
        turn: Which page it is.
        pivot: The parameter that pivots are given by.
        shown: What the entries of the page are ordered by, in their order.
        kept: Further parameters that hold for all pages.
    """
    first = shown[0] if shown else turn.pivot
    last = shown[-1] if shown else turn.pivot
    pivots = {"first": "", "next": last, "previous": first, "last": ""}
    links = {}
    for word, beside in pivots.items():
        query = {"page": word, "limit": str(turn.limit), **kept} | ({pivot: beside} if beside else {})
        links[word] = f"{base}?{urlencode(query)}"
    return links

"""Where the next page of a list begins, as a text that means something to us alone; and pages of what is all there."""

from collections.abc import Callable, Sequence
from typing import Annotated, Any, TypeVar

import msgspec

from postroad.model import base64url
from postroad.model.refused import RefusedError

T = TypeVar("T")
K = TypeVar("K", int, str)
RowId = Annotated[int, msgspec.Meta(ge=0, le=(1 << 63) - 1)]
"""What a column of ids can be compared with."""


class QueryRefusedError(RefusedError):
    """A parameter behind the question mark that is wrong."""


def cursor_text(*place: object) -> str:
    """Return a cursor that holds a place."""
    return base64url.encode(msgspec.json.encode(place))


def read_cursor(text: str, kind: type[T]) -> T:
    """Return the place of a cursor, a tuple of a kind; raises QueryRefusedError for what is none."""
    try:
        place = msgspec.json.decode(base64url.decode(text), type=kind)
    except (ValueError, msgspec.MsgspecError, RecursionError) as error:
        raise QueryRefusedError("It must be the `next` of an earlier answer, as it was.", field="cursor") from error
    if "\0" in str(place):
        raise QueryRefusedError("It must be the `next` of an earlier answer, as it was.", field="cursor")
    return place


def page_of(
    found: Sequence[Any], key: Callable[[Any], K], kind: type[K], cursor: str | None, limit: int
) -> tuple[list[Any], str | None]:
    """Return the page behind a cursor of what is all there, in the order of its keys, and where the next one begins."""
    rest = sorted(found, key=key)
    if cursor is not None:
        after: K = read_cursor(cursor, tuple[kind])[0]  # type: ignore[valid-type]
        rest = [one for one in rest if key(one) > after]
    shown = rest[:limit]
    return shown, cursor_text(key(shown[-1])) if len(rest) > limit else None

"""What somebody means who types into the one box that messages are searched with: an id, an address or words."""

from collections.abc import Sequence

import msgspec

from postroad.model.ids import lowest_at, range_of
from postroad.model.search_words import destination_key, message_id_key, recipient_key, words_of

_SHORTEST_ID = 5
"""Letters from which on something may be the beginning of an id."""


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """One way to understand what was typed."""

    id_range: tuple[int, int] | None = None
    """The lowest and the highest id that begin so."""
    words: tuple[str, ...] = ()
    word_prefix: str | None = None
    keys: tuple[str, ...] = ()
    key_prefix: str | None = None


def readings(typed: str, now: int) -> tuple[Reading, ...]:
    """Return the ways to understand what was typed, the likeliest first; none where it can find nothing.

    Whoever searches takes the first that finds something. An empty box has one reading, which leaves out nothing.
    """
    parts = typed.split()
    if not parts:
        return (Reading(),)
    if len(parts) == 1:
        return tuple(_of_one(parts[0], now))
    return _together(parts)


def _of_one(part: str, now: int) -> list[Reading]:
    found = []
    if part.startswith("<") and part.endswith(">"):
        found.append(Reading(keys=(message_id_key(part),)))
        part = part[1:-1]
    ids = _id_range(part, now)
    if ids is not None:
        found.append(Reading(id_range=ids))
    if "@" in part:
        found.append(Reading(key_prefix=_address_prefix(part)))
        if not part.startswith("@"):
            found.append(Reading(keys=(message_id_key(part),)))
        return found
    return found + _by_words([part]) + [Reading(key_prefix=recipient_key(part))]


def _together(parts: Sequence[str]) -> tuple[Reading, ...]:
    addresses = [part for part in parts if "@" in part]
    if not addresses:
        return tuple(_by_words(parts))
    first, *others = addresses
    # One beginning of an address can be looked for; others are then whole.
    keys = tuple(destination_key(one[1:]) if one.startswith("@") else recipient_key(one) for one in others)
    words = words_of(" ".join(part for part in parts if "@" not in part))
    return (Reading(key_prefix=_address_prefix(first), keys=keys, words=tuple(words)),)


def _by_words(parts: Sequence[str]) -> list[Reading]:
    words = words_of(" ".join(parts))
    if not words:
        return []
    # The last word may not be typed to its end.
    return [Reading(words=tuple(words[:-1]), word_prefix=words[-1])]


def _address_prefix(part: str) -> str:
    return destination_key(part[1:]) if part.startswith("@") else recipient_key(part)


def _id_range(part: str, now: int) -> tuple[int, int] | None:
    if len(part) < _SHORTEST_ID:
        return None
    try:
        ids = range_of(part)
    except ValueError:
        return None
    # No id of the future is looked for: so a word or a number is rarely taken for one.
    return ids if ids[0] < lowest_at(now + 1) else None

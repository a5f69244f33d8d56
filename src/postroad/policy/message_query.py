"""What somebody means who types into the one box that messages are searched with: an id, an address, words or tags."""

import re
from collections.abc import Sequence

import msgspec

from postroad.model.ids import lowest_at, range_of
from postroad.model.search_words import address_term, message_id_term, recipient_term, tag_term, words_of
from postroad.protocol.smtp.address import with_a_labels

_SHORTEST_ID = 5
"""Letters from which on something may be the beginning of an id."""
_MAILBOX = re.compile(r"[^<>]*(<[^<>\s]+@[^<>\s]+>)\W*")
"""An address or a Message-ID as it is copied, with a name before it."""
# A quotation mark within quotation marks is written twice; the last one may not be typed yet.
_TAG = re.compile(r"""(?<!\S)tag:(?:"((?:[^"]|"")*)(?:"|$)|([^\s"]\S*))""", re.IGNORECASE)


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """One way to understand what was typed."""

    id_range: tuple[int, int] | None = None
    """The lowest and the highest id that begin so."""
    terms: tuple[str, ...] = ()
    """What the message has, whole (``model.search_words``)."""
    beginnings: tuple[str, ...] = ()
    """What terms of the message begin with."""


def readings(typed: str, now: int) -> tuple[Reading, ...]:
    """Return the ways to understand what was typed, the likeliest first; none where it can find nothing.

    Whoever searches takes the first that finds something. An empty box has one reading, which leaves out nothing.
    """
    named = [(quoted.replace('""', '"') or bare).strip() for quoted, bare in _TAG.findall(typed)]
    tags = tuple(tag_term(tag) for tag in named if tag)
    rest = _TAG.sub(" ", typed)
    copied = _MAILBOX.fullmatch(rest)
    found = _of_the_rest([copied[1]] if copied else [_bare(part) for part in rest.split()], now)
    if not tags:
        return found
    return tuple(msgspec.structs.replace(one, terms=(*tags, *one.terms)) for one in found)


def tag_query(tag: str) -> str:
    """Return what is typed to find the messages with a tag."""
    quoted = tag.replace('"', '""')
    return f'tag:"{quoted}"'


def _bare(part: str) -> str:
    """Return an address without what stands around it where it is copied from."""
    if "@" not in part:
        return part
    bare = part.strip(",;").removeprefix("mailto:")
    return bare[1:-1] if len(bare) > 1 and bare[0] == bare[-1] and bare[0] in "\"'" else bare


def _of_the_rest(parts: Sequence[str], now: int) -> tuple[Reading, ...]:
    if not parts:
        return (Reading(),)
    if len(parts) == 1:
        return tuple(_of_one(parts[0], now))
    return _together(parts)


def _of_one(part: str, now: int) -> list[Reading]:
    found = []
    if part.startswith("<") and part.endswith(">"):
        found.append(Reading(terms=(message_id_term(part),)))
        part = part[1:-1]
    ids = _id_range(part, now)
    if ids is not None:
        found.append(Reading(id_range=ids))
    if "@" in part:
        found.append(Reading(beginnings=(_address_beginning(part),)))
        if not part.startswith("@"):
            found.append(Reading(terms=(message_id_term(part),)))
        return found
    return [*found, *_by_words([part]), Reading(beginnings=(recipient_term(part),))]


def _together(parts: Sequence[str]) -> tuple[Reading, ...]:
    addresses = [part for part in parts if "@" in part]
    if not addresses:
        return tuple(_by_words(parts))
    words = words_of(" ".join(part for part in parts if "@" not in part))
    return (Reading(terms=tuple(words), beginnings=tuple(_address_beginning(one) for one in addresses)),)


def _by_words(parts: Sequence[str]) -> list[Reading]:
    words = words_of(" ".join(parts))
    if not words:
        return []
    # The last word may not be typed to its end.
    return [Reading(terms=tuple(words[:-1]), beginnings=(words[-1],))]


def _address_beginning(part: str) -> str:
    return address_term(with_a_labels(part))


def _id_range(part: str, now: int) -> tuple[int, int] | None:
    if len(part) < _SHORTEST_ID:
        return None
    try:
        ids = range_of(part)
    except ValueError:
        return None
    # No beginning of an id of the future is looked for: so a word or a number is rarely taken for one.
    is_whole = ids[0] == ids[1]
    return ids if is_whole or ids[0] < lowest_at(now + 1) else None

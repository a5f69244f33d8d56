"""Ids of the data plane: 63 bits, ordered by time, naming their partition.

40 bits of milliseconds since 2026-01-01 UTC, 10 of partition, 8 of worker, 5 of sequence. People see them as 13
characters of Crockford's base32.
"""

EPOCH_MS = 1_767_225_600_000
"""2026-01-01T00:00:00Z."""
HIGHEST_ID = (1 << 63) - 1
PARTITIONS = 1024
WORKERS = 256
_SEQUENCES = 32
_LAST_MS = HIGHEST_ID >> 23
"""Of the milliseconds that ids tell of: they end in 2060."""
_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_PAIRS = [first + second for first in _ALPHABET for second in _ALPHABET]
_VALUES = {letter: value for value, letter in enumerate(_ALPHABET)} | {"I": 1, "L": 1, "O": 0}


class IdSource:
    """Makes the ids of one worker number, which no other live worker holds.

    When more than 32 ids of one partition are asked for within a millisecond the source runs ahead of the clock,
    and when the clock goes back it goes on from where it was: no id is ever made twice (decision 0006).
    """

    def __init__(self, worker: int) -> None:
        if not 0 <= worker < WORKERS:
            raise ValueError(f"a worker number is 0 to {WORKERS - 1}, not {worker}")
        self._worker = worker << 5
        self._last_ms = 0
        self._sequence = 0

    def next(self, now: int, partition: int) -> int:
        """Return a new id for ``partition``; ``now`` in milliseconds since 1970."""
        # Storage's thread asks as well as the loop's: with neither call nor loop in here, CPython lets no other come between.
        ms = now - EPOCH_MS
        if ms > self._last_ms:
            self._last_ms, self._sequence = ms, 0
        elif self._sequence == _SEQUENCES - 1:
            self._last_ms, self._sequence = self._last_ms + 1, 0
        else:
            self._sequence += 1
        return self._last_ms << 23 | partition << 13 | self._worker | self._sequence


def partition_of(identifier: int) -> int:
    """Return the partition (0 to 1023) that an id's row lives in."""
    return identifier >> 13 & 0x3FF


def made_at(identifier: int) -> int:
    """Return when an id was made, in milliseconds since 1970."""
    return (identifier >> 23) + EPOCH_MS


def to_base32(value: int, letters: int) -> str:
    """Return the lowest ``5 * letters`` bits of a value in Crockford's base32."""
    # Two letters at a time: every message has several ids and tokens to write.
    pairs = [_PAIRS[value >> shift & 1023] for shift in range((letters - 1) // 2 * 10, -1, -10)]
    return "".join(pairs)[-letters:]


def text_of(identifier: int) -> str:
    """Return the id as people see it: 13 characters of Crockford's base32."""
    return to_base32(identifier, 13)


def from_text(text: str) -> int:
    """Read an id as people write it; raises ValueError where it is none."""
    letters = _letters_of(text)
    if len(letters) != 13 or not _VALUES.keys() >= set(letters):
        raise ValueError(f"{text!r} is not an id: 13 letters and digits, as the 250 reply shows it")
    value = _value_of(letters)
    if value >> 63:
        raise ValueError(f"{text!r} is not an id: it is too large")
    return value


def range_of(beginning: str) -> tuple[int, int]:
    """Return the lowest and the highest id that people see begin so; raises ValueError where none does."""
    letters = _letters_of(beginning)
    if not 0 < len(letters) <= 13 or not _VALUES.keys() >= set(letters):
        raise ValueError(f"{beginning!r} is not the beginning of an id: 1 to 13 letters and digits, as ids have them")
    lowest, highest = _value_of(letters.ljust(13, "0")), _value_of(letters.ljust(13, "Z"))
    if highest >> 63:
        raise ValueError(f"{beginning!r} is not the beginning of an id: it is too large")
    return lowest, highest


def _letters_of(text: str) -> str:
    return text.strip().upper().replace("-", "")


def _value_of(letters: str) -> int:
    value = 0
    for letter in letters:
        value = value << 5 | _VALUES[letter]
    return value


def lowest_at(instant: int) -> int:
    """Return the lowest id that can have been made at an instant, in milliseconds since 1970.

    What is asked for may lie before the first id or behind the last one: it is within what storage can hold all the same.
    """
    return min(max(0, instant - EPOCH_MS), _LAST_MS) << 23

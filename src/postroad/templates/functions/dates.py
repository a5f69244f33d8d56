"""Dates, in any time zone. What time it is comes with the data: a template that is rendered twice says the same."""

import datetime as dt
import re
from collections.abc import Callable
from typing import Any
from zoneinfo import ZoneInfo

from postroad.templates.errors import FunctionError
from postroad.templates.functions.function import Function, bounded, is_nothing, number, text

DEFAULT_PATTERN = "YYYY-MM-DD HH:mm"
_MONTHS = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip
_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_SECONDS = re.compile(r"-?\d{1,12}(\.\d{1,9})?")
_ZONE_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+)*")
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_MOST_PATTERN = 200


def _format_date(
    value: Any, pattern: Any = DEFAULT_PATTERN, zone: Any = "UTC", *, months: Any = None, days: Any = None
) -> str | None:
    if is_nothing(value):
        return None
    moment = _moment(value)
    try:
        local = moment.astimezone(_zone(text(zone)))
    except OverflowError as error:
        raise FunctionError("the date is out of range") from error
    return _written(local, text(pattern), _names(months, _MONTHS, "months"), _names(days, _DAYS, "days"))


def _moment(value: Any) -> dt.datetime:
    """Read RFC 3339, a date alone (its midnight in UTC), or seconds since 1970."""
    if value.__class__ is str and not _SECONDS.fullmatch(value):
        try:
            found = dt.datetime.fromisoformat(value.strip())
        except ValueError:
            raise FunctionError(
                f"{value[:40]!r} is no date: write 2026-11-27T06:30:00Z, or seconds since 1970"
            ) from None
        return found if found.tzinfo is not None else found.replace(tzinfo=dt.UTC)
    seconds = number(value)
    try:
        return _EPOCH + dt.timedelta(seconds=seconds)
    except (OverflowError, ValueError):
        raise FunctionError("the date is out of range") from None


def _zone(name: str) -> dt.tzinfo:
    if name in {"UTC", "Z", ""}:
        return dt.UTC
    if len(name) <= 64 and _ZONE_NAME.fullmatch(name):
        try:
            return ZoneInfo(name)
        # A folder of the database, such as "Europe", is an OSError.
        except (KeyError, ValueError, OSError):
            pass
    raise FunctionError(f"{name[:40]!r} is no time zone: write one such as Europe/Berlin")


def _names(given: Any, default: tuple[str, ...], what: str) -> tuple[str, ...]:
    if is_nothing(given):
        return default
    names = tuple(name.strip() for name in text(given).split(","))
    if len(names) != len(default):
        raise FunctionError(f"{what}= has {len(default)} names with commas between them")
    return names


def _ordinal(number_: int) -> str:
    ending = "th" if number_ % 100 in {11, 12, 13} else {1: "st", 2: "nd", 3: "rd"}.get(number_ % 10, "th")
    return f"{number_}{ending}"


def _offset(moment: dt.datetime, between: str) -> str:
    minutes = int((moment.utcoffset() or dt.timedelta()).total_seconds() // 60)
    hours, rest = divmod(abs(minutes), 60)
    return f"{'-' if minutes < 0 else '+'}{hours:02}{between}{rest:02}"


_PIECES: dict[str, tuple[str, Callable[[dt.datetime], str]]] = {
    "YYYY": ("year", lambda moment: f"{moment.year:04}"),
    "YY": ("year in two digits", lambda moment: f"{moment.year % 100:02}"),
    "MMMM": ("month's name", lambda _: ""),
    "MMM": ("month's name in three letters", lambda _: ""),
    "MM": ("month, 01 to 12", lambda moment: f"{moment.month:02}"),
    "Mo": ("month, 1st to 12th", lambda moment: _ordinal(moment.month)),
    "M": ("month, 1 to 12", lambda moment: str(moment.month)),
    "DD": ("day, 01 to 31", lambda moment: f"{moment.day:02}"),
    "Do": ("day, 1st to 31st", lambda moment: _ordinal(moment.day)),
    "D": ("day, 1 to 31", lambda moment: str(moment.day)),
    "dddd": ("weekday's name", lambda _: ""),
    "ddd": ("weekday's name in three letters", lambda _: ""),
    "HH": ("hour, 00 to 23", lambda moment: f"{moment.hour:02}"),
    "H": ("hour, 0 to 23", lambda moment: str(moment.hour)),
    "hh": ("hour, 01 to 12", lambda moment: f"{(moment.hour + 11) % 12 + 1:02}"),
    "h": ("hour, 1 to 12", lambda moment: str((moment.hour + 11) % 12 + 1)),
    "mm": ("minute", lambda moment: f"{moment.minute:02}"),
    "m": ("minute without a leading zero", lambda moment: str(moment.minute)),
    "ss": ("second", lambda moment: f"{moment.second:02}"),
    "s": ("second without a leading zero", lambda moment: str(moment.second)),
    "SSS": ("millisecond", lambda moment: f"{moment.microsecond // 1000:03}"),
    "A": ("AM or PM", lambda moment: "AM" if moment.hour < 12 else "PM"),
    "a": ("am or pm", lambda moment: "am" if moment.hour < 12 else "pm"),
    "ZZ": ("offset, +0100", lambda moment: _offset(moment, "")),
    "Z": ("offset, +01:00", lambda moment: _offset(moment, ":")),
    "z": ("zone's abbreviation", lambda moment: moment.tzname() or ""),
    "X": ("seconds since 1970", lambda moment: str(int(moment.timestamp()))),
}
PATTERN_PIECES = {letters: meaning for letters, (meaning, _) in _PIECES.items()}
"""What the letters of a pattern stand for; the reference lists them."""
_PIECE = re.compile(r"\[([^\]]*)\]|" + "|".join(sorted(_PIECES, key=len, reverse=True)))


def _written(moment: dt.datetime, pattern: str, months: tuple[str, ...], days: tuple[str, ...]) -> str:
    if len(pattern) > _MOST_PATTERN:
        raise FunctionError(f"a pattern has at most {_MOST_PATTERN} characters")
    month, day = months[moment.month - 1], days[moment.weekday()]
    names = {"MMMM": month, "MMM": month[:3], "dddd": day, "ddd": day[:3]}

    def piece(match: re.Match[str]) -> str:
        if match[1] is not None:
            return match[1]
        return names[match[0]] if match[0] in names else _PIECES[match[0]][1](moment)

    return bounded(_PIECE.sub(piece, pattern))


FUNCTIONS = (
    Function(
        "formatDate", _format_date, "moment pattern? zone? months= days=",
        "A moment in a time zone (UTC), by a pattern (`YYYY-MM-DD HH:mm`). The moment is RFC 3339, a date alone, or "
        "seconds since 1970; zones have the names of the tz database. `months=` and `days=` (from Monday) give names in "
        "another language, with commas between them. Text in brackets stays as it is.",
        '{{formatDate at "dddd, MMMM D, YYYY [at] h:mm A" "Europe/Berlin"}}', '{"at": "2026-11-27T06:30:00Z"}',
        "Friday, November 27, 2026 at 7:30 AM", 1, 3, ("months", "days"), work=8,
    ),
)  # fmt: skip

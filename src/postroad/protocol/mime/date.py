"""The Date of a message (RFC 5322 §3.3)."""

import datetime as dt
import functools
import re

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_EPOCH_DAY = dt.date(1970, 1, 1).toordinal()
_AMERICA = {"E": -5, "C": -6, "M": -7, "P": -8}
_MONTH_NUMBERS = {name.lower(): number for number, name in enumerate(_MONTHS, 1)}
# RFC 5322 §4.3: zones by name are obsolete and read by everybody; a comment may follow the zone.
_DATE = re.compile(
    r"(?:(mon|tue|wed|thu|fri|sat|sun)[ \t]*,)?[ \t]*(\d{1,2})[ \t]+(jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)"
    r"[ \t]+(\d{4})[ \t]+(\d{2}):(\d{2})(?::(\d{2}))?[ \t]+([+-]\d{4}|ut|utc|gmt|[ecmp][sd]t|z)"
    r"(?:[ \t]*\([^()\\]*\))?",
    re.IGNORECASE,
)


def is_date(text: str) -> bool:
    """Whether ``text``, unfolded and without white space around it, is a date that exists."""
    return read_date(text) is not None


def read_date(text: str) -> int | None:
    """Return the instant of a date in milliseconds since 1970; None where the text is none, or there is no such day."""
    found = _DATE.fullmatch(text)
    if found is None:
        return None
    weekday, day, month, year, hour, minute, second, zone = found.groups()
    # RFC 5322 §3.3: a leap second may be named.
    if int(hour) > 23 or int(minute) > 59 or int(second or 0) > 60 or int(year) < 1900:
        return None
    offset_min = _offset_of(zone)
    if offset_min is None:
        return None
    try:
        date = dt.date(int(year), _MONTH_NUMBERS[month.lower()], int(day))
    except ValueError:
        return None
    if weekday is not None and _DAYS[date.weekday()].lower() != weekday.lower():
        return None
    days = date.toordinal() - _EPOCH_DAY
    return (((days * 24 + int(hour)) * 60 + int(minute) - offset_min) * 60 + int(second or 0)) * 1000


def _offset_of(zone: str) -> int | None:
    """Return a zone's minutes ahead of UTC; None where its minutes are none."""
    if zone[0] in "+-":
        if int(zone[3:]) > 59:
            return None
        return (int(zone[1:3]) * 60 + int(zone[3:])) * (-1 if zone[0] == "-" else 1)
    # RFC 5322 §4.3: EST is five hours behind, and so on westwards; daylight time is one ahead of its zone.
    name = zone.upper()
    return 60 * (_AMERICA.get(name[0], 0) + (name[1:] == "DT")) if len(name) == 3 and name[0] in _AMERICA else 0


def utc_moment(at: int) -> dt.datetime:
    """Return milliseconds since 1970 as a moment in UTC; what no calendar here holds becomes its nearest end."""
    return dt.datetime.fromtimestamp(min(max(at, _EARLIEST_MS), _LATEST_MS) / 1000, dt.UTC)


# A day from either end of the years 1 to 9999, so that the moment exists in every zone.
_EARLIEST_MS = -62_135_510_400_000
_LATEST_MS = 253_402_214_400_000


def format_date(at: int) -> str:
    """Return an instant as a header shows it: ``Sat, 21 Nov 2026 02:00:00 +0000``."""
    return _format_second(at // 1000)


@functools.lru_cache(maxsize=4)
def _format_second(at_s: int) -> str:
    # Under load a second holds hundreds of messages, and each writes its date once or twice.
    moment = utc_moment(at_s * 1000)
    day, month = _DAYS[moment.weekday()], _MONTHS[moment.month - 1]
    return f"{day}, {moment.day:02} {month} {moment.year:04} {moment:%H:%M:%S} +0000"

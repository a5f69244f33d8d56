"""The Date of a message (RFC 5322 §3.3)."""

import datetime as dt
import functools
import re

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
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
    found = _DATE.fullmatch(text)
    if found is None:
        return False
    weekday, day, month, year, hour, minute, second, zone = found.groups()
    # RFC 5322 §3.3: a leap second may be named.
    if int(hour) > 23 or int(minute) > 59 or int(second or 0) > 60:
        return False
    if zone[0] in "+-" and int(zone[3:]) > 59:
        return False
    try:
        date = dt.date(int(year), _MONTH_NUMBERS[month.lower()], int(day))
    except ValueError:
        return False
    return int(year) >= 1900 and (weekday is None or _DAYS[date.weekday()].lower() == weekday.lower())


def format_date(at: int) -> str:
    """Return an instant as a header shows it: ``Sat, 21 Nov 2026 02:00:00 +0000``."""
    return _format_second(at // 1000)


@functools.lru_cache(maxsize=4)
def _format_second(at_s: int) -> str:
    # Under load a second holds hundreds of messages, and each writes its date once or twice.
    moment = dt.datetime.fromtimestamp(at_s, dt.UTC)
    day, month = _DAYS[moment.weekday()], _MONTHS[moment.month - 1]
    return f"{day}, {moment.day:02} {month} {moment.year} {moment:%H:%M:%S} +0000"

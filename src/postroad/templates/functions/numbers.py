"""Numbers and money as people read them, with separators that the template chooses: nothing is guessed from a country."""

from decimal import Decimal
from typing import Any

from postroad.templates.errors import FunctionError
from postroad.templates.functions.function import Function, bounded, decimal, is_nothing, number, text, whole
from postroad.templates.functions.mathematics import MOST_PLACES, rounded

_SYMBOLS = {"EUR": "€", "USD": "$", "GBP": "£", "JPY": "¥", "CNY": "¥", "INR": "₹", "KRW": "₩", "UAH": "₴", "ILS": "₪"}
# ISO 4217: the currencies that are not divided into hundredths.
_PLACES = dict.fromkeys(
    ("BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "UYI", "VND", "VUV", "XAF", "XOF", "XPF"), 0
) | dict.fromkeys(("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"), 3)  # fmt: skip


def format_number(value: Any, places: Any = None, *, thousands: Any = ",", decimal: Any = ".") -> str | None:
    if is_nothing(value):
        return None
    return _grouped(_rounded(value, places), text(thousands), text(decimal))


def format_money(
    value: Any,
    currency: Any = "",
    *,
    places: Any = None,
    thousands: Any = ",",
    decimal: Any = ".",
    symbol: Any = None,
    after: Any = False,
) -> str | None:
    if is_nothing(value):
        return None
    code = text(currency).upper()
    digits = _PLACES.get(code, 2) if places is None else places
    amount = _rounded(value, digits)
    written = _grouped(abs(amount), text(thousands), text(decimal))
    sign = "-" if amount < 0 else ""
    mark = _SYMBOLS.get(code, code) if symbol is None else text(symbol)
    if not mark:
        return sign + written
    if after:
        return bounded(f"{sign}{written}\u00a0{mark}")
    # A code of letters is set off from the number, a symbol is not.
    return bounded(f"{sign}{mark}{chr(0xA0) if mark[-1:].isalpha() else ''}{written}")


def _rounded(value: Any, places: Any) -> Decimal:
    found = number(value)
    if places is None:
        return decimal(found)
    digits = whole(places, "the number of places", 0, MOST_PLACES)
    exact = rounded(found, digits)
    return Decimal(f"{exact:.{digits}f}") if exact else Decimal(f"{0:.{digits}f}")


def _grouped(amount: Decimal, thousands: str, point: str) -> str:
    if len(thousands) > 8 or len(point) > 8:
        raise FunctionError("a separator has at most 8 characters")
    whole_part, _, fraction = f"{abs(amount):f}".partition(".")
    first = len(whole_part) % 3
    groups = [whole_part[:first]] if first else []
    groups += [whole_part[at : at + 3] for at in range(first, len(whole_part), 3)]
    sign = "-" if amount < 0 else ""
    return sign + thousands.join(groups) + (point + fraction if fraction else "")


FUNCTIONS = (
    Function(
        "formatNumber", format_number, "number places? thousands=\",\" decimal=\".\"",
        "The number with its thousands apart, and so many places behind the point (as many as it has).",
        '{{formatNumber total 2 thousands="." decimal=","}}', '{"total": 1234567.891}', "1.234.567,89",
        1, 2, ("thousands", "decimal"),
    ),
    Function(
        "formatMoney", format_money,
        "amount currency? places= thousands=\",\" decimal=\".\" symbol= after=false",
        "An amount of money, with the places that its currency has (ISO 4217) and its sign, or its code where it has "
        "none; `after=true` writes that behind the amount.",
        '{{formatMoney 1234.5 "EUR"}} or {{formatMoney 1234.5 "EUR" after=true thousands="." decimal=","}}', "{}",
        "€1,234.50 or 1.234,50\u00a0€", 1, 2, ("places", "thousands", "decimal", "symbol", "after"),
    ),
)  # fmt: skip

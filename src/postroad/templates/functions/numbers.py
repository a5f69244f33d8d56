"""Numbers and money as people read them, with separators that the template chooses: nothing is guessed from a country."""

from typing import Any

from postroad.templates.errors import FunctionError
from postroad.templates.functions.function import Function, bounded, is_nothing, number, text, whole
from postroad.templates.functions.mathematics import MOST_PLACES, digits

_SYMBOLS = {"EUR": "€", "USD": "$", "GBP": "£", "JPY": "¥", "CNY": "¥", "INR": "₹", "KRW": "₩", "UAH": "₴", "ILS": "₪"}
# ISO 4217: the currencies that are not divided into hundredths.
_PLACES = dict.fromkeys(
    ("BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "UYI", "VND", "VUV", "XAF", "XOF", "XPF"), 0
) | dict.fromkeys(("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"), 3)  # fmt: skip


def _format_number(value: Any, places: Any = None, *, thousands: Any = ",", decimal: Any = ".") -> str | None:
    if is_nothing(value):
        return None
    most = None if places is None else whole(places, "the number of places", 0, MOST_PLACES)
    is_negative, units, fraction = digits(number(value), most)
    written = _grouped(units, fraction, thousands, decimal)
    return f"-{written}" if is_negative else written


def _format_money(
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
    most = _PLACES.get(code, 2) if places is None else whole(places, "the number of places", 0, MOST_PLACES)
    is_negative, units, fraction = digits(number(value), most)
    written = _grouped(units, fraction, thousands, decimal)
    sign = "-" if is_negative else ""
    mark = _SYMBOLS.get(code, code) if symbol is None else text(symbol)
    if not mark:
        return sign + written
    if after:
        return bounded(f"{sign}{written}\u00a0{mark}")
    # A code of letters is set off from the number, a symbol is not.
    return bounded(f"{sign}{mark}\u00a0{written}" if mark[-1].isalpha() else f"{sign}{mark}{written}")


def _grouped(units: str, fraction: str, thousands: Any, point: Any) -> str:
    if len(units) > 3:
        units = f"{int(units):,}"
        if thousands != ",":
            units = units.replace(",", _separator(thousands))
    if not fraction:
        return units
    return f"{units}.{fraction}" if point == "." else f"{units}{_separator(point)}{fraction}"


def _separator(value: Any) -> str:
    separator = text(value)
    if len(separator) > 8:
        raise FunctionError("a separator has at most 8 characters")
    return separator


FUNCTIONS = (
    Function(
        "formatNumber", _format_number, "number places? thousands=\",\" decimal=\".\"",
        "The number with its thousands apart, and so many places behind the point (as many as it has).",
        '{{formatNumber total 2 thousands="." decimal=","}}', '{"total": 1234567.891}', "1.234.567,89",
        1, 2, ("thousands", "decimal"), work=3,
    ),
    Function(
        "formatMoney", _format_money,
        "amount currency? places= thousands=\",\" decimal=\".\" symbol= after=false",
        "An amount of money, with the places that its currency has (ISO 4217) and its sign, or its code where it has "
        "none; `after=true` writes that behind the amount.",
        '{{formatMoney 1234.5 "EUR"}} or {{formatMoney 1234.5 "EUR" after=true thousands="." decimal=","}}', "{}",
        "€1,234.50 or 1.234,50\u00a0€", 1, 2, ("places", "thousands", "decimal", "symbol", "after"), work=3,
    ),
)  # fmt: skip

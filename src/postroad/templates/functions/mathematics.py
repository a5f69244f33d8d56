"""Mathematics, in double precision as JavaScript has it; of nothing comes nothing."""

import math
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from postroad.templates.errors import FunctionError
from postroad.templates.functions.function import Function, is_nothing, number, result, whole

MOST_PLACES = 20


def _on_all(operation: Callable[[float, float], float]) -> Callable[..., float | None]:
    def run(*values: Any) -> float | None:
        if any(is_nothing(value) for value in values):
            return None
        found = number(values[0])
        for value in values[1:]:
            found = result(operation(found, number(value)))
        return found

    return run


def _divided(one: float, other: float) -> float:
    if other == 0:
        raise FunctionError("nothing can be divided by zero")
    # Whole numbers have at most 53 bits here, so that / is what it is in JavaScript.
    return one / other


def _remainder(one: float, other: float) -> float:
    if other == 0:
        raise FunctionError("nothing can be divided by zero")
    # With the sign of the first number, as % has it in JavaScript.
    return math.fmod(one, other)


def _on_one(operation: Callable[[float], float]) -> Callable[[Any], float | None]:
    def run(value: Any) -> float | None:
        if is_nothing(value):
            return None
        found = number(value)
        if not math.isfinite(found):
            raise FunctionError("the number is too large")
        return result(operation(found))

    return run


def digits(value: float, places: int | None) -> tuple[bool, str, str]:
    """Return whether a number is negative, its whole part and its places, rounded half away from zero.

    It is rounded by the digits that it is printed with, so that 1.005 becomes 1.01; without ``places`` it keeps all.
    """
    if value.__class__ is int:
        return value < 0, str(abs(value)), "0" * (places or 0)
    if not math.isfinite(value):
        raise FunctionError("the number is too large")
    written = repr(value)
    if "e" in written:
        written = f"{Decimal(written):f}"
    is_negative = written[0] == "-"
    whole_part, _, fraction = written.lstrip("-").partition(".")
    if places is None:
        return is_negative, whole_part, "" if fraction == "0" else fraction
    if len(fraction) <= places:
        return is_negative, whole_part, fraction.ljust(places, "0")
    units = int(whole_part + fraction[:places]) + (fraction[places] >= "5")
    rounded = str(units).rjust(places + 1, "0")
    at = len(rounded) - places
    return is_negative and units > 0, rounded[:at], rounded[at:]


def _round(value: Any, places: Any = 0) -> float | None:
    if is_nothing(value):
        return None
    is_negative, units, fraction = digits(number(value), whole(places, "the number of places", 0, MOST_PLACES))
    return result(float(f"{'-' if is_negative else ''}{units}.{fraction or 0}"))


FUNCTIONS = (
    Function(
        "add", _on_all(lambda one, other: one + other), "a b …", "The sum of numbers.",
        "{{#each rows}}{{add @index 1}}. {{this}} {{/each}}", '{"rows": ["tea", "cake"]}', "1. tea 2. cake ", 2, None,
    ),
    Function("subtract", _on_all(lambda one, other: one - other), "a b", "a less b.",
            "{{subtract price discount}}", '{"price": 20, "discount": 2.5}', "17.5", 2, 2),
    Function(
        "multiply", _on_all(lambda one, other: one * other), "a b …", "The product of numbers.",
        "{{multiply price quantity}}", '{"price": 4.5, "quantity": 3}', "13.5", 2, None,
    ),
    Function("divide", _on_all(_divided), "a b", "a divided by b, which is not zero.", "{{divide 10 4}}", "{}", "2.5", 2, 2),
    Function("mod", _on_all(_remainder), "a b", "The remainder of a divided by b.", "{{#each rows}}{{#if (mod @index 2)}}odd {{else}}even {{/if}}{{/each}}",
            '{"rows": [1, 2, 3]}', "even odd even ", 2, 2),
    Function(
        "round", _round, "a places?", "The nearest number with so many places behind the point, halves away from zero.",
        "{{round 2.345 2}}", "{}", "2.35", 1, 2,
    ),
    Function("floor", _on_one(math.floor), "a", "The next whole number below.", "{{floor 2.7}}", "{}", "2"),
    Function("ceil", _on_one(math.ceil), "a", "The next whole number above.", "{{ceil 2.1}}", "{}", "3"),
    Function("abs", _on_one(abs), "a", "The number without its sign.", "{{abs balance}}", '{"balance": -3}', "3"),
)  # fmt: skip

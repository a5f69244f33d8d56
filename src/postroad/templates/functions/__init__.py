"""The functions of the template language (Handlebars calls them helpers), each with what the reference says of it."""

from postroad.templates.functions import comparison, data, dates, mathematics, numbers, strings
from postroad.templates.functions.function import Function

SUBJECTS: dict[str, tuple[Function, ...]] = {
    "Comparison": comparison.FUNCTIONS,
    "Mathematics": mathematics.FUNCTIONS,
    "Texts": strings.FUNCTIONS,
    "Numbers and money": numbers.FUNCTIONS,
    "Dates": dates.FUNCTIONS,
    "Data": data.FUNCTIONS,
}
"""Every function, under the heading that the reference has for it."""
FUNCTIONS = {function.name: function for functions in SUBJECTS.values() for function in functions}

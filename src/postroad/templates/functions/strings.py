"""Texts. Where something is counted, a character is a code point, so that an emoji is seldom more than one."""

from typing import Any
from urllib.parse import quote

from postroad.templates.errors import FunctionError
from postroad.templates.functions.function import Function, bounded, text, whole
from postroad.templates.limits import VALUE_STOP


def _upper(value: Any) -> str:
    return bounded(text(value).upper())


def _lower(value: Any) -> str:
    return bounded(text(value).lower())


def _capitalize(value: Any) -> str:
    written = text(value)
    return bounded(written[:1].upper() + written[1:])


def _trim(value: Any) -> str:
    return text(value).strip()


def _replace(value: Any, old: Any, new: Any) -> str:
    written, searched, put = text(value), text(old), text(new)
    if not searched:
        return written
    growth = len(put) - len(searched)
    if growth > 0 and len(written) + growth * written.count(searched) > VALUE_STOP:
        raise FunctionError(f"the text would be longer than {VALUE_STOP} characters")
    return written.replace(searched, put)


def _truncate(value: Any, length: Any, ending: Any = "…") -> str:
    written, end = text(value), text(ending)
    most = whole(length, "the length", 0, VALUE_STOP)
    if len(written) <= most:
        return written
    return written[: max(most - len(end), 0)].rstrip() + end[:most]


def _substring(value: Any, start: Any, end: Any = None) -> str:
    written = text(value)
    begin = whole(start, "the start", 0, VALUE_STOP)
    stop = len(written) if end is None else whole(end, "the end", 0, VALUE_STOP)
    return written[begin:stop]


def _split(value: Any, separator: Any = ",") -> list[Any]:
    written, between = text(value), text(separator)
    if not written:
        return []
    if not between:
        return list(written)
    return list(written.split(between))


def _concat(*values: Any) -> str:
    texts = [text(value) for value in values]
    if sum(map(len, texts)) > VALUE_STOP:
        raise FunctionError(f"the text would be longer than {VALUE_STOP} characters")
    return "".join(texts)


def _contains(value: Any, part: Any) -> bool:
    if value.__class__ is list:
        return any(
            item.__class__ is part.__class__ and item == part for item in value if not isinstance(item, dict | list)
        )
    if value.__class__ is dict:
        return text(part) in value
    return text(part) in text(value)


def _starts_with(value: Any, part: Any) -> bool:
    return text(value).startswith(text(part))


def _ends_with(value: Any, part: Any) -> bool:
    return text(value).endswith(text(part))


def _url_encode(value: Any) -> str:
    # As encodeURIComponent of JavaScript; half of a surrogate pair becomes a question mark.
    return bounded(quote(text(value).encode("utf-8", "replace"), safe="!'()*~"))


FUNCTIONS = (
    Function("upper", _upper, "text", "All letters large.", "{{upper code}}", '{"code": "ab1"}', "AB1"),
    Function("lower", _lower, "text", "All letters small.", "{{lower code}}", '{"code": "AB1"}', "ab1"),
    Function("capitalize", _capitalize, "text", "The first letter large; the others stay.", "{{capitalize name}}", '{"name": "ada"}', "Ada"),
    Function("trim", _trim, "text", "Without whitespace at either end.", "[{{trim name}}]", '{"name": " Ada "}', "[Ada]"),
    Function(
        "replace", _replace, "text old new", "Every `old` becomes `new`.",
        '{{replace number "-" " "}}', '{"number": "12-34-56"}', "12 34 56", 3, 3,
    ),
    Function(
        "truncate", _truncate, "text length ending?", "At most so many characters; what is cut ends with `…`, or with `ending`.",
        "{{truncate title 10}}", '{"title": "A rather long title"}', "A rather…", 2, 3,
    ),
    Function(
        "substring", _substring, "text start end?", "The characters from `start`, counted from 0, up to but not with `end`.",
        "{{substring code 0 2}}", '{"code": "DE-17"}', "DE", 2, 3,
    ),
    Function(
        "split", _split, "text separator?", "A list of the parts between separators (`,`).",
        "{{#each (split tags)}}[{{this}}]{{/each}}", '{"tags": "a,b"}', "[a][b]", 1, 2,
    ),
    Function(
        "concat", _concat, "text …", "The texts after one another.",
        '{{concat first " " last}}', '{"first": "Ada", "last": "King"}', "Ada King", 1, None,
    ),
    Function("contains", _contains, "text part", "True where the text, the list or the object has the part, item or key.",
                 '{{#if (contains tags "new")}}New!{{/if}}', '{"tags": ["new", "sale"]}', "New!", 2, 2, takes_missing=True, is_condition=True),
    Function("startsWith", _starts_with, "text part", "True where the text begins with the part.",
                 '{{#startsWith sku "B"}}Book{{/startsWith}}', '{"sku": "B-17"}', "Book", 2, 2, takes_missing=True, is_condition=True),
    Function("endsWith", _ends_with, "text part", "True where the text ends with the part.",
                 '{{#endsWith file ".pdf"}}PDF{{/endsWith}}', '{"file": "a.pdf"}', "PDF", 2, 2, takes_missing=True, is_condition=True),
    Function(
        "urlencode", _url_encode, "text", "As a part of a URL.",
        "https://example.com/?q={{urlencode query}}", '{"query": "a b&c"}', "https://example.com/?q=a%20b%26c",
    ),
)  # fmt: skip

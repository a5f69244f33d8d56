"""The ``substitutions`` of a call: data for its template, or texts that take the place of their names where it has none."""

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from postroad.dialects.headers.values import OptionValueError, kind_of, read_json_object, shown
from postroad.dialects.substitution import Allowance, Replacer
from postroad.protocol.form import Form

MOST = 500
"""Names of a call without a template."""
_IN_BODIES = ("text", "html", "amp-html")
_LINE_ENDS = re.compile(r"[\r\n]+[ \t]*")


def read_substitutions(text: str) -> dict[str, Any]:
    """Read the JSON object; ``null`` is as good as an empty one. Raises OptionValueError."""
    return {} if text.strip() == "null" else read_json_object(text)


def texts_of(given: Mapping[str, Any]) -> dict[str, str]:
    """Return what each name stands for where there is no template; raises OptionValueError."""
    if len(given) > MOST:
        raise OptionValueError(f"holds {len(given)} names; at most {MOST} are possible without a template")
    texts: dict[str, str] = {}
    for name, value in given.items():
        if not name:
            raise OptionValueError("holds a value without a name")
        text = _text(value)
        if text is None:
            raise OptionValueError(f"must hold a text for {shown(name)}, not {kind_of(value)}")
        if "\0" in text:
            raise OptionValueError(f"holds a NUL for {shown(name)}, which no message may hold")
        texts[name] = text
    return texts


def _text(value: object) -> str | None:
    match value:
        case str():
            return value
        case None:
            return ""
        case bool() | int() | float():
            return msgspec.json.encode(value).decode()
    return None


class Substituted:
    """The texts of a call with names replaced: what was put in is never looked at again."""

    def __init__(self, texts: Mapping[str, str]) -> None:
        self._texts = texts
        # A value can never begin a new line of the header.
        self._lines = {name: _LINE_ENDS.sub(" ", text) for name, text in texts.items()}
        self._replacer = Replacer(texts, {}, allowance=Allowance())

    def form(self, form: Form) -> Form:
        """Return a form with its subject and bodies as they are sent. Raises AllowanceError."""
        fields = dict(form.fields)
        for name in ("subject", *_IN_BODIES):
            if name in fields:
                written = self._texts if name in _IN_BODIES else self._lines
                fields[name] = [
                    self._replacer.replaced(one, written.__getitem__).encode("utf-8", "replace")
                    for one in form.texts(name)
                ]
        return msgspec.structs.replace(form, fields=fields)

    def line(self, text: str) -> str:
        """Return the value of a header field as it is sent. Raises AllowanceError."""
        return self._replacer.replaced(text, self._lines.__getitem__)

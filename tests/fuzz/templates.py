"""Fuzz target: a template and, after a NUL, its data in JSON; only a TemplateError may come of it.

``python -m tests.fuzz templates`` runs it.
"""

import json

from postroad.templates import Limits, TemplateError, compile_template

_LIMITS = Limits(steps=5000, output_octets=50_000)


def run_one(data: bytes) -> None:
    """Compile and render; any other exception or a broken promise is a finding."""
    written, _, values = data.partition(b"\0")
    source = written.decode("utf-8", "replace")
    try:
        given = json.loads(values)
    except (ValueError, RecursionError):
        given = {"a": {"b": "<x>", "c": None}, "list": [1, {"a": "x"}, [2.5]], "n": 3}
    try:
        template = compile_template(source, name="fuzzed")
        rendered = template.render(given, partials={"p": template}, limits=_LIMITS)
        kept = template.render(given, partials={"p": template}, limits=_LIMITS, escape=False, on_missing="keep")
    except TemplateError as error:
        _check(error, source)
        return
    assert rendered.missing == kept.missing
    assert len(rendered.text.encode("utf-8", "surrogatepass")) <= _LIMITS.output_octets
    if "{{" not in source:
        assert rendered.text == source


def _check(error: TemplateError, source: str) -> None:
    assert 1 <= error.line <= source.count("\n") + 1
    assert error.column >= 1
    assert error.sentence.endswith(".")

"""Templates: compiled once, rendered with the data of each message."""

from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from postroad.templates.compiler import Compiled, Compiler
from postroad.templates.limits import DEFAULT_LIMITS, Limits
from postroad.templates.parser import parse
from postroad.templates.place import Source
from postroad.templates.run import Frame, Run, Scope
from postroad.templates.whitespace import control


class Rendered(msgspec.Struct, frozen=True):
    """What a template made."""

    text: str
    missing: tuple[str, ...]
    """The variables that were to be written but are not in the data, in the order of their first use."""
    steps: int = 0
    """How many of the steps that one rendering may take it took."""


class Template:
    """A template that was understood; ``compile_template`` makes it. It may be kept and shared."""

    __slots__ = ("_by_escaping", "_program", "_source", "makes_partial_names", "name", "partials")

    def __init__(self, source: Source) -> None:
        self._source = source
        self.name = source.name
        self._program = parse(source)
        control(self._program)
        compiler = Compiler(source, is_escaped=True)
        self._by_escaping = {True: compiler.template(self._program)}
        self.partials = frozenset(compiler.partial_names)
        """The partials that it names; those whose names are made while rendering are not among them."""
        self.makes_partial_names = compiler.makes_partial_names
        """Whether there are any of the latter."""

    def compiled(self, *, is_escaped: bool) -> Compiled:
        """Return what writes it, as HTML or as plain text."""
        compiled = self._by_escaping.get(is_escaped)
        if compiled is None:
            compiled = Compiler(self._source, is_escaped=is_escaped).template(self._program)
            self._by_escaping[is_escaped] = compiled
        return compiled

    def render(
        self,
        data: Any,
        *,
        partials: Mapping[str, "Template"] | None = None,
        limits: Limits = DEFAULT_LIMITS,
        escape: bool = True,
        on_missing: Literal["empty", "keep"] = "empty",
    ) -> Rendered:
        """Return the text for this data; raises TemplateError.

        Args:
            data: Dicts with text keys, lists, texts, numbers, booleans and None. It is read, never changed.
            partials: The templates that ``{{> name}}`` may name.
            limits: How much it may do.
            escape: Whether ``{{x}}`` writes HTML; a subject or a plain text is written as it is.
            on_missing: What stands for a variable that is not in the data: nothing, or the mustache as written.
        """
        compiled = self.compiled(is_escaped=escape)
        run = Run(data, {**partials} if partials else {}, limits, is_escaped=escape, keeps_missing=on_missing == "keep")
        run.steps -= compiled.cost
        if run.steps < 0:
            self._source.refuse(0, "The template takes more steps than one message may.")
        text = compiled.write(data, Scope(data, None, Frame(None), None, run))
        if len(text) > limits.output_octets or (
            len(text) * 4 > limits.output_octets
            and not text.isascii()
            and len(text.encode("utf-8", "surrogatepass")) > limits.output_octets
        ):
            self._source.refuse(0, "The result is larger than one message may be.")
        return Rendered(text, tuple(run.missing), limits.steps - run.steps)


def compile_template(source: str, *, name: str = "template") -> Template:
    """Return the template that a text describes; raises TemplateError where it is not understood.

    Args:
        source: The template's text.
        name: What errors call it, such as ``welcome.html`` or ``welcome.html, version 3``.
    """
    return Template(Source(source, name))

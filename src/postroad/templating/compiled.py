"""A version of a stored template, compiled, and what is rendered of it and its partials."""

from collections.abc import Iterator, Mapping
from typing import Literal

import msgspec

from postroad.model.template import TemplateSource
from postroad.policy.template_name import key_of, lookup_keys
from postroad.templates import DEFAULT_LIMITS, Limits, Rendered, Template, TemplateError, compile_template
from postroad.templating.derived import text_of, with_inlined_css

PARTS = ("html", "text", "subject")
_HEAVY_OCTETS = 64 * 1024
LIGHT = Limits(steps=5_000, output_octets=128 * 1024)
"""What may be rendered while others wait: some milliseconds. A table of 20 rows takes a few hundred steps."""
_SHOWN = {"html": "HTML", "text": "text", "subject": "subject"}


class PartError(Exception):
    """A part of a template that is not understood, or cannot be rendered."""

    def __init__(self, part: str, error: TemplateError) -> None:
        super().__init__(str(error))
        self.part = part
        self.line = error.line
        self.column = error.column
        self.sentence = error.sentence


class Content(msgspec.Struct, frozen=True):
    """What a template makes for one recipient."""

    html: str | None
    text: str | None
    subject: str | None
    """None where the message keeps its own."""
    missing: tuple[str, ...] = ()
    """The variables that were to be written but are not there."""


class CompiledVersion(msgspec.Struct, frozen=True):
    """A version that can be rendered; its parts are None where it has none."""

    name: str
    label: str
    """Its number, or a word such as ``draft``."""
    html: Template | None
    text: Template | None
    subject: Template | None
    inlines_css: bool
    octets: int

    @property
    def parts(self) -> tuple[Template, ...]:
        """Those of its parts that are there."""
        return tuple(part for part in (self.html, self.text, self.subject) if part is not None)

    @property
    def partial_names(self) -> frozenset[str]:
        """The partials that it names."""
        return frozenset().union(*(part.partials for part in self.parts))

    @property
    def makes_partial_names(self) -> bool:
        """Whether it can call partials by names that are made while it is rendered."""
        return any(part.makes_partial_names for part in self.parts)


def compiled(name: str, label: str, source: TemplateSource) -> CompiledVersion:
    """Compile a version; raises PartError.

    Args:
        name: The template's name.
        label: The version's number, or a word such as ``draft``.
        source: What it is written as.
    """
    parts: dict[str, Template | None] = {}
    for part in PARTS:
        text = getattr(source, part)
        try:
            title = f"Template {name}, version {label}, {_SHOWN[part]}"
            parts[part] = compile_template(text, name=title) if text else None
        except TemplateError as error:
            raise PartError(part, error) from error
    return CompiledVersion(name, label, **parts, inlines_css=source.inlines_css, octets=source.octets)


class Rendering(msgspec.Struct):
    """A version with all that it is rendered from."""

    root: CompiledVersion
    in_html: Mapping[str, Template]
    """The partials, by every name that they are called by."""
    in_text: Mapping[str, Template]
    was_heavy: bool = False
    """Whether some data made more work of it than LIGHT; it is not tried again whether other data does."""

    @classmethod
    def of(cls, root: CompiledVersion, partials: Mapping[str, CompiledVersion]) -> "Rendering":
        """Return a version with its partials, which are given by their keys."""
        in_html: dict[str, Template] = {}
        in_text: dict[str, Template] = {}
        for name in {one.name for one in partials.values()} | _names_in(root, partials):
            found = named(name, partials)
            if found is None:
                continue
            if (html := found.html or found.text) is not None:
                in_html[name] = html
            if (text := found.text or found.html) is not None:
                in_text[name] = text
        return cls(root, in_html, in_text)

    @property
    def is_heavy(self) -> bool:
        """Whether it may take long enough that others should go on meanwhile."""
        return self.was_heavy or self.root.inlines_css or self.root.octets > _HEAVY_OCTETS

    def content(
        self,
        data: Mapping[str, object],
        on_missing: Literal["empty", "keep"] = "empty",
        limits: Limits = DEFAULT_LIMITS,
    ) -> Content:
        """Return what it makes of data; raises PartError."""
        html = self._part("html", data, on_missing, limits)
        text = self._part("text", data, on_missing, limits)
        subject = self._part("subject", data, on_missing, limits)
        missing = [name for one in (html, text, subject) if one is not None for name in one.missing]
        written = None if html is None else self._styled(html.text)
        if text is not None:
            plain: str | None = text.text
        else:
            plain = None if html is None else text_of(html.text)
        return Content(
            html=written,
            text=plain,
            # RFC 5322 §2.2: a field is one line.
            subject=None if subject is None else " ".join(subject.text.split()),
            missing=tuple(dict.fromkeys(missing)),
        )

    def _part(
        self,
        part: Literal["html", "text", "subject"],
        data: Mapping[str, object],
        on_missing: Literal["empty", "keep"],
        limits: Limits,
    ) -> Rendered | None:
        template: Template | None = getattr(self.root, part)
        if template is None:
            return None
        is_html = part == "html"
        partials = self.in_html if is_html else self.in_text
        try:
            return template.render(data, partials=partials, limits=limits, escape=is_html, on_missing=on_missing)
        except TemplateError as error:
            raise PartError(part, error) from error

    def _styled(self, html: str) -> str:
        if not self.root.inlines_css:
            return html
        try:
            return with_inlined_css(html)
        except ValueError as error:
            assert self.root.html is not None
            raise PartError("html", TemplateError(self.root.html.name, 1, 1, str(error))) from error


def named(name: str, by_key: Mapping[str, CompiledVersion]) -> CompiledVersion | None:
    """Return what a name finds."""
    return next((by_key[key] for key in lookup_keys(name) if key in by_key), None)


def keyed(versions: Iterator[CompiledVersion]) -> dict[str, CompiledVersion]:
    """Return versions by the keys of their templates."""
    return {key_of(one.name): one for one in versions}


def _names_in(root: CompiledVersion, partials: Mapping[str, CompiledVersion]) -> frozenset[str]:
    return root.partial_names.union(*(one.partial_names for one in partials.values()))

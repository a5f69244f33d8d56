"""Stored templates: a sending domain's own, by name, each with versions of which one is active."""

import msgspec

REPLACED = "replaced-"
"""What the tag of a version begins with, before its number, which another one took the place of and which nobody is told."""

LONGEST_DESCRIPTION = 500
"""Characters of what people are told of a template, or of a version."""


class TemplateSource(msgspec.Struct, frozen=True, kw_only=True):
    """What a version is written as; HTML or text is there, often both."""

    html: str = ""
    text: str = ""
    """Empty where it is derived from the HTML."""
    subject: str = ""
    """Empty where messages bring their own."""
    inlines_css: bool = False
    """The rules of style elements are written into the elements that they are for."""

    @property
    def octets(self) -> int:
        """How large it is."""
        return sum(len(part.encode("utf-8", "replace")) for part in (self.html, self.text, self.subject))


class VersionFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a version besides what it is written as; nothing of it ever changes."""

    id: int
    template_id: int
    number: int
    """From 1, in the order in which they were made."""
    tag: str | None = None
    """A name of its own beside the number."""
    note: str = ""
    created_at: int
    created_by: str

    @property
    def is_replaced(self) -> bool:
        """Whether it is kept only for the messages that were accepted with it."""
        return self.tag == f"{REPLACED}{self.number}"

    @property
    def label(self) -> str:
        """How people name it."""
        return str(self.number) if self.tag is None else f"{self.number} ({self.tag})"


class TemplateVersion(VersionFacts, frozen=True, kw_only=True):
    """One state of a template."""

    source: TemplateSource


class StoredTemplate(msgspec.Struct, frozen=True, kw_only=True):
    """A template of a sending domain."""

    id: int
    account_id: int
    domain_id: int
    name: str
    """As it was first written; compared without case within the domain."""
    created_at: int
    active_version_id: int = 0
    active_number: int = 0
    """The version that a message has which names none."""
    description: str = ""


class ActiveTemplate(msgspec.Struct, frozen=True):
    """A template as messages find it: under which key, and by which version."""

    key: str
    template_id: int
    version_id: int

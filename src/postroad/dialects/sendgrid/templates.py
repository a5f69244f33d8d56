"""SendGrid's templates and their versions: what a call says of one, and how one is told."""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from postroad.dialects.sendgrid.bodies import object_from, required_text
from postroad.model.refused import MissingError, RefusedError
from postroad.model.template import REPLACED, StoredTemplate, TemplateSource, TemplateVersion, VersionFacts

EMPTY_TAG = "no-version-yet"
EMPTY = TemplateSource(html="{{> no-version-yet}}")
"""What a template is until its first version comes: messages made of it are refused, as there is no such partial."""
_DYNAMIC = "d-"
LONGEST_NAME = 100
_IN_PLACE_OF = "in-place-of-"
"""A version is written over by another one that is known by its number from then on, and that itself is told no more."""


MOST_PER_PAGE = 200
_GENERATIONS = ("legacy", "dynamic")


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """Which templates are asked for."""

    generations: tuple[str, ...]
    size: int
    offset: int
    is_told: bool
    """Whether the call names a size: who does gets ``result`` and where it goes on."""


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """What a call says of a version; None for what it does not say."""

    html: str | None
    text: str | None
    subject: str | None
    name: str | None
    is_active: bool | None

    @property
    def rewrites(self) -> bool:
        """Whether it says more than which version is active."""
        return any(one is not None for one in (self.html, self.text, self.subject, self.name))

    def source(self, before: TemplateSource | None = None) -> TemplateSource:
        """Return what the version is written as, over another one."""
        base = before or TemplateSource()
        return msgspec.structs.replace(
            base,
            html=base.html if self.html is None else self.html,
            text=base.text if self.text is None else self.text,
            subject=base.subject if self.subject is None else self.subject,
        )


def read_page(query: Mapping[str, str]) -> Page:
    """Read the parameters of the list. Raises RefusedError."""
    generations = tuple(one.strip() for one in (query.get("generations") or "legacy").split(","))
    if not set(generations) <= set(_GENERATIONS):
        raise RefusedError("generations must be legacy, dynamic or both with a comma between", field="generations")
    size, token = query.get("page_size", ""), query.get("page_token", "")
    for name, text in (("page_size", size), ("page_token", token)):
        if text and not (text.isascii() and text.isdigit() and len(text) <= 6):
            raise RefusedError(f"{name} must be a whole number", field=name)
    if size and not 1 <= int(size) <= MOST_PER_PAGE:
        raise RefusedError(f"page_size must be 1 to {MOST_PER_PAGE}", field="page_size")
    return Page(generations=generations, size=int(size or MOST_PER_PAGE), offset=int(token or "0"), is_told=bool(size))


def listing(page: Page, told: list[dict[str, Any]], count: int) -> dict[str, Any]:
    """Return how a part of the list is told."""
    if not page.is_told:
        return {"templates": told}
    path = f"/v3/templates?generations={','.join(page.generations)}&page_size={page.size}&page_token="
    metadata: dict[str, Any] = {"self": f"{path}{page.offset}", "count": count}
    if page.offset + page.size < count:
        metadata["next"] = f"{path}{page.offset + page.size}"
    return {"result": told, "_metadata": metadata}


def generation_of(one: StoredTemplate) -> str:
    """Return which of the vendor's two kinds a template's name makes it."""
    return "dynamic" if one.name.startswith(_DYNAMIC) else "legacy"


class New(msgspec.Struct, frozen=True):
    """A template that is to be made."""

    id: str
    """The name without blanks, which that of a dynamic one begins with ``d-``."""
    name: str


def read_new(document: Any) -> New:
    """Read the body of a call that makes a template. Raises RefusedError."""
    fields = document if isinstance(document, dict) else {}
    name = read_name(fields)
    slug = re.sub(r"[\s:/\\{}\"<>]+", "-", name).strip("-").lower()
    if not slug:
        raise RefusedError("name is required", field="name")
    generation = fields.get("generation", "legacy")
    if generation not in _GENERATIONS:
        raise RefusedError("generation must be legacy or dynamic", field="generation")
    return New(slug if generation == "legacy" or slug.startswith(_DYNAMIC) else f"{_DYNAMIC}{slug}", name)


def read_name(document: Any) -> str:
    """Read what a template is to be called. Raises RefusedError."""
    return required_text(object_from(document), "name", LONGEST_NAME)


def read_version(document: Any) -> Wish:
    """Read the body of a call that makes or changes a version. Raises RefusedError."""
    fields = document if isinstance(document, dict) else {}
    active = fields.get("active")
    if active is not None and active not in (0, 1):
        raise RefusedError("active must be 0 or 1", field="active")
    return Wish(
        html=_text(fields, "html_content"),
        text=_text(fields, "plain_content"),
        subject=_text(fields, "subject"),
        name=_text(fields, "name"),
        is_active=None if active is None else bool(active),
    )


def is_told(facts: VersionFacts) -> bool:
    """Whether a version is one for callers: it is written, and no other one has taken its place."""
    tag = facts.tag or ""
    return tag != EMPTY_TAG and not tag.startswith(REPLACED)


def id_of(facts: VersionFacts) -> str:
    """Return what callers know a version by: it stays the same when the version is written over."""
    return (facts.tag or str(facts.number)).removeprefix(_IN_PLACE_OF)


def named(wanted: str, versions: Sequence[VersionFacts]) -> VersionFacts:
    """Return the version of an id; raises MissingError."""
    found = next((one for one in versions if is_told(one) and id_of(one) == wanted), None)
    # Who knows of numbers only finds a version that has a tag as well.
    found = found or next((one for one in versions if is_told(one) and str(one.number) == wanted), None)
    if found is None:
        raise MissingError(f"there is no version {wanted[:80]}", field="version_id")
    return found


def replacing_tags(old: VersionFacts) -> tuple[str, str]:
    """Return the tags of what takes the place of a version, and of that version from then on."""
    return old.tag or f"{_IN_PLACE_OF}{old.number}", f"{REPLACED}{old.number}"


def template(one: StoredTemplate, versions: Sequence[VersionFacts]) -> dict[str, Any]:
    """Return how a template is told, its versions without what they are written as."""
    shown = [version(one, facts) for facts in versions if is_told(facts)]
    return {
        "id": one.name,
        "name": one.description or one.name,
        "generation": generation_of(one),
        "updated_at": _date(max([one.created_at, *(facts.created_at for facts in versions)])),
        "versions": shown,
    }


def version(of: StoredTemplate, facts: VersionFacts) -> dict[str, Any]:
    """Return how a version is told."""
    told: dict[str, Any] = {
        "id": id_of(facts),
        "template_id": of.name,
        "active": int(facts.id == of.active_version_id),
        "name": facts.note or facts.label,
        "editor": "code",
        "updated_at": _date(facts.created_at),
    }
    if isinstance(facts, TemplateVersion):
        source = facts.source
        told |= {
            "html_content": source.html,
            "plain_content": source.text,
            "generate_plain_content": not source.text,
            "subject": source.subject,
        }
    return told


def _date(instant: int) -> str:
    return datetime.fromtimestamp(instant / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S")


def _text(fields: Mapping[str, Any], name: str) -> str | None:
    value = fields.get(name)
    if value is not None and not isinstance(value, str):
        raise RefusedError(f"{name} must be a text", field=name)
    return value

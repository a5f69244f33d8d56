"""Stored templates by our own API, with their versions."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType

from postroad.dialects.postroad.answers import instant
from postroad.dialects.postroad.operation import DomainName, Instant, Next, Operation, PageQuery
from postroad.model.template import StoredTemplate, TemplateSource, VersionFacts

_Name = Annotated[str, Meta(min_length=1, max_length=128, examples=["welcome"])]
_Tag = Annotated[str, Meta(max_length=128, description="A name of the version beside its number.", examples=["spring"])]
_Note = Annotated[str, Meta(max_length=500, description="What is new in it.")]
_Description = Annotated[str, Meta(max_length=500, description="What it is for.")]


class TemplatesQuery(PageQuery, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which templates."""

    domain: Annotated[DomainName | None, Meta(description="The sending domain.")] = None
    name: (
        Annotated[str, Meta(min_length=1, max_length=128, description="Its name, whole.", examples=["welcome"])] | None
    ) = None


class VersionSource(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a version is written as, in the template language: HTML, or text, or both."""

    html: str = ""
    text: Annotated[str, Meta(description="Made from the HTML where it is empty.")] = ""
    subject: Annotated[str, Meta(description="Empty where messages bring their own.")] = ""
    inlines_css: Annotated[bool, Meta(description="Writes the rules of style elements into the elements.")] = False
    note: _Note = ""

    @property
    def source(self) -> TemplateSource:
        """The same as it is stored."""
        return TemplateSource(html=self.html, text=self.text, subject=self.subject, inlines_css=self.inlines_css)


class NewVersion(VersionSource, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A version to add."""

    tag: _Tag = ""
    is_active: Annotated[bool, Meta(description="Messages use it from now on.")] = False


class NewTemplate(VersionSource, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A template to add, with its first version, which is the active one."""

    domain: DomainName
    name: _Name
    description: _Description = ""
    tag: _Tag = ""


class TemplateChange(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is to be otherwise with a template; what is not said stays as it is."""

    description: _Description | UnsetType = UNSET
    active_version: Annotated[
        int | UnsetType, Meta(description="The number of the version that messages use which name none.", examples=[3])
    ] = UNSET


class Trial(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a version is tried with."""

    variables: dict[str, Any] = {}


class ShownVersion(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a version."""

    number: int
    tag: str | None
    note: str
    is_active: bool
    created_at: Instant
    created_by: str


class WholeVersion(ShownVersion, frozen=True, kw_only=True):
    """A version with what it is written as."""

    html: str
    text: str
    subject: str
    inlines_css: bool


class ListedTemplate(msgspec.Struct, frozen=True, kw_only=True):
    """A template as a list has it."""

    id: str
    domain: Annotated[str | None, Meta(description="The sending domain.")]
    name: str
    description: str
    active_version: Annotated[int, Meta(description="The version that messages use which name none.")]
    created_at: Instant


class ShownTemplate(ListedTemplate, frozen=True, kw_only=True):
    """A template with its versions."""

    versions: Annotated[tuple[ShownVersion, ...], Meta(description="The newest first.")]


class TemplatePage(msgspec.Struct, frozen=True, kw_only=True):
    """Templates in the order in which they were made."""

    templates: tuple[ListedTemplate, ...]
    next: Next


class VersionPage(msgspec.Struct, frozen=True, kw_only=True):
    """Versions of a template, the newest first."""

    versions: tuple[ShownVersion, ...]
    next: Next


class Rendered(msgspec.Struct, frozen=True, kw_only=True):
    """What a version makes of some variables."""

    html: str | None
    text: str | None
    subject: Annotated[str | None, Meta(description="Null where the message keeps its own.")]
    missing: Annotated[tuple[str, ...], Meta(description="Variables that were to be written but are not there.")]


def listed(template: StoredTemplate, domain: str | None) -> ListedTemplate:
    """Return a template as a list has it."""
    return ListedTemplate(**_facts(template, domain))


def shown(template: StoredTemplate, domain: str | None, versions: Sequence[VersionFacts]) -> ShownTemplate:
    """Return a template with its versions."""
    told = tuple(version(template, one) for one in versions)
    return ShownTemplate(**_facts(template, domain), versions=told)


def _facts(template: StoredTemplate, domain: str | None) -> dict[str, Any]:
    return {
        "id": str(template.id),
        "domain": domain,
        "name": template.name,
        "description": template.description,
        "active_version": template.active_number,
        "created_at": instant(template.created_at),
    }


def version(template: StoredTemplate, facts: VersionFacts) -> ShownVersion:
    """Return what is known of a version."""
    return ShownVersion(**_version_facts(template, facts))


def whole_version(template: StoredTemplate, facts: VersionFacts, source: TemplateSource) -> WholeVersion:
    """Return a version with what it is written as."""
    return WholeVersion(
        **_version_facts(template, facts),
        html=source.html,
        text=source.text,
        subject=source.subject,
        inlines_css=source.inlines_css,
    )


def _version_facts(template: StoredTemplate, facts: VersionFacts) -> Mapping[str, Any]:
    return {
        "number": facts.number,
        "tag": facts.tag,
        "note": facts.note,
        "is_active": facts.number == template.active_number,
        "created_at": instant(facts.created_at),
        "created_by": facts.created_by,
    }


_AT = 1_795_775_400_000
_TEMPLATE = StoredTemplate(
    id=17, account_id=1, domain_id=1, name="welcome", created_at=_AT, active_number=1, description="The first letter"
)
_VERSION = VersionFacts(
    id=1, template_id=17, number=1, tag="spring", note="first", created_at=_AT, created_by="pr_acc_1a2"
)
_SOURCE = TemplateSource(html="<p>Hello {{name}}</p>", subject="Welcome, {{name}}")
_SAMPLE = shown(_TEMPLATE, "news.example.com", [_VERSION])
_WHOLE = whole_version(_TEMPLATE, _VERSION, _SOURCE)
_WRITTEN = {"html": "<p>Hello {{name}}</p>", "subject": "Welcome, {{name}}", "note": "first"}
_ALL, _ONE = "/templates", "/templates/{template_id}"
_VERSIONS, _ONE_VERSION = f"{_ONE}/versions", f"{_ONE}/versions/{{version}}"
LIST_TEMPLATES = Operation(
    name="listTemplates",
    method="GET",
    path=_ALL,
    summary="List the stored templates",
    query=TemplatesQuery,
    answer=TemplatePage,
    sample=TemplatePage(templates=(listed(_TEMPLATE, "news.example.com"),), next=None),
)
ADD_TEMPLATE = Operation(
    name="addTemplate",
    method="POST",
    path=_ALL,
    summary="Add a template with its first version",
    body=NewTemplate,
    answer=ShownTemplate,
    status=201,
    sample=_SAMPLE,
    sample_body={"domain": "news.example.com", "name": "welcome", **_WRITTEN, "tag": "spring"},
)
SHOW_TEMPLATE = Operation(
    name="showTemplate", method="GET", path=_ONE, summary="See a template", answer=ShownTemplate, sample=_SAMPLE
)
CHANGE_TEMPLATE = Operation(
    name="changeTemplate",
    method="PATCH",
    path=_ONE,
    summary="Say what a template is for, or make another of its versions the active one",
    body=TemplateChange,
    answer=ShownTemplate,
    sample=_SAMPLE,
    sample_body={"description": "The first letter", "active_version": 1},
)
REMOVE_TEMPLATE = Operation(
    name="removeTemplate",
    method="DELETE",
    path=_ONE,
    summary="Remove a template that no message is made of which is not delivered yet",
    status=204,
)
LIST_VERSIONS = Operation(
    name="listTemplateVersions",
    method="GET",
    path=_VERSIONS,
    summary="List the versions of a template, the newest first",
    query=PageQuery,
    answer=VersionPage,
    sample=VersionPage(versions=_SAMPLE.versions, next=None),
)
ADD_VERSION = Operation(
    name="addTemplateVersion",
    method="POST",
    path=_VERSIONS,
    summary="Add a version to a template",
    body=NewVersion,
    answer=WholeVersion,
    status=201,
    sample=_WHOLE,
    sample_body={**_WRITTEN, "tag": "spring", "is_active": True},
)
SHOW_VERSION = Operation(
    name="showTemplateVersion",
    method="GET",
    path=_ONE_VERSION,
    summary="See a version, by its number or tag, with what it is written as",
    answer=WholeVersion,
    sample=_WHOLE,
)
REPLACE_VERSION = Operation(
    name="replaceTemplateVersion",
    method="PUT",
    path=_ONE_VERSION,
    summary="Have a new version in the place of one: it takes over its tag, and is active where that was",
    body=VersionSource,
    answer=WholeVersion,
    sample=_WHOLE,
    sample_body=_WRITTEN,
)
REMOVE_VERSION = Operation(
    name="removeTemplateVersion",
    method="DELETE",
    path=_ONE_VERSION,
    summary="Remove a version that is not the active one",
    status=204,
)
RENDER_VERSION = Operation(
    name="renderTemplateVersion",
    method="POST",
    path=f"{_ONE_VERSION}/render",
    summary="See what a version makes of some variables; nothing is sent",
    body=Trial,
    answer=Rendered,
    sample=Rendered(html="<p>Hello Ada</p>", text=None, subject="Welcome, Ada", missing=()),
    sample_body={"variables": {"name": "Ada"}},
)
OPERATIONS = (
    LIST_TEMPLATES,
    ADD_TEMPLATE,
    SHOW_TEMPLATE,
    CHANGE_TEMPLATE,
    REMOVE_TEMPLATE,
    LIST_VERSIONS,
    ADD_VERSION,
    SHOW_VERSION,
    REPLACE_VERSION,
    REMOVE_VERSION,
    RENDER_VERSION,
)

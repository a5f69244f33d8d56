"""Stored templates as Mailgun tells of them: versions by their tags, and documents with both spellings of a page back."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from postroad.dialects.mailgun.parameters import Parameters, gmt
from postroad.model.refused import RefusedError
from postroad.model.template import StoredTemplate, TemplateSource, TemplateVersion, VersionFacts

USUAL_PER_PAGE, MOST_PER_PAGE = 10, 100
FIRST_TAG = "initial"
_ENGINE = "handlebars"


def document_of(template: StoredTemplate, first: VersionFacts | None = None) -> dict[str, Any]:
    """Return a template without its versions; ``first`` is the version that it was added with, where that is known."""
    return {
        "name": template.name,
        "description": template.description,
        "createdAt": gmt(template.created_at),
        "createdBy": "" if first is None else first.created_by,
        "id": str(template.id),
    }


def tag_of(version: VersionFacts) -> str:
    """Return what a version is called: its tag, or its number."""
    return version.tag or str(version.number)


def version_document(template: StoredTemplate, version: VersionFacts) -> dict[str, Any]:
    """Return a version, with what it is written as where that was read."""
    document: dict[str, Any] = {
        "tag": tag_of(version),
        "engine": _ENGINE,
        "comment": version.note,
        "createdAt": gmt(version.created_at),
        "active": version.id == template.active_version_id,
        "id": str(version.id),
    }
    if isinstance(version, TemplateVersion):
        source = version.source
        document["template"] = source.html or source.text
        document["headers"] = {"Subject": source.subject} if source.subject else {}
    return document


def read_source(parameters: Parameters) -> TemplateSource:
    """Return what a version is written as; raises RefusedError."""
    _require_engine(parameters)
    return TemplateSource(html=_needed_text(parameters), subject=_subject(parameters) or "")


def read_changed(parameters: Parameters, before: TemplateSource) -> TemplateSource | None:
    """Return what a version is written as from now on; None where that stays. Raises RefusedError."""
    _require_engine(parameters)
    subject = _subject(parameters)
    if not parameters.has("template") and subject is None:
        return None
    html = _needed_text(parameters) if parameters.has("template") else before.html
    after = msgspec.structs.replace(before, html=html, subject=before.subject if subject is None else subject)
    return None if after == before else after


def read_tag(parameters: Parameters) -> str:
    """Return the tag of a version, in lower case as all of them are."""
    return parameters.text("tag", FIRST_TAG).lower() or FIRST_TAG


def linked(paging: Mapping[str, str]) -> dict[str, str]:
    """Return the links of a page; clients ask for the one before by either of two words."""
    return {**paging, "prev": paging["previous"]}


def versions_document(template: StoredTemplate, versions: Sequence[VersionFacts], shown: Sequence[VersionFacts]) -> Any:
    """Return a template with some of its versions, which are all known."""
    return document_of(template, versions[-1]) | {"versions": [version_document(template, one) for one in shown]}


def _needed_text(parameters: Parameters) -> str:
    text = parameters.values.get("template", [""])[0]
    if not text.strip():
        raise RefusedError(
            "template parameter is missing: a template has its first version from the beginning", field="template"
        )
    return text


def _require_engine(parameters: Parameters) -> None:
    engine = parameters.text("engine", _ENGINE).lower()
    if engine and engine != _ENGINE:
        raise RefusedError(f"engine must be {_ENGINE}, not {engine[:40]}", field="engine")


def _subject(parameters: Parameters) -> str | None:
    given = parameters.text("headers")
    if not given:
        return None
    try:
        headers = msgspec.json.decode(given, type=dict[str, str])
    except (msgspec.ValidationError, msgspec.DecodeError, RecursionError) as error:
        raise RefusedError(f"headers must be a JSON object of texts: {error}", field="headers") from error
    by_name = {name.lower(): value for name, value in headers.items()}
    others = sorted(name for name in by_name if name != "subject" and by_name[name])
    if others:
        raise RefusedError(
            f"headers can have a Subject only, not {', '.join(others)[:200]}: each message says whom it is from",
            field="headers",
        )
    return by_name.get("subject")

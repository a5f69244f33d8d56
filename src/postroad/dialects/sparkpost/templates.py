"""Stored templates as SparkPost's API tells them: the active version is the published one, a newer one is the draft."""

from collections.abc import Mapping
from typing import Any

import msgspec

from postroad.dialects.sparkpost.errors import Fault, Refusal, missing
from postroad.dialects.sparkpost.values import flag, moment, part, text
from postroad.model.refused import RefusedError
from postroad.model.template import LONGEST_DESCRIPTION, StoredTemplate, TemplateSource, TemplateVersion

_TEXTS = ("html", "text", "subject")
_NOT_KEPT = ("reply_to", "headers", "email_rfc822", "amp_html")
TEMPLATE_PARTS = frozenset(_TEXTS)


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """What a call wants a template to be."""

    name: str
    title: str
    """What people call it, where the call says that beside its id."""
    description: str | None
    is_published: bool | None
    texts: Mapping[str, str]
    """Those of the content that the call says."""
    domain: str | None
    """Of the content's sender, whose template it is."""

    def source(self, before: TemplateSource | None = None) -> TemplateSource:
        """Return what the next version is written as: what is not said stays as it was."""
        return msgspec.structs.replace(before or TemplateSource(), **self.texts)


def read_template(document: Mapping[str, Any]) -> Wanted:
    """Read what a call wants; raises RefusedError."""
    content = part(document, "content")
    for name in _NOT_KEPT:
        if content.get(name):
            raise RefusedError(
                f"content.{name} is not kept in a template, which has html, text and subject: say it in the transmission",
                field=name,
            )
    texts = {name: text(content, name) for name in _TEXTS if content.get(name) is not None}
    title = text(document, "name")
    if len(title.strip()) > LONGEST_DESCRIPTION:
        raise RefusedError(f"name has at most {LONGEST_DESCRIPTION} characters", field="name")
    return Wanted(
        name=text(document, "id") or title,
        title=title,
        description=None if document.get("description") is None else text(document, "description"),
        is_published=flag(document, "published"),
        texts=texts,
        domain=_domain(content.get("from")),
    )


def _domain(sender: Any) -> str | None:
    if sender is None or sender == "":
        return None
    address = sender.get("email") if isinstance(sender, dict) else sender
    if isinstance(address, str):
        _, at, domain = address.strip().removesuffix(">").rpartition("@")
        if at and domain:
            return domain
    raise RefusedError("content.from must be an address, or an object with email and name", field="from")


def no_content() -> Refusal:
    """Return the answer to a template without content."""
    return Refusal(422, (missing("content.html or content.text is required"),))


def wrong_syntax(error: RefusedError) -> Refusal:
    """Return the answer to a text that the template language does not understand."""
    where = f"Error while compiling part {error.field}: {error}"
    return Refusal(422, (Fault("substitution language syntax error in template content", where, "3000", error.field),))


def listed(template: StoredTemplate, newest: int, changed_at: int, domain: str) -> dict[str, Any]:
    """Return a template as the list has it."""
    return {
        "id": template.name,
        "name": template.description or template.name,
        "published": newest == template.active_number,
        "has_published": True,
        "has_draft": newest > template.active_number,
        "last_update_time": moment(changed_at),
        "shared_with_subaccounts": False,
        "sending_domain": domain,
    }


def shown(template: StoredTemplate, newest: int, version: TemplateVersion, domain: str) -> dict[str, Any]:
    """Return one version of a template."""
    source = version.source
    content = {name: value for name in _TEXTS if (value := getattr(source, name))}
    return listed(template, newest, version.created_at, domain) | {
        "description": version.note,
        "published": version.number == template.active_number,
        "content": content,
    }

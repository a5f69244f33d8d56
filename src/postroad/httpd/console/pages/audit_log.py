"""The audit log: of an account under its settings, of the whole installation for operators."""

from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

import msgspec
from starlette.responses import Response
from starlette.routing import BaseRoute

from postroad.httpd.console.forms import Form
from postroad.httpd.console.route import Access, page
from postroad.httpd.console.view import View
from postroad.model.actor import Actor
from postroad.model.audit import AuditEntry
from postroad.model.refused import RefusedError
from postroad.storage.audit import AuditSelector

_OF_ACCOUNT = "/settings/audit-log"
_OF_INSTALLATION = "/audit-log"
_FILTERS = ("actor", "action", "target", "since", "until")
_LONGEST_VALUE = 300
_NONE = "none"


class Change(msgspec.Struct, frozen=True):
    """One value that changed, in words; None where there was none before, or is none after."""

    name: str
    before: str | None
    after: str | None


def routes() -> list[BaseRoute]:
    """Return the routes of the audit log."""
    return [
        page(_OF_ACCOUNT, of_account, access=Access.ACCOUNT),
        page(_OF_INSTALLATION, of_installation, access=Access.OPERATOR),
    ]


async def of_account(view: View) -> Response:
    """Show what was done in the account that is looked at."""
    return await _search(view, view.actor, _OF_ACCOUNT, "audit_log_of_account.html")


async def of_installation(view: View) -> Response:
    """Show what was done in the whole installation."""
    return await _search(view, view.operator, _OF_INSTALLATION, "audit_log.html")


async def _search(view: View, actor: Actor, path: str, template: str) -> Response:
    query = view.request.query_params
    form = Form([(name, value) for name, value in query.multi_items() if name in _FILTERS])
    try:
        selector, before = _selector(form), Form(query.multi_items()).number("before")
    except RefusedError as error:
        form.refuse(error)
        return view.page(template, status=422, form=form, rows=[], path=path, older=None, is_filtered=True)
    found = await view.console.audit_log.search(actor, selector, before=before)
    filters = {name: form.text(name) for name in _FILTERS if form.text(name)}
    older = None if found.before is None else f"{path}?{urlencode(filters | {'before': str(found.before)})}"
    rows = [(one, changes_of(one)) for one in found.entries]
    return view.page(template, form=form, rows=rows, path=path, older=older, is_filtered=bool(filters))


def _selector(form: Form) -> AuditSelector:
    until = _day(form, "until")
    return AuditSelector(
        actor=form.text("actor") or None,
        action=form.text("action") or None,
        target_contains=form.text("target") or None,
        since=_milliseconds(_day(form, "since")),
        until=_milliseconds(None if until is None else until + timedelta(days=1)),
    )


def _day(form: Form, name: str) -> datetime | None:
    text = form.text(name)
    if not text:
        return None
    try:
        return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError as error:
        raise RefusedError("Write a day as 2026-11-21.", field=name) from error


def _milliseconds(at: datetime | None) -> int | None:
    return None if at is None else int(at.timestamp() * 1000)


def changes_of(entry: AuditEntry) -> list[Change]:
    """Return old and new values side by side, in words."""
    before, after = entry.before or {}, entry.after or {}
    changes = [Change(name, _words(before, name), _words(after, name)) for name in dict.fromkeys([*before, *after])]
    # Of something new, what it was not given says nothing.
    return [one for one in changes if one.before is not None or one.after != _NONE]


def _words(values: dict[str, object], name: str) -> str | None:
    if name not in values:
        return None
    value = values[name]
    if isinstance(value, bool):
        text = "yes" if value else "no"
    elif value is None or value in ("", []):
        text = _NONE
    elif isinstance(value, list):
        text = ", ".join(str(one) for one in value)
    else:
        text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    return text if len(text) <= _LONGEST_VALUE else f"{text[:_LONGEST_VALUE]}…"

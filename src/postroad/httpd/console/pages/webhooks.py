"""Webhooks: where the events of sending domains are posted, how each address stands, and trying it."""

import re
from collections.abc import Sequence
from urllib.parse import quote, urlsplit, urlunsplit

from starlette.responses import Response
from starlette.routing import BaseRoute

from postroad.dialects import formats
from postroad.httpd.console.forms import Form
from postroad.httpd.console.pages.webhook_calls import log_of
from postroad.httpd.console.route import Access, page
from postroad.httpd.console.view import Flash, View
from postroad.httpd.console.webhook_words import FORMATS, SIGNED, TYPES, state_of, types_in_words
from postroad.model.domain import SendingDomain
from postroad.model.event import EventType
from postroad.model.options import CallbackFormat
from postroad.model.refused import RefusedError
from postroad.model.webhook import Webhook
from postroad.policy import webhook_url
from postroad.storage.webhook_log import LogSelector
from postroad.storage.webhook_standing import Standing
from postroad.webhooks.webhooks import WebhookChange

MOST_SHOWN = 200
_LONGEST_SHOWN = 120
_LIST = "/webhooks"
_ONE = "/webhooks/{webhook_id:id}"
_POST = ("POST",)
_PASSWORD = re.compile(r"(//[^/?#:@]*):[^/?#]*@")


def routes() -> list[BaseRoute]:
    """Return the routes of the webhooks."""
    return [
        page(_LIST, list_webhooks, access=Access.ACCOUNT),
        page(f"{_LIST}/new", new_webhook, access=Access.ADMIN),
        page(f"{_LIST}/new", add_webhook, access=Access.ADMIN, methods=_POST),
        page(_ONE, show_webhook, access=Access.ACCOUNT),
        page(f"{_ONE}/edit", ask_edit, access=Access.ADMIN),
        page(f"{_ONE}/edit", edit, access=Access.ADMIN, methods=_POST),
        page(f"{_ONE}/pause", pause, access=Access.ADMIN, methods=_POST),
        page(f"{_ONE}/resume", resume, access=Access.ADMIN, methods=_POST),
        page(f"{_ONE}/remove", ask_remove, access=Access.ADMIN),
        page(f"{_ONE}/remove", remove, access=Access.ADMIN, methods=_POST),
        page(f"{_ONE}/test", ask_test, access=Access.ADMIN),
        page(f"{_ONE}/test", test, access=Access.ADMIN, methods=_POST),
    ]


async def list_webhooks(view: View) -> Response:
    """Show the webhooks of the chosen domain, or all of the account."""
    every = await view.console.webhooks.addresses.all(view.actor, view.domain)
    found = every[:MOST_SHOWN]
    standings = await view.console.webhooks.log.standings(found)
    return view.page(
        "webhooks.html",
        rows=[(one, standings[one.id], state_of(one, standings[one.id].health)) for one in found],
        count=len(every),
        names={one.id: one.name for one in view.domains},
        formats=FORMATS,
        types_of=lambda one: types_in_words(one.event_types, one.format),
    )


async def new_webhook(view: View) -> Response:
    """Ask for an address, a format and types of events."""
    chosen = view.domain or (view.domains[0] if view.domains else None)
    pairs = [("format", CallbackFormat.STANDARD.value), *(("event_types", kind.value) for kind in EventType)]
    return _form_page(view, "webhook_new.html", Form(pairs + ([("domain", chosen.name)] if chosen else [])))


async def add_webhook(view: View) -> Response:
    """Add a webhook."""
    form = view.form
    try:
        chosen = _format(form)
        added = await view.console.webhooks.addresses.add(
            view.actor,
            _domain(view, form),
            _address(form),
            format=chosen,
            event_types=_types(form, chosen),
            token=form.text("token"),
            note=form.text("note"),
        )
    except RefusedError as error:
        return _form_page(view, "webhook_new.html", form.refuse(error), status=422)
    said = f"Events are posted to {_short(added.url)} from now on. Send a test to see that they are taken."
    return view.go(_path(added), said)


async def show_webhook(view: View) -> Response:
    """Show how a webhook stands, how its calls are signed, and the log of them."""
    found = await _webhook(view)
    [standing] = (await view.console.webhooks.log.standings([found])).values()
    log = await log_of(view, LogSelector(receiver=found.id), _path(found))
    key = ""
    if found.format is CallbackFormat.SENDGRID:
        key = await view.console.webhooks.log.public_key(found.account_id)
    return _of_one(view, "webhook.html", found, standing=standing, log=log, signed=SIGNED[found.format], public_key=key)


async def ask_edit(view: View) -> Response:
    """Show what a webhook is, to be changed."""
    found = await _webhook(view)
    address = webhook_url.read(found.url)
    pairs = [("url", address.url), ("username", address.username), ("note", found.note)]
    types = [("event_types", kind.value) for kind in found.event_types]
    return _form_page(view, "webhook_edit.html", Form([*pairs, ("format", found.format.value), *types]), found=found)


async def edit(view: View) -> Response:
    """Change a webhook."""
    form, found = view.form, await _webhook(view)
    try:
        chosen = _format(form)
        wanted = WebhookChange(
            url=_address(form),
            format=chosen,
            event_types=_types(form, chosen),
            note=form.text("note"),
            token="" if form.flag("without_token") else form.text("token") or None,
        )
        changed = await view.console.webhooks.addresses.edit(view.actor, found, wanted)
    except RefusedError as error:
        return _form_page(view, "webhook_edit.html", form.refuse(error), found=found, status=422)
    is_lost = (found.has_password and not changed.has_password) or (found.has_token and not changed.has_token)
    said = f"The webhook to {_short(changed.url)} was saved."
    if is_lost and not form.flag("without_token"):
        return view.go(_path(changed), Flash(f"{said} Its password or token was for another server or user.", "warn"))
    return view.go(_path(changed), said)


async def pause(view: View) -> Response:
    """Let calls wait."""
    found = await view.console.webhooks.addresses.pause(view.actor, _webhook_id(view))
    return view.go(_path(found), f"Calls to {_short(found.url)} wait until you resume it.")


async def resume(view: View) -> Response:
    """Let calls go on."""
    found = await view.console.webhooks.addresses.resume(view.actor, _webhook_id(view))
    return view.go(_path(found), f"Calls to {_short(found.url)} go on.")


async def ask_remove(view: View) -> Response:
    """Ask before a webhook is removed."""
    found = await _webhook(view)
    [standing] = (await view.console.webhooks.log.standings([found])).values()
    return _of_one(view, "webhook_remove.html", found, standing=standing)


async def remove(view: View) -> Response:
    """Remove a webhook."""
    removed = await view.console.webhooks.addresses.remove(view.actor, _webhook_id(view))
    return view.go(_LIST, f"The webhook to {_short(removed.url)} was removed.")


async def ask_test(view: View) -> Response:
    """Ask for the types of events that a sample is posted of."""
    found = await _webhook(view)
    return _test_page(view, found, Form([("kinds", kind.value) for kind in found.event_types]))


async def test(view: View) -> Response:
    """Post samples, and show the answer to each."""
    found = await _webhook(view)
    kinds = [kind for kind in found.event_types if kind.value in view.form.all("kinds")]
    try:
        if not kinds:
            raise RefusedError("Choose at least one type of event.", field="kinds")
        attempts = await view.console.webhooks.trial.run(view.actor, found, kinds)
    except RefusedError as error:
        return _test_page(view, found, view.form.refuse(error), status=422)
    return _of_one(view, "webhook_tested.html", found, attempts=attempts)


def _test_page(view: View, found: Webhook, form: Form, status: int = 200) -> Response:
    choices = [(kind.value, TYPES[kind][0], TYPES[kind][1], "") for kind in found.event_types]
    return _of_one(view, "webhook_test.html", found, status=status, form=form, choices=choices)


def _of_one(
    view: View, template: str, found: Webhook, *, standing: Standing | None = None, status: int = 200, **values: object
) -> Response:
    return view.page(
        template,
        status=status,
        found=found,
        path=_path(found),
        name=next((one.name for one in view.domains if one.id == found.domain_id), ""),
        standing=standing,
        state=None if standing is None else state_of(found, standing.health),
        format=FORMATS[found.format],
        types=types_in_words(found.event_types, found.format),
        **values,
    )


def _form_page(view: View, template: str, form: Form, *, found: Webhook | None = None, status: int = 200) -> Response:
    # A password in the address is no more shown again than one in its own field.
    form.put("url", _PASSWORD.sub(r"\1@", form.text("url")))
    return view.page(
        template,
        status=status,
        form=form,
        found=found,
        domains=[(one.name, one.name) for one in view.domains],
        formats=[(one.value, f"{label}: {line}") for one, (label, line) in FORMATS.items()],
        types=[(kind.value, label, line, " ".join(_speakers(kind))) for kind, (label, line) in TYPES.items()],
    )


def _speakers(kind: EventType) -> Sequence[str]:
    return [one.value for one in CallbackFormat if formats.of(one).speaks_of(kind)]


def _domain(view: View, form: Form) -> SendingDomain:
    name = form.text("domain")
    found = next((one for one in view.domains if one.name == name), None)
    if found is None:
        sentence = f"There is no sending domain {name}." if name else "Choose the sending domain whose events they are."
        raise RefusedError(sentence, field="domain")
    return found


def _format(form: Form) -> CallbackFormat:
    try:
        return CallbackFormat(form.text("format"))
    except ValueError as error:
        raise RefusedError("Choose a format.", field="format") from error


def _types(form: Form, chosen: CallbackFormat) -> list[EventType]:
    """Return the types that are ticked and that the format has words for: the page says that others are left out."""
    ticked = set(form.all("event_types"))
    found = [kind for kind in EventType if kind.value in ticked and formats.of(chosen).speaks_of(kind)]
    if not found:
        raise RefusedError(f"Choose types of events that {FORMATS[chosen][0]} has words for.", field="event_types")
    return found


def _address(form: Form) -> str:
    """Return the address with user and password in it; those of their own fields win."""
    url, username, password = form.text("url"), form.text("username"), form.secret("password")
    if not url:
        raise RefusedError("Write the address that events are posted to.", field="url")
    if not username and password:
        raise RefusedError("Write the user whom the password is of.", field="username")
    try:
        parts = urlsplit(url)
    except ValueError:
        return url
    if not username or not parts.netloc:
        return url
    login = quote(username, safe="") + (f":{quote(password, safe='')}" if password else "")
    return urlunsplit(parts._replace(netloc=f"{login}@{parts.netloc.rpartition('@')[2]}"))


def _short(url: str) -> str:
    # A flash travels in a cookie.
    return url if len(url) <= _LONGEST_SHOWN else f"{url[:_LONGEST_SHOWN]}…"


def _path(found: Webhook) -> str:
    return f"{_LIST}/{found.id}"


def _webhook_id(view: View) -> int:
    return int(view.request.path_params["webhook_id"])


async def _webhook(view: View) -> Webhook:
    return await view.console.webhooks.addresses.find(view.actor, _webhook_id(view))

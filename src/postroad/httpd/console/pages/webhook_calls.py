"""The log of webhook calls: searching it, one call, and making calls again."""

from collections.abc import Sequence
from datetime import UTC, datetime
from urllib.parse import urlencode

import msgspec
from starlette.responses import Response
from starlette.routing import BaseRoute

from postroad.httpd.console.forms import Form
from postroad.httpd.console.route import Access, page
from postroad.httpd.console.spans import SPANS, since_of
from postroad.httpd.console.view import Flash, View
from postroad.httpd.console.webhook_words import FORMATS, RESULTS, TYPES
from postroad.model.event import EventType
from postroad.model.ids import from_text, text_of
from postroad.model.refused import MissingError, RefusedError
from postroad.model.webhook import CallAttempt, CallResult, Webhook
from postroad.storage.webhook_log import LogSelector

PAGE_SIZE = 50
MOST_REPLAYED = 10_000
"""Calls that are made again from here; a command makes more."""
_LOG = "/webhooks/calls"
_CALL = "/webhooks/calls/{call_id}"
_REPLAY = "/webhooks/{webhook_id:id}/replay"
_POST = ("POST",)
_FAILED = (CallResult.FAILED, CallResult.REFUSED, CallResult.GIVEN_UP)
_FILTERS = ("result", "type", "span")
_DAY_MS = 86_400_000


class Log(msgspec.Struct, frozen=True, kw_only=True):
    """A page of the log, as templates show it."""

    form: Form
    path: str
    found: Sequence[CallAttempt]
    older: str | None
    is_cut: bool
    is_narrowed: bool
    names_address: bool = False
    """Calls to several addresses are among them."""
    spans = SPANS
    types = {kind.value: label for kind, (label, _) in TYPES.items()}
    results = RESULTS


def routes() -> list[BaseRoute]:
    """Return the routes of the calls."""
    return [
        page(_LOG, list_calls, access=Access.ACCOUNT),
        page(_CALL, show_call, access=Access.ACCOUNT),
        page(f"{_CALL}/replay", replay_call, access=Access.ADMIN, methods=_POST),
        page(_REPLAY, ask_replay, access=Access.ADMIN),
        page(_REPLAY, replay, access=Access.ADMIN, methods=_POST),
    ]


async def log_of(view: View, selector: LogSelector, path: str) -> Log:
    """Return the calls that the filters in the page's address leave, the newest first."""
    query = Form(view.request.query_params.multi_items())
    before = query.text("before")
    kind = query.text("type")
    narrowed = msgspec.structs.replace(
        selector,
        results=_FAILED if query.text("result") == "failed" else (),
        event_type=EventType(kind) if kind in {one.value for one in EventType} else None,
        since=since_of(query.text("span"), view.console.clock()),
    )
    found = await view.console.webhooks.log.search(
        view.actor, narrowed, PAGE_SIZE, before=_id_of(before) if before else None
    )
    kept = {name: query.text(name) for name in _FILTERS if query.text(name)}
    older = None if found.before is None else f"{path}?{urlencode(kept | {'before': text_of(found.before)})}"
    return Log(
        form=query,
        path=path,
        found=found.found,
        older=older,
        is_cut=found.is_cut,
        is_narrowed=bool(kept or before),
        names_address=selector.receiver is None,
    )


async def list_calls(view: View) -> Response:
    """Show the calls of the chosen domain, or all of the account, with those to addresses that messages name."""
    selector = LogSelector(domain_id=view.domain.id if view.domain else None)
    return view.page("webhook_log.html", log=await log_of(view, selector, _LOG))


async def show_call(view: View) -> Response:
    """Show one call with every attempt at it."""
    call_id = _call_id(view)
    story = await view.console.webhooks.log.story(view.actor, call_id)
    webhook = await _webhook_of(view, story.last)
    return view.page(
        "webhook_call.html",
        story=story,
        last=story.last,
        call_id=call_id,
        webhook=webhook,
        body=None if story.body is None else _readable(story.body),
        name=next((one.name for one in view.domains if one.id == story.last.domain_id), ""),
        format=FORMATS[story.last.format][0],
        results=RESULTS,
        types=TYPES,
    )


async def replay_call(view: View) -> Response:
    """Make one call again."""
    call_id = _call_id(view)
    replayed = await view.console.webhooks.replay.call(view.actor, call_id)
    calls = "It is made again" if replayed.calls == 1 else f"Its {replayed.calls:,} events are posted again"
    return view.go(f"{_LOG}/{text_of(call_id)}", f"{calls} as a new call, which the log shows in a moment.")


async def ask_replay(view: View) -> Response:
    """Ask for the span of time whose calls are made again."""
    found = await _webhook(view)
    [standing] = (await view.console.webhooks.log.standings([found])).values()
    now = view.console.clock()
    since = standing.health.failing_since or now - _DAY_MS
    # One minute more, so that what has just ended is among them.
    form = Form.of(since=_minute(since), until=_minute(now + 60_000), only_failed=True)
    return _replay_page(view, found, form)


async def replay(view: View) -> Response:
    """Say how many calls would be made again; once that was seen, make them."""
    form, found = view.form, await _webhook(view)
    try:
        since, until = _instant(form, "since"), _instant(form, "until")
        if since >= until:
            raise RefusedError("The end must come after the beginning.", field="until")
        selector = LogSelector(account_id=view.account_id, receiver=found.id, since=since, until=until)
        count = await view.console.webhooks.replay.count(
            view.actor, selector, only_failed=form.flag("only_failed"), most=MOST_REPLAYED
        )
        if count > MOST_REPLAYED:
            sentence = f"That is more than {MOST_REPLAYED:,} calls: choose less time, or use `postroad webhook replay`."
            raise RefusedError(sentence, field="since")
        if not count or not form.flag("sure"):
            return _replay_page(view, found, form, count=count)
        replayed = await view.console.webhooks.replay.span(
            view.actor, selector, found.url, only_failed=form.flag("only_failed")
        )
    except RefusedError as error:
        return _replay_page(view, found, form.refuse(error), status=422)
    calls = "1 call is" if replayed.calls == 1 else f"{replayed.calls:,} calls are"
    return view.go(f"/webhooks/{found.id}", Flash(f"{calls} made again.", "good" if replayed.calls else "warn"))


def _replay_page(view: View, found: Webhook, form: Form, status: int = 200, count: int | None = None) -> Response:
    return view.page("webhook_replay.html", status=status, found=found, form=form, count=count)


async def _webhook_of(view: View, attempt: CallAttempt) -> Webhook | None:
    """Return the webhook that a call was for; None where a message named the address, or the webhook is gone."""
    if attempt.receiver < 0:
        return None
    try:
        return await view.console.webhooks.addresses.find(view.actor, attempt.receiver)
    except MissingError:
        return None


def _readable(body: bytes) -> str:
    """Return a body with its JSON laid out."""
    try:
        return msgspec.json.format(body, indent=2).decode()
    except msgspec.DecodeError:
        return body.decode("utf-8", "replace")


def _minute(instant: int) -> str:
    return datetime.fromtimestamp(instant / 1000, UTC).strftime("%Y-%m-%dT%H:%M")


def _instant(form: Form, name: str) -> int:
    """Return an instant that was written in UTC, in the form in which browsers send it."""
    try:
        at = datetime.fromisoformat(form.text(name))
    except ValueError as error:
        raise RefusedError("Write date and time as 2026-11-27T10:30.", field=name) from error
    return int(at.replace(tzinfo=at.tzinfo or UTC).timestamp() * 1000)


async def _webhook(view: View) -> Webhook:
    return await view.console.webhooks.addresses.find(view.actor, int(view.request.path_params["webhook_id"]))


def _call_id(view: View) -> int:
    return _id_of(view.request.path_params["call_id"])


def _id_of(text: str) -> int:
    try:
        return from_text(text)
    except ValueError as error:
        raise MissingError("There is no such call in the log.") from error

"""Events: searched, looked at as they happen, and saved as a file."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import BaseRoute

from postroad.events.export import Export, Format
from postroad.events.live import Live
from postroad.httpd.console.forms import Form
from postroad.httpd.console.route import Access, page
from postroad.httpd.console.streams import Streamed
from postroad.httpd.console.templating import render
from postroad.httpd.console.view import View
from postroad.model.channel import CHANNELS
from postroad.model.event import EventType
from postroad.model.ids import from_text, text_of
from postroad.model.refused import RefusedError
from postroad.protocol.smtp.address import with_a_labels
from postroad.storage.errors import StorageError
from postroad.storage.events import EventSelector

PATH = "/events"
PAGE_SIZE = 50
SPANS = {"": "Any time", "1h": "Last hour", "24h": "Last 24 hours", "7d": "Last 7 days"}
KINDS = {
    EventType.DELIVERED: "good",
    EventType.DEFERRED: "warn",
    EventType.HELD: "warn",
    EventType.UNSUBSCRIBED: "warn",
    EventType.BOUNCED: "bad",
    EventType.REJECTED: "bad",
    EventType.COMPLAINED: "bad",
    EventType.OPENED: "info",
    EventType.CLICKED: "info",
}
"""The colour of a badge; none is grey."""
_MINUTE_MS = 60_000
_DAY_MS = 86_400_000
_SPAN_MS = {"1h": 60 * _MINUTE_MS, "24h": _DAY_MS, "7d": 7 * _DAY_MS}
_FILTERS = ("recipient", "type", "span", "tag", "message", "channel", "from", "to")
_LOOK_EVERY_S = 1.0
_LOOKS_PER_CHECK = 2
"""So often it is asked whether the session still holds, and whether somebody is still there."""
_LOOKS_PER_SIGN = 15
_COME_AGAIN_MS = 2_000


def routes() -> list[BaseRoute]:
    """Return the routes of the events."""
    return [
        page(PATH, list_events, access=Access.ACCOUNT),
        page(f"{PATH}/live", live, access=Access.ACCOUNT),
        page(f"{PATH}/export", ask_export, access=Access.ACCOUNT),
        page(f"{PATH}/export", export, access=Access.ACCOUNT, methods=("POST",)),
    ]


async def list_events(view: View) -> Response:
    """Show the events that match, newest first."""
    form = Form(view.request.query_params.multi_items())
    before = form.text("before")
    position = await view.console.events.position()
    try:
        found = await view.console.events.search(
            view.actor, _selector(view, form), PAGE_SIZE, cursor=_cursor(before) if before else None
        )
    except RefusedError as error:
        if error.field is None:
            raise
        return view.page("events.html", status=422, **_shown(form.refuse(error)))
    kept = {name: form.text(name) for name in _FILTERS if form.text(name)}
    older = None if found.cursor is None else f"{PATH}?{urlencode(kept | {'before': text_of(found.cursor)})}"
    changes: dict[str, Any] = {
        "found": found.found,
        "is_cut": found.is_cut,
        "older": older,
        "is_narrowed": bool(kept) or bool(before),
        "position": text_of(position),
        "export_path": f"{PATH}/export" + (f"?{urlencode(kept)}" if kept else ""),
    }
    return view.page("events.html", **_shown(form) | changes)


async def live(view: View) -> Response:
    """Send events as they happen, as server-sent events (HTML Living Standard §9.2)."""
    headers = view.request.headers
    if "text/event-stream" not in headers.get("accept", ""):
        raise HTTPException(406, "This is the stream of the page of events: look at that.")
    given = Form(view.request.query_params.multi_items())
    last = headers.get("last-event-id") or given.text("after")
    follower = await view.console.events.live(
        view.actor, _selector(view, given), position=_cursor(last) if last else None
    )
    return Streamed(
        view.console.streams,
        view.signed_in.user.id,
        _sent(view, follower),
        media_type="text/event-stream",
        # A proxy that gathers answers would show nothing for long.
        headers={"X-Accel-Buffering": "no"},
    )


async def ask_export(view: View) -> Response:
    """Ask for the form of the file; what is in it was chosen on the page."""
    form = Form(view.request.query_params.multi_items())
    _selector(view, form)
    return view.page("events_export.html", form=form, filters=_told(form), formats=Format, names=_FILTERS)


async def export(view: View) -> Response:
    """Send the events of a selection as a file."""
    form = view.form
    chosen = form.text("format")
    if chosen not in {one.value for one in Format}:
        raise RefusedError(f"Choose one of {', '.join(one.value for one in Format)}.", field="format")
    begun = await view.console.events.begin_export(view.actor, _selector(view, form), Format(chosen))
    day = datetime.fromtimestamp(begun.until / 1000, UTC).date().isoformat()
    return Streamed(
        view.console.streams,
        view.signed_in.user.id,
        _file(view, begun),
        media_type=begun.form.media_type,
        headers={
            "Content-Disposition": f'attachment; filename="postroad-events-{day}.{begun.form.value}"',
            "Postroad-Since": str(begun.since),
            "Postroad-Until": str(begun.until),
        },
    )


async def _sent(view: View, follower: Live) -> AsyncIterator[str]:
    """Yield what a browser is sent, for as long as it listens and may."""
    yield f"retry: {_COME_AGAIN_MS}\n\n"
    looks = 0
    while await view.console.streams.pause(_LOOK_EVERY_S):
        looks += 1
        try:
            if looks % _LOOKS_PER_CHECK == 0 and not await view.still_holds():
                yield _message("over", "", "signed-out")
                return
            look = await follower.look()
        except StorageError:
            # The browser comes again, and goes on from what it was told last.
            return
        position = text_of(follower.position)
        if look.passed or look.is_more:
            yield _message("passed", position, f"{look.passed}{'+' if look.is_more else ''}")
        if look.found:
            rows = render("event_rows.html", found=look.found[::-1], kinds=KINDS)
            yield _message("rows", position, rows)
        elif looks % _LOOKS_PER_SIGN == 0:
            yield f"id: {position}\n\n"


def _message(name: str, identifier: str, data: str) -> str:
    lines = [
        f"event: {name}",
        *([f"id: {identifier}"] if identifier else []),
        *(f"data: {one}" for one in data.splitlines()),
    ]
    return "\n".join(lines) + "\n\n"


async def _file(view: View, begun: Export) -> AsyncIterator[str]:
    async for part in view.console.events.parts(begun):
        yield part.text
        # Whoever may look no longer gets no more, and the browser notices that the file is not whole.
        if not await view.still_holds() or not await view.console.streams.pause(0):
            raise ConnectionAbortedError("the export was ended")


def _selector(view: View, form: Form) -> EventSelector:
    now = view.console.clock()
    span = _SPAN_MS.get(form.text("span"))
    since, until = _day(form, "from"), _day(form, "to")
    wanted, kind = form.text("recipient"), form.text("type")
    return EventSelector(
        domain_id=view.domain.id if view.domain else None,
        message_id=_message_id(form),
        types=(EventType(kind),) if kind in {one.value for one in EventType} else (),
        recipient=with_a_labels(wanted) or None,
        tag=form.text("tag") or None,
        channel=form.text("channel") or None,
        # Whole minutes, so that the pages of one search have one beginning.
        since=since if span is None else (now - span) // _MINUTE_MS * _MINUTE_MS,
        until=None if until is None else until + _DAY_MS,
    )


def _message_id(form: Form) -> int | None:
    text = form.text("message")
    if not text:
        return None
    try:
        return from_text(text)
    except ValueError as error:
        raise RefusedError(f"{error}.", field="message") from error


def _day(form: Form, name: str) -> int | None:
    """Return the beginning of a day in UTC."""
    text = form.text(name)
    if not text:
        return None
    try:
        return int(datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC).timestamp() * 1000)
    except ValueError as error:
        raise RefusedError(f"{text!r} is not a day: write 2026-11-21.", field=name) from error


def _cursor(text: str) -> int:
    try:
        return from_text(text)
    except ValueError as error:
        raise RefusedError("There is no such page of events.") from error


def _shown(form: Form) -> dict[str, Any]:
    return {
        "form": form,
        "spans": SPANS,
        "types": [one.value for one in EventType],
        "channels": CHANNELS,
        "kinds": KINDS,
        "found": (),
        "is_cut": False,
        "older": None,
        "is_narrowed": True,
        "position": "",
        "export_path": "",
    }


def _told(form: Form) -> list[tuple[str, str]]:
    """Return what is chosen, in the words of the page."""
    words = {
        "recipient": ("Recipient", form.text("recipient")),
        "type": ("Event", form.text("type")),
        "span": ("Time", SPANS.get(form.text("span"), "") if form.text("span") else ""),
        "tag": ("Tag", form.text("tag")),
        "message": ("Message", form.text("message")),
        "channel": ("Channel", CHANNELS.get(form.text("channel"), form.text("channel"))),
        "from": ("From", form.text("from")),
        "to": ("To", form.text("to")),
    }
    return [pair for pair in words.values() if pair[1]]

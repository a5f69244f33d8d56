"""Messages: searching them, and one message's whole story."""

from urllib.parse import urlencode

from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute

from postroad.httpd.console.forms import Form
from postroad.httpd.console.route import Access, page
from postroad.httpd.console.security import FOREIGN_HTML_POLICY
from postroad.httpd.console.spans import DAY_MS, SPANS, day_of, since_of
from postroad.httpd.console.templating import shown_time
from postroad.httpd.console.view import Flash, View
from postroad.httpd.console.webhook_words import RESULTS
from postroad.messages.captured import captured
from postroad.messages.messages import Result, Search
from postroad.messages.shown_options import facts_of
from postroad.messages.steering import Verb
from postroad.model.channel import CHANNELS
from postroad.model.delivery import DeliveryState, Standing
from postroad.model.ids import from_text, text_of
from postroad.model.refused import MissingError
from postroad.policy.message_query import tag_query
from postroad.storage.messages import Story
from postroad.webhooks.call_log import MOST_OF_MESSAGE

PAGE_SIZE = 50
_POST = ("POST",)
STANDINGS = {
    Standing.SCHEDULED: "waiting",
    Standing.DEFERRED: "deferred",
    Standing.LEASED: "being delivered",
    Standing.HELD: "held",
    Standing.DELIVERED: "delivered",
    Standing.BOUNCED: "bounced",
    Standing.SUPPRESSED: "suppressed",
    Standing.CANCELLED: "cancelled",
}
"""How a delivery stands, in the words of the pages."""
KINDS = {
    Standing.SCHEDULED: "info",
    Standing.DEFERRED: "warn",
    Standing.LEASED: "info",
    Standing.HELD: "warn",
    Standing.DELIVERED: "good",
    Standing.BOUNCED: "bad",
}
"""The colour of a badge; none is grey."""
_SAID = {Verb.HOLD: "held", Verb.RELEASE: "released", Verb.RETRY: "made due now", Verb.CANCEL: "cancelled"}
_VIEWS = ("html", "text", "headers", "source")


def routes() -> list[BaseRoute]:
    """Return the routes of the messages."""
    return [
        page("/messages", list_messages, access=Access.ACCOUNT),
        page("/messages/{message_id}", show_message, access=Access.ACCOUNT),
        page("/messages/{message_id}/content", show_content, access=Access.ACCOUNT),
        page("/messages/{message_id}/content/html", content_html, access=Access.ACCOUNT),
        page("/messages/{message_id}/content/source", content_source, access=Access.ACCOUNT),
        page("/messages/{message_id}/rendered/{delivery_id}", show_rendered, access=Access.ACCOUNT),
        page("/messages/{message_id}/rendered/{delivery_id}/html", rendered_html, access=Access.ACCOUNT),
        page("/messages/{message_id}/rendered/{delivery_id}/source", rendered_source, access=Access.ACCOUNT),
        page("/messages/{message_id}/cancel", ask_cancel, access=Access.ADMIN),
        page("/messages/{message_id}/cancel", cancel, access=Access.ADMIN, methods=_POST),
        page("/messages/{message_id}/retry", retry, access=Access.ADMIN, methods=_POST),
        page("/messages/{message_id}/hold", hold, access=Access.ADMIN, methods=_POST),
        page("/messages/{message_id}/release", release, access=Access.ADMIN, methods=_POST),
    ]


async def list_messages(view: View) -> Response:
    """Show the messages that a search finds, newest first."""
    form = Form(view.request.query_params.multi_items())
    search = _search_of(view, form)
    before, reading = form.text("before"), form.text("reading")
    result = await view.console.messages.search(
        view.actor,
        search,
        PAGE_SIZE,
        before=_id_of(before) if before else None,
        reading=int(reading) if reading.isdigit() and len(reading) < 3 else None,
    )
    return view.page(
        "messages.html",
        form=form,
        found=result.page.found,
        is_cut=result.page.is_cut,
        is_narrowed=search.is_narrowed or bool(before),
        older=_older(form, result),
        spans=SPANS,
        standings=STANDINGS,
        kinds=KINDS,
    )


async def show_message(view: View) -> Response:
    """Show one message with its deliveries and all that happened to them."""
    message_id = _message_id(view)
    story = await view.console.messages.story(view.actor, message_id)
    content = await view.console.messages.content(view.actor, message_id)
    calls = await view.console.webhooks.log.of_message(story.message)
    return view.page(
        "message.html",
        calls=calls,
        has_more_calls=len(calls) == MOST_OF_MESSAGE,
        results=RESULTS,
        story=story,
        message=story.message,
        channels=CHANNELS,
        asked=dict(facts_of(story.message.options, shown_time)),
        is_kept=content is not None,
        may=_may(story),
        standings=STANDINGS,
        kinds=KINDS,
        tag_query=tag_query,
    )


async def show_content(view: View) -> Response:
    """Show a message's parts and headers while its content is kept."""
    message_id = _message_id(view)
    return _views(view, await _content(view, message_id), f"/messages/{text_of(message_id)}/content")


async def content_html(view: View) -> Response:
    """Return a message's HTML part for the sandboxed frame."""
    return _html_part(await _content(view, _message_id(view)))


async def content_source(view: View) -> Response:
    """Return a message's bytes as they were accepted."""
    return PlainTextResponse(await _content(view, _message_id(view)))


async def show_rendered(view: View) -> Response:
    """Show what a delivery in test mode would have left as."""
    base = f"/messages/{text_of(_message_id(view))}/rendered/{view.request.path_params['delivery_id']}"
    return _views(view, await _rendered(view), base)


async def rendered_html(view: View) -> Response:
    """Return its HTML part for the sandboxed frame."""
    return _html_part(await _rendered(view))


async def rendered_source(view: View) -> Response:
    """Return its bytes, octet for octet."""
    return PlainTextResponse(await _rendered(view))


async def ask_cancel(view: View) -> Response:
    """Ask before what waits of a message is given up."""
    story = await view.console.messages.story(view.actor, _message_id(view))
    waiting = sum(1 for one in story.deliveries if one.state in {DeliveryState.SCHEDULED, DeliveryState.HELD})
    return view.page("message_cancel.html", message=story.message, waiting=waiting)


async def cancel(view: View) -> Response:
    """Give up what waits of a message."""
    return await _steer(view, Verb.CANCEL)


async def retry(view: View) -> Response:
    """Try now what waits for a later time."""
    return await _steer(view, Verb.RETRY)


async def hold(view: View) -> Response:
    """Stop what is scheduled until it is released."""
    return await _steer(view, Verb.HOLD)


async def release(view: View) -> Response:
    """Let go what is held."""
    return await _steer(view, Verb.RELEASE)


async def _steer(view: View, verb: Verb) -> Response:
    message_id = _message_id(view)
    changed = await view.console.messages.steer(view.actor, message_id, verb)
    deliveries = "1 delivery was" if changed == 1 else f"{changed:,} deliveries were"
    said = (
        Flash(f"{deliveries} {_SAID[verb]}.") if changed else Flash("Nothing of this message waited for that.", "warn")
    )
    return view.go(f"/messages/{text_of(message_id)}", said)


def _may(story: Story) -> dict[str, bool]:
    """Return what can be done to a message as its deliveries stand."""
    states = {one.state for one in story.deliveries}
    is_scheduled, is_held = DeliveryState.SCHEDULED in states, DeliveryState.HELD in states
    return {"retry": is_scheduled, "hold": is_scheduled, "release": is_held, "cancel": is_scheduled or is_held}


def _search_of(view: View, form: Form) -> Search:
    since, until = day_of(form.text("from")), day_of(form.text("to"))
    standing = form.text("state")
    return Search(
        typed=form.text("q")[:200],
        since=since_of(form.text("span"), view.console.clock()) or since,
        until=None if until is None else until + DAY_MS,
        standing=Standing(standing) if standing in {one.value for one in Standing} else None,
        domain_id=view.domain.id if view.domain else None,
    )


def _older(form: Form, result: Result) -> str | None:
    if result.page.before is None:
        return None
    kept = {name: form.text(name) for name in ("q", "span", "from", "to", "state") if form.text(name)}
    return "/messages?" + urlencode(kept | {"before": text_of(result.page.before), "reading": result.reading})


async def _content(view: View, message_id: int) -> bytes:
    content = await view.console.messages.content(view.actor, message_id)
    if content is None:
        raise MissingError("There is no content of this message any more: it goes once all is delivered.")
    return content


async def _rendered(view: View) -> bytes:
    delivery_id = _id_of(view.request.path_params["delivery_id"])
    content = await view.console.messages.rendered(view.actor, _message_id(view), delivery_id)
    if content is None:
        raise MissingError("There is no rendered result of this delivery: it is not in test mode, or it was long ago.")
    return content


def _views(view: View, content: bytes, base: str) -> Response:
    seen = captured(content, lambda _selector, _domain: None)
    shown = view.request.query_params.get("view") or ("html" if seen.html is not None else "text")
    if shown not in _VIEWS:
        raise HTTPException(404, f"There is no view {shown!r}; choose one of {', '.join(_VIEWS)}.")
    return view.page("message_content.html", message_id=_message_id(view), message=seen, shown=shown, base=base)


def _html_part(content: bytes) -> Response:
    seen = captured(content, lambda _selector, _domain: None)
    if seen.html is None:
        raise HTTPException(404, "This message has no HTML part.")
    return HTMLResponse(seen.html, headers={"Content-Security-Policy": FOREIGN_HTML_POLICY})


def _message_id(view: View) -> int:
    return _id_of(view.request.path_params["message_id"])


def _id_of(text: str) -> int:
    try:
        return from_text(text)
    except ValueError as error:
        raise MissingError("There is no such message.") from error

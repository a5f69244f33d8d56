"""The inbox of the capture sink: what would have left this machine, to be looked at."""

import msgspec
from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute

from postroad.httpd.console.route import Access, page
from postroad.httpd.console.security import CAPTURED_HTML_POLICY
from postroad.httpd.console.view import View
from postroad.messages.captured import Captured, captured
from postroad.model.ids import from_text, text_of
from postroad.storage import captures, dkim_keys
from postroad.storage.captures import Capture
from postroad.storage.database import Database

PAGE_SIZE = 50
_VIEWS = ("html", "text", "headers", "source")


def inbox_routes(database: Database) -> list[BaseRoute]:
    """Return the routes of the inbox over one installation's captures; it has no login, and is there in dev only."""
    inbox = _Inbox(database)
    return [
        page("/inbox", inbox.list_page, access=Access.ANYBODY),
        page("/inbox.json", inbox.list_json, access=Access.ANYBODY),
        page("/inbox/{id}", inbox.message_page, access=Access.ANYBODY),
        page("/inbox/{id}/html", inbox.html, access=Access.ANYBODY),
        page("/inbox/{id}/source", inbox.source, access=Access.ANYBODY),
    ]


class _Inbox:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def list_page(self, view: View) -> Response:
        before = _id_of(view.request.query_params["before"]) if "before" in view.request.query_params else None
        rows = await self._database.read(captures.newest, PAGE_SIZE + 1, before)
        shown = rows[:PAGE_SIZE]
        older = text_of(shown[-1].id) if len(rows) > PAGE_SIZE else None
        return view.page("inbox.html", rows=shown, older=older, newest=text_of(shown[0].id) if shown else "")

    async def list_json(self, _view: View) -> Response:
        rows = await self._database.read(captures.newest, PAGE_SIZE, None)
        return JSONResponse([_summary(row) for row in rows])

    async def message_page(self, view: View) -> Response:
        capture, seen = await self._open(view)
        shown = view.request.query_params.get("view") or ("html" if seen.html is not None else "text")
        if shown not in _VIEWS:
            raise HTTPException(404, f"There is no view {shown!r}; choose one of {', '.join(_VIEWS)}.")
        if "application/json" in view.request.headers.get("accept", ""):
            return JSONResponse(_summary(capture) | _details(seen))
        return view.page("captured.html", capture=capture, message=seen, shown=shown)

    async def html(self, view: View) -> Response:
        _capture, seen = await self._open(view)
        if seen.html is None:
            raise HTTPException(404, "This message has no HTML part.")
        # At the end, where it moves nothing of what the message says of itself.
        html = f'{seen.html}<base target="_blank">'
        return HTMLResponse(html, headers={"Content-Security-Policy": CAPTURED_HTML_POLICY})

    async def source(self, view: View) -> Response:
        capture = await self._find(view)
        return PlainTextResponse(capture.content)

    async def _open(self, view: View) -> tuple[Capture, Captured]:
        capture = await self._find(view)
        # The demo domain is not published in DNS: our own rows are what its records would say.
        keys = await self._database.read(dkim_keys.published_records)
        return capture, captured(capture.content, lambda selector, domain: keys.get((selector, domain)))

    async def _find(self, view: View) -> Capture:
        capture = await self._database.read(captures.get, _id_of(view.request.path_params["id"]))
        if capture is None:
            raise HTTPException(404, "There is no such message; the inbox keeps the newest 1,000.")
        return capture


def _id_of(text: str) -> int:
    try:
        return from_text(text)
    except ValueError as error:
        raise HTTPException(404, str(error)) from error


def _summary(capture: Capture) -> dict[str, object]:
    return {
        "id": text_of(capture.id),
        "received_at": capture.received_at,
        "reverse_path": capture.reverse_path,
        "recipients": list(capture.recipients),
        "subject": capture.subject,
        "from": capture.header_from,
    }


def _details(seen: Captured) -> dict[str, object]:
    return {
        "headers": [list(pair) for pair in seen.headers],
        "text": seen.text,
        "html": seen.html,
        "dkim_valid": seen.is_signed_well,
        "dkim": msgspec.to_builtins(seen.signatures),
    }

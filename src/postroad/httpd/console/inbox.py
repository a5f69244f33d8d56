"""The inbox of the capture sink: what would have left this machine, to be looked at."""

from datetime import UTC, datetime
from pathlib import Path

import msgspec
from jinja2 import Environment, PackageLoader, select_autoescape
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from postroad.httpd.console.captured import View, view
from postroad.httpd.console.security import FOREIGN_HTML_POLICY
from postroad.model.ids import from_text, text_of
from postroad.storage import captures, dkim_keys
from postroad.storage.captures import Capture
from postroad.storage.database import Database

PAGE_SIZE = 50
_VIEWS = ("html", "text", "headers", "source")
_STATIC = Path(__file__).parent / "static"


def _clock_text(instant: int) -> str:
    return datetime.fromtimestamp(instant / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


_templates = Environment(
    loader=PackageLoader("postroad.httpd.console"), autoescape=select_autoescape(default=True), auto_reload=False
)
_templates.filters["clock"] = _clock_text
_templates.filters["id"] = text_of


def inbox_routes(database: Database) -> list[Route | Mount]:
    """Return the routes of the inbox over one installation's captures."""
    inbox = _Inbox(database)
    return [
        Route("/", lambda _request: RedirectResponse("/inbox"), methods=["GET"]),
        Route("/inbox", inbox.list_page, methods=["GET"]),
        Route("/inbox.json", inbox.list_json, methods=["GET"]),
        Route("/inbox/{id}", inbox.message_page, methods=["GET"]),
        Route("/inbox/{id}/html", inbox.html, methods=["GET"]),
        Route("/inbox/{id}/source", inbox.source, methods=["GET"]),
        Mount("/static", StaticFiles(directory=_STATIC)),
    ]


class _Inbox:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def list_page(self, request: Request) -> Response:
        before = _id_of(request.query_params["before"]) if "before" in request.query_params else None
        rows = await self._database.read(captures.newest, PAGE_SIZE + 1, before)
        page = rows[:PAGE_SIZE]
        older = text_of(page[-1].id) if len(rows) > PAGE_SIZE else None
        return _page("inbox.html", rows=page, older=older, newest=text_of(page[0].id) if page else "")

    async def list_json(self, _request: Request) -> Response:
        rows = await self._database.read(captures.newest, PAGE_SIZE, None)
        return JSONResponse([_summary(row) for row in rows])

    async def message_page(self, request: Request) -> Response:
        capture, seen = await self._open(request)
        shown = request.query_params.get("view") or ("html" if seen.html is not None else "text")
        if shown not in _VIEWS:
            raise HTTPException(404, f"There is no view {shown!r}; choose one of {', '.join(_VIEWS)}.")
        if "application/json" in request.headers.get("accept", ""):
            return JSONResponse(_summary(capture) | _details(seen))
        return _page("message.html", capture=capture, message=seen, shown=shown)

    async def html(self, request: Request) -> Response:
        _capture, seen = await self._open(request)
        if seen.html is None:
            raise HTTPException(404, "This message has no HTML part.")
        return HTMLResponse(seen.html, headers={"Content-Security-Policy": FOREIGN_HTML_POLICY})

    async def source(self, request: Request) -> Response:
        capture = await self._find(request)
        return PlainTextResponse(capture.content)

    async def _open(self, request: Request) -> tuple[Capture, View]:
        capture = await self._find(request)
        # The demo domain is not published in DNS: our own rows are what its records would say.
        keys = await self._database.read(dkim_keys.published_records)
        return capture, view(capture.content, lambda selector, domain: keys.get((selector, domain)))

    async def _find(self, request: Request) -> Capture:
        capture = await self._database.read(captures.get, _id_of(request.path_params["id"]))
        if capture is None:
            raise HTTPException(404, "There is no such message; the inbox keeps the newest 1,000.")
        return capture


def _id_of(text: str) -> int:
    try:
        return from_text(text)
    except ValueError as error:
        raise HTTPException(404, str(error)) from error


def _page(name: str, **values: object) -> HTMLResponse:
    return HTMLResponse(_templates.get_template(name).render(**values))


def _summary(capture: Capture) -> dict[str, object]:
    return {
        "id": text_of(capture.id),
        "received_at": capture.received_at,
        "reverse_path": capture.reverse_path,
        "recipients": list(capture.recipients),
        "subject": capture.subject,
        "from": capture.header_from,
    }


def _details(seen: View) -> dict[str, object]:
    return {
        "headers": [list(pair) for pair in seen.headers],
        "text": seen.text,
        "html": seen.html,
        "dkim_valid": seen.is_signed_well,
        "dkim": msgspec.to_builtins(seen.signatures),
    }

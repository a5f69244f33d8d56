"""The console: one application of pages for people, with the capture inbox beside them in dev."""

from http import HTTPStatus
from pathlib import Path
from typing import Any

import structlog
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Mount
from starlette.staticfiles import StaticFiles

from postroad.accounts.people.links import without_token
from postroad.httpd.console.console import Console
from postroad.httpd.console.pages import (
    accounts,
    address_checks,
    api_keys,
    audit_log,
    blocked_destinations,
    domains,
    events,
    frame,
    inbound_routes,
    invitation,
    list_checks,
    lockouts,
    messages,
    oidc,
    overview,
    passkeys,
    people,
    profile,
    sign_in,
    signing_key,
    smtp_users,
    statistics,
    suppressions,
    templates,
    users,
    vetting,
    webhook_calls,
    webhooks,
)
from postroad.httpd.console.route import page_above, view_of
from postroad.httpd.console.security import OwnHostOnly, SecurityHeaders
from postroad.httpd.console.templating import render
from postroad.storage.errors import StorageError

log = structlog.get_logger()

_STATIC = Path(__file__).parent / "static"


def pages() -> list[BaseRoute]:
    """Return every page of the console."""
    subjects = (
        sign_in,
        invitation,
        profile,
        passkeys,
        oidc,
        frame,
        overview,
        messages,
        events,
        statistics,
        domains,
        inbound_routes,
        smtp_users,
        api_keys,
        lockouts,
        templates,
        suppressions,
        address_checks,
        list_checks,
        webhooks,
        webhook_calls,
        signing_key,
        accounts,
        vetting,
        users,
        people,
        blocked_destinations,
        audit_log,
    )
    return [route for subject in subjects for route in subject.routes()]


class _KeptFiles(StaticFiles):
    """Files that a browser keeps and asks about each time, so that after an upgrade it has the new ones at once."""

    def file_response(self, *args: Any, **named: Any) -> Response:
        """Return a file, or that it is as it was."""
        response = super().file_response(*args, **named)
        response.headers["Cache-Control"] = "no-cache"
        return response


def console_app(console: Console, *, public_host: str = "", beside: list[BaseRoute] | None = None) -> Starlette:
    """Return the console as an application.

    Args:
        console: The services behind the pages.
        public_host: The one name that the console is reached by; without it, only names that are not of the public DNS.
        beside: Further routes, such as those of the capture inbox.
    """
    app = Starlette(
        routes=[*pages(), *(beside or []), Mount("/static", _KeptFiles(directory=_STATIC))],
        middleware=[Middleware(SecurityHeaders), Middleware(OwnHostOnly, public_host=public_host)],
        exception_handlers={HTTPException: _say, StorageError: _say_storage_is_away},
    )
    app.state.console = console
    return app


async def _say(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    sentence = "There is no such page." if error.detail == HTTPStatus.NOT_FOUND.phrase else error.detail
    if not _is_for_people(request):
        return _told(request, error.status_code, sentence)
    # The address of a refused form is no page: a reload or a bookmark of it has the one that the form is on.
    if error.status_code == 405 and request.method == "GET":
        return RedirectResponse(page_above(request), status_code=303)
    try:
        view = await view_of(request)
    except StorageError as away:
        return await _say_storage_is_away(request, away)
    if not view.is_signed_in:
        return _told(request, error.status_code, sentence)
    return view.page("error.html", status=error.status_code, status_code=error.status_code, sentence=sentence)


async def _say_storage_is_away(request: Request, error: Exception) -> Response:
    log.warning("page_without_storage", path=without_token(request.url.path), why=str(error))
    return _told(request, 503, "The database cannot be used at the moment; try again soon.")


def _is_for_people(request: Request) -> bool:
    return "text/html" in request.headers.get("accept", "")


def _told(request: Request, status: int, sentence: str) -> Response:
    if not _is_for_people(request):
        return PlainTextResponse(sentence, status_code=status)
    return HTMLResponse(render("lost.html", status_code=status, sentence=sentence, flash=None), status_code=status)

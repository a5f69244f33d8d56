"""How a page is declared: its path, who may see it, and what is checked before its endpoint runs.

The checks are here so that no page can forget one: a session, an account that is looked at, the right to change, and
for every request that changes something the proof that one of our own forms sent it.
"""

import enum
import hmac
from collections.abc import Awaitable, Callable, Sequence
from urllib.parse import quote, urlsplit

from starlette.convertors import Convertor, register_url_convertor
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Match, Route

from postroad.httpd.console import cookies
from postroad.httpd.console.console import Console
from postroad.httpd.console.forms import MOST_OCTETS, Form, read_form
from postroad.httpd.console.view import View
from postroad.model.refused import ForbiddenError, MissingError, RefusedError

_SAFE = frozenset({"GET", "HEAD"})
_STATUS: dict[type[RefusedError], int] = {MissingError: 404, ForbiddenError: 403}
SIGN_IN_PATH = "/sign-in"


class _IdConvertor(Convertor[int]):
    """Ids as the database can have them: a larger number is the address of no page."""

    regex = "[0-9]{1,18}"

    def convert(self, value: str) -> int:
        return int(value)

    def to_string(self, value: int) -> str:
        return str(value)


register_url_convertor("id", _IdConvertor())


class Access(enum.Enum):
    """Who may have a page."""

    ANYBODY = "anybody"
    PERSON = "person"
    """Whoever is signed in, whatever account they look at."""
    ACCOUNT = "account"
    """People of the account that is looked at."""
    ADMIN = "admin"
    """Those of them who may change it."""
    OPERATOR = "operator"


Endpoint = Callable[[View], Awaitable[Response]]


class Page(Route):
    """A route that knows who may have it; a test walks the table of these."""

    def __init__(
        self, path: str, endpoint: Endpoint, access: Access, methods: Sequence[str], *, form_octets: int
    ) -> None:
        self.access = access

        async def checked(request: Request) -> Response:
            return await _serve(request, endpoint, access, form_octets)

        name = f"{getattr(endpoint, '__module__', '').rpartition('.')[2]}.{getattr(endpoint, '__name__', path)}"
        super().__init__(path, checked, methods=list(methods), name=name)


def page(
    path: str,
    endpoint: Endpoint,
    *,
    access: Access,
    methods: Sequence[str] = ("GET",),
    form_octets: int = MOST_OCTETS,
) -> Page:
    """Declare a page; ``methods`` holds POST where its endpoint takes a form, of at most ``form_octets``."""
    return Page(path, endpoint, access, methods, form_octets=form_octets)


async def view_of(request: Request) -> View:
    """Return a request as who is signed in sees it."""
    console: Console = request.app.state.console
    token = cookies.session_token(request)
    client = request.client.host if request.client else ""
    signed_in = await console.sessions.find(token, client) if token else None
    return View(request, console, signed_in, token if signed_in else "")


def page_above(request: Request) -> str:
    """Return the path of the nearest page above an address that takes forms alone."""
    path = request.url.path.rstrip("/")
    while path:
        path = path.rpartition("/")[0]
        scope = dict(request.scope) | {"method": "GET", "path": path}
        if any(route.matches(scope)[0] is Match.FULL for route in request.app.routes):
            return path
    return "/"


async def _serve(request: Request, endpoint: Endpoint, access: Access, form_octets: int) -> Response:
    view = await view_of(request)
    try:
        if request.method not in _SAFE:
            view.form = await read_form(request, form_octets)
            _require_own_form(view, view.form)
        return await _refusal(view, access) or await endpoint(view)
    except (RefusedError, HTTPException) as error:
        status = error.status_code if isinstance(error, HTTPException) else _STATUS.get(type(error), 422)
        sentence = error.detail if isinstance(error, HTTPException) else str(error)
        return view.page("error.html", status=status, status_code=status, sentence=sentence)


def _require_own_form(view: View, form: Form) -> None:
    """Refuse what another site made the browser send."""
    request = view.request
    site = request.headers.get("sec-fetch-site", "none")
    origin = request.headers.get("origin")
    is_foreign_origin = origin is not None and urlsplit(origin).netloc != request.headers.get("host", "")
    if site not in {"same-origin", "none"} or is_foreign_origin:
        raise HTTPException(403, "This form came from another site and was not accepted.")
    given = form.text("csrf") or request.headers.get("x-csrf-token", "")
    if view.is_signed_in and not hmac.compare_digest(given.encode(), view.csrf.encode()):
        raise HTTPException(403, "This form is out of date: go back, load the page again and repeat it.")


async def _refusal(view: View, access: Access) -> Response | None:
    """Return where somebody is sent instead of a page that is not for them, or raise what they are told."""
    if not view.is_signed_in:
        return None if access is Access.ANYBODY else _to_sign_in(view)
    actor = view.actor
    if actor.account_id is not None:
        await _know_domains(view)
    if access is Access.OPERATOR and not actor.is_operator:
        raise MissingError("There is no such page.")
    if access in {Access.ACCOUNT, Access.ADMIN} and _comes_from_another_account(view):
        if view.is_fragment and view.request.method in _SAFE:
            return Response(status_code=204, headers={"HX-Refresh": "true"})
        raise HTTPException(
            409,
            "Another account was chosen since this page was loaded: nothing was done. Load it again to go on there.",
        )
    if access in {Access.ACCOUNT, Access.ADMIN} and actor.account_id is None:
        return view.go("/accounts")
    if access is Access.ADMIN and not actor.may_change:
        raise ForbiddenError("You may look at this account but not change it: ask one of its admins.")
    return None


def _comes_from_another_account(view: View) -> bool:
    """Whether the page that sends this was loaded before another tab chose another account, which it would act in."""
    seen = view.form.text("seen_account") or view.request.headers.get("x-seen-account", "")
    return bool(seen) and seen != view.seen_account


async def _know_domains(view: View) -> None:
    view.domains = await view.console.registration.all(view.actor)
    chosen = cookies.chosen_domain(view.request.cookies)
    view.domain = next((one for one in view.domains if one.id == chosen), None)


def _to_sign_in(view: View) -> Response:
    wanted = view.request.url.path + (f"?{view.request.url.query}" if view.request.url.query else "")
    path = f"{SIGN_IN_PATH}?next={quote(wanted)}" if view.request.method in _SAFE else SIGN_IN_PATH
    if view.is_fragment:
        return Response(status_code=204, headers={"HX-Redirect": SIGN_IN_PATH})
    return RedirectResponse(path, status_code=303)


def own_path(text: str, otherwise: str = "/") -> str:
    """Return a path of our own as it was asked for; anything that could lead elsewhere becomes ``otherwise``."""
    # Browsers read a backslash as a slash and drop control characters, so "/\evil" and "/\t/evil" lead away too.
    if not text.startswith("/") or text.startswith("//") or "\\" in text or any(ord(one) < 0x21 for one in text):
        return otherwise
    return text

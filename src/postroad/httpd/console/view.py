"""One request as a page sees it: who asks, for which account and sending domain, and how an answer is made."""

import functools
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

import msgspec
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from postroad.accounts.people.relying_party import RelyingParty
from postroad.accounts.people.sessions import SignedIn
from postroad.httpd.console import cookies
from postroad.httpd.console.console import Console
from postroad.httpd.console.forms import Form
from postroad.httpd.console.navigation import Group, groups_for
from postroad.httpd.console.templating import render
from postroad.model.actor import Actor
from postroad.model.domain import SendingDomain

_CURSORS = frozenset({"after", "before", "reading"})
"""Where a page goes on: another sending domain has other rows."""


class Flash(msgspec.Struct, frozen=True):
    """One sentence that the next page shows, once."""

    text: str
    kind: str = "good"
    """``good``, ``warn`` or ``bad``."""


class View:
    """What an endpoint of the console is given; made for one request by ``route.page``."""

    def __init__(self, request: Request, console: Console, signed_in: SignedIn | None, session_token: str) -> None:
        self.request = request
        self.console = console
        self._signed_in = signed_in
        self._session_token = session_token
        self.form = Form()
        """The fields that came with a request that changes something."""
        self.domains: Sequence[SendingDomain] = ()
        """The sending domains of the account that is looked at, by name."""
        self.domain: SendingDomain | None = None
        """The one chosen in the top bar; null for all of them."""

    @property
    def signed_in(self) -> SignedIn:
        """Who is signed in; only for pages that need it."""
        assert self._signed_in is not None, "the route says that anybody may see this page"
        return self._signed_in

    @property
    def is_signed_in(self) -> bool:
        """Whether anybody is."""
        return self._signed_in is not None

    @property
    def has_password(self) -> bool:
        """Whether who is signed in has a password, to be asked for again; somebody may come by other ways alone."""
        return bool(self.signed_in.user.password_hash)

    @property
    def here(self) -> str:
        """The page that is looked at with what it is narrowed to, from its first rows on."""
        kept = [(name, value) for name, value in self.request.query_params.multi_items() if name not in _CURSORS]
        return f"{self.request.url.path}?{urlencode(kept)}" if kept else self.request.url.path

    @property
    def client_address(self) -> str:
        """The address that the browser comes from; behind a trusted proxy, the one that it names."""
        return self.request.client.host if self.request.client else ""

    @functools.cached_property
    def actor(self) -> Actor:
        """Who acts, in the account that is looked at."""
        return self.signed_in.actor(self.client_address)

    @property
    def operator(self) -> Actor:
        """The same person acting for the whole installation; only for pages that need an operator."""
        assert self.actor.is_operator, "the route lets operators only pass"
        return msgspec.structs.replace(self.actor, account_id=None)

    @property
    def account_id(self) -> int:
        """The account that is looked at; only for pages that need one."""
        assert self.actor.account_id is not None, "the route needs an account"
        return self.actor.account_id

    @property
    def seen_account(self) -> str:
        """The account that is looked at, as each page says back with what it sends."""
        return "all" if self.actor.account_id is None else str(self.actor.account_id)

    @property
    def relying_party(self) -> RelyingParty | None:
        """What passkeys belong to under the name that the browser uses; null where there can be none."""
        url = self.request.url
        return self.console.passkeys.party(url.scheme, self.request.headers.get("host", ""))

    @property
    def is_fragment(self) -> bool:
        """Whether only the inside of the page is wanted: the browser puts it into a dialog or a part of the page."""
        headers = self.request.headers
        return headers.get("hx-request") == "true" and headers.get("hx-request-type") != "full"

    async def still_holds(self) -> bool:
        """Whether the session goes on as it was when this long request began; asking is no use of it."""
        found = await self.console.sessions.find(self._session_token, self.client_address, is_use=False)
        return found is not None and found.session.account_id == self.signed_in.session.account_id

    @property
    def csrf(self) -> str:
        """What a form must bring back to prove that it is ours; empty where nobody is signed in."""
        return cookies.keyed_digest(self._session_token, "csrf") if self._session_token else ""

    @property
    def flash(self) -> Flash | None:
        """What the page before wanted to be said."""
        return cookies.read_flash(self.request.cookies, self._session_token, Flash)

    def page(self, template: str, status: int = 200, **values: Any) -> Response:
        """Return a page, or its inside alone where the browser asked for that."""
        flash = None if self.is_fragment else self.flash
        shown = {
            "view": self,
            "layout": "fragment.html" if self.is_fragment else "page.html",
            "flash": flash,
            "navigation": self._navigation(),
        }
        response = HTMLResponse(render(template, **shown | values), status_code=status)
        response.headers["Vary"] = "HX-Request"
        if flash is not None:
            cookies.drop_flash(response)
        return response

    def _navigation(self) -> tuple[Group, ...]:
        if not self.is_signed_in:
            return ()
        return groups_for(self.actor, self.request.url.path, has_inbox=self.console.has_inbox)

    def go(self, path: str, flash: Flash | str | None = None) -> Response:
        """Return the way to another of our pages after a form did its work, with a sentence for it to show."""
        response: Response
        if self.is_fragment:
            response = Response(status_code=204, headers={"HX-Redirect": path})
        else:
            response = RedirectResponse(path, status_code=303)
        if flash is not None:
            said = Flash(flash) if isinstance(flash, str) else flash
            cookies.write_flash(response, self._session_token, said)
        return response

"""What every page owes to screen readers and weak eyes, in Chromium, by walking the table of routes in light and dark."""

import re
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx2
import pytest
from playwright.async_api import Page as Tab
from playwright.async_api import Route, async_playwright

from postroad.httpd.console.console import Console
from postroad.httpd.console.route import Access
from postroad.model.actor import SYSTEM
from postroad.model.user import Role
from postroad.storage.database import Database
from tests.peers.programs import path_of

from .conftest import Client, Postman, SignIn, World
from .test_every_page import FORMS, PAGES
from .test_every_page import path_of as address_of
from .things import things_of

pytestmark = pytest.mark.peer("chromium-headless-shell")

AUDIT = (Path(__file__).parent / "accessibility.js").read_text()
SCHEMES = ("light", "dark")
NEED_NAMES = frozenset(
    {"button", "checkbox", "combobox", "dialog", "DisclosureTriangle", "heading", "Iframe", "image", "link", "listbox"}
    | {"navigation", "radio", "searchbox", "spinbutton", "tab", "textbox"}
)
"""Roles in Chromium's tree of what readers are told."""


def _is_page(path: str, reply: httpx2.Response) -> bool:
    """Whether an answer is a page of ours; a path that ends so shows the HTML of somebody's mail."""
    return reply.headers.get("content-type", "").startswith("text/html") and not path.endswith("/html")


class Looked:
    """Shows the answers that one client gets in a browser, and notes what is wrong with each."""

    def __init__(self, tab: Tab, client: Client) -> None:
        self.tab = tab
        self.client = client
        self.count = 0
        self.faults: list[str] = []
        self.dialogs: set[str] = set()
        """What pages open in the dialog."""
        self._ready: httpx2.Response | None = None

    async def serve(self, route: Route) -> None:
        """Answer the browser: the page that is looked at as it was given, all else from the application."""
        reply, self._ready = self._ready, None
        if reply is None:
            url = urlsplit(route.request.url)
            reply = await self.client.get(f"{url.path}?{url.query}")
        await route.fulfill(status=reply.status_code, headers=dict(reply.headers), body=reply.content)

    async def get(self, path: str) -> None:
        """Look at a page."""
        reply = await self.client.get(path)
        if _is_page(path, reply):
            await self.look(f"GET {path}", reply)

    async def send(self, path: str, **fields: str) -> None:
        """Look at a form that was refused; one that was taken shows nothing."""
        reply = await self.client.send_form(path, **fields)
        if reply.status_code != 303 and _is_page(path, reply):
            await self.look(f"POST {path}", reply)

    async def look(self, title: str, reply: httpx2.Response) -> None:
        """Note what is wrong with an answer, in both themes."""
        self._ready = reply
        await self.tab.goto(str(reply.url))
        found: set[str] = set()
        for scheme in SCHEMES:
            await self.tab.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
            found.update(f"{title} ({scheme}): {fault}" for fault in await self.tab.evaluate(AUDIT))
        found.update(f"{title}: {fault}" for fault in await nameless(self.tab))
        opened = "links => links.map((one) => one.getAttribute('href'))"
        self.dialogs.update(await self.tab.eval_on_selector_all("a[hx-target='#dialog-body']", opened))
        self.count += 1
        self.faults += sorted(found)


async def nameless(tab: Tab) -> list[str]:
    """Return what Chromium would tell a reader of without a name."""
    session = await tab.context.new_cdp_session(tab)
    nodes = (await session.send("Accessibility.getFullAXTree"))["nodes"]
    await session.detach()
    return [
        f"a {node['role']['value']} without a name"
        for node in nodes
        if not node["ignored"]
        and node["role"]["value"] in NEED_NAMES
        and not node.get("name", {}).get("value", "").strip()
    ]


@pytest.fixture
async def tab() -> AsyncIterator[Tab]:
    async with async_playwright() as playwright:
        chromium = await playwright.chromium.launch(
            executable_path=path_of("chromium-headless-shell"), args=["--no-sandbox", "--disable-gpu"]
        )
        yield await chromium.new_page(viewport={"width": 1280, "height": 900})
        await chromium.close()


async def looked(tab: Tab, client: Client) -> Looked:
    one = Looked(tab, client)
    await tab.context.unroute_all()
    await tab.context.route("**/*", one.serve)
    return one


def fields_of(text: str) -> dict[str, str]:
    """Return a wrong answer for each field of a page's forms."""
    names = re.findall(r'<(?:input|textarea|select) [^>]*name="(\w+)"', text)
    return {name: "?! wrong" for name in names if name not in {"csrf", "seen_account"}}


@pytest.fixture
async def names(console: Console, database: Database, world: World) -> dict[str, object]:
    return await things_of(console, database, world.domain, world.ours, person=world.admin, other=world.user)


@pytest.mark.parametrize("who", [Access.ADMIN, Access.OPERATOR], ids=lambda who: who.value)
async def test_pages_and_refused_forms(
    who: Access, tab: Tab, names: dict[str, object], admin: Client, operator: Client
) -> None:
    client = operator if who is Access.OPERATOR else admin
    walk = await looked(tab, client)
    seen = [one for one in PAGES if (one.access is Access.OPERATOR) == (who is Access.OPERATOR)]
    seen = [one for one in seen if one.access is not Access.ANYBODY and one.path != "/sign-out"]

    for one in seen:
        if one not in FORMS:
            await walk.get(address_of(one, names))
    assert walk.count >= (45 if who is Access.ADMIN else 8)
    for path in sorted(walk.dialogs):
        inside = await client.get(path, headers={"HX-Request": "true", "HX-Request-Type": "partial"})
        if 'id="dialog-title"' not in inside.text:
            walk.faults.append(f"{path} has no title for its dialog")
    pages = walk.count
    for one in seen:
        if one in FORMS:
            path = address_of(one, names)
            await walk.send(path)
            await walk.send(path, **fields_of((await client.get(path)).text))
    assert walk.count >= pages + (30 if who is Access.ADMIN else 4)

    assert walk.faults == []


async def test_a_box_that_was_ticked_wrongly(tab: Tab, operator: Client, world: World) -> None:
    await operator.send_form("/switch-account", account=str(world.ours.id))
    walk = await looked(tab, operator)
    fields = {"domain": world.domain.name, "username": "app@news.acme.example", "kind": "address"}

    await walk.send("/credentials/smtp-users/new", **fields, networks="192.0.2.1", requires_tls="on")

    assert await tab.get_by_label("Log-ins only over TLS").get_attribute("aria-invalid") == "true"
    assert walk.faults == []


async def test_an_account_with_nothing_in_it(tab: Tab, sign_in: SignIn, world: World) -> None:
    walk = await looked(tab, await sign_in(world.stranger))

    for one in PAGES:
        if one not in FORMS and one.access in {Access.ACCOUNT, Access.ADMIN} and "{" not in one.path:
            await walk.get(one.path)

    assert walk.count >= 15
    assert walk.faults == []


async def test_pages_before_signing_in(tab: Tab, nobody: Client, console: Console, world: World, post: Postman) -> None:
    await console.password_changes.mail_link(world.admin.email, "127.0.0.1")
    await console.invitations.invite(SYSTEM, world.ours.id, "new@acme.example", Role.USER)
    links = [re.search(r"http://[^/\s]+(/\S+)", text)[1] for _, _, text in post.sent]  # type: ignore[index]
    walk = await looked(tab, nobody)

    for path in ("/sign-in", "/sign-in?said=password-link", "/forgot-password", "/nothing", *links):
        await walk.get(path)
        await walk.send(path)
        await walk.send(path, **fields_of((await nobody.get(path)).text))

    assert len(links) == 2
    assert walk.faults == []

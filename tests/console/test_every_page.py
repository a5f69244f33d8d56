"""What holds for every page, by walking the table of routes: a new page is in these tests as soon as it is declared."""

import re
from collections.abc import Mapping

import httpx2
import pytest
from starlette.routing import Route

from postroad.httpd.console.app import pages
from postroad.httpd.console.console import Console
from postroad.httpd.console.route import Access, Page
from postroad.storage.database import Database

from .conftest import Client, World
from .things import things_of

PAGES = [route for route in pages() if isinstance(route, Page)]
FORMS = [one for one in PAGES if "POST" in (one.methods or ())]
WITH_NAMES = [one for one in PAGES if "{" in one.path]
PUBLIC = frozenset(
    {
        "/sign-in",
        "/sign-in/second-factor",
        "/sign-in/link/{token}",
        "/forgot-password",
        "/set-password/{token}",
        "/invitation/{token}",
        "/sign-in/passkey",
        "/sign-in/passkey/options",
        "/sign-in/oidc",
        "/sign-in/oidc/callback",
    }
)
"""The pages that need no session; one more is a decision."""

_PLACE = re.compile(r"{(\w+)(?::\w+)?}")


def title(one: Page) -> str:
    return f"{'POST' if one in FORMS else 'GET'} {one.path}"


def path_of(one: Page, names: Mapping[str, object]) -> str:
    return _PLACE.sub(lambda place: str(names[place[1]]), one.path)


def method_of(one: Page) -> str:
    return "POST" if one in FORMS else "GET"


@pytest.fixture
async def foreign(world: World, console: Console, database: Database) -> dict[str, object]:
    """One thing of the other account for every name that paths have."""
    return await things_of(console, database, world.their_domain, world.theirs, person=world.stranger)


@pytest.fixture
async def own(world: World, console: Console, database: Database) -> dict[str, object]:
    """The same of the account that the admin is of."""
    return await things_of(console, database, world.domain, world.ours, person=world.admin, other=world.user)


def made_up(one: Page) -> str:
    return _PLACE.sub("1", one.path)


def test_every_route_is_a_declared_page() -> None:
    assert [route for route in pages() if isinstance(route, Route) and not isinstance(route, Page)] == []


def test_pages_that_need_no_session_are_known() -> None:
    assert {one.path for one in PAGES if one.access is Access.ANYBODY} == PUBLIC


class Walk:
    """Asks for pages one after the other and notes those that answer otherwise than they should; none of it changes a thing."""

    def __init__(self, client: Client, status: int, words: str = "") -> None:
        self._client = client
        self._status = status
        self._words = words
        self.count = 0
        self.wrong: list[str] = []

    async def ask(self, one: Page, path: str, *, csrf: str | None = None, **headers: str) -> httpx2.Response:
        """Ask for a page, or send a form with its proof or another one."""
        proof = self._client.csrf if csrf is None else csrf
        data = {"csrf": proof} if one in FORMS else None
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        reply = await self._client.request(method_of(one), path, data=data, headers=named)
        self.count += 1
        if reply.status_code != self._status or self._words not in reply.text:
            self.wrong.append(f"{title(one)} {headers or csrf or ''}: {reply.status_code}")
        return reply


async def test_nobody_is_sent_to_sign_in(nobody: Client) -> None:
    walk = Walk(nobody, 303)
    for one in PAGES:
        if one.access is not Access.ANYBODY:
            reply = await walk.ask(one, made_up(one))
            assert reply.headers["location"].startswith("/sign-in"), title(one)
    assert (walk.wrong, walk.count > 100) == ([], True)


@pytest.mark.parametrize(
    "headers",
    [{"Sec_Fetch_Site": "cross-site"}, {"Origin": "https://evil.example"}, {"Origin": "null"}],
    ids=["cross-site", "origin", "opaque-origin"],
)
async def test_no_other_site_can_send_a_form(headers: dict[str, str], admin: Client) -> None:
    walk = Walk(admin, 403, "another site")
    for one in FORMS:
        await walk.ask(one, made_up(one), **headers)
    assert (walk.wrong, walk.count > 50) == ([], True)


@pytest.mark.parametrize("csrf", ["", "0" * 64])
async def test_a_form_without_its_proof_is_refused(csrf: str, admin: Client) -> None:
    walk = Walk(admin, 403, "out of date")
    for one in FORMS:
        if one.access is not Access.ANYBODY:
            await walk.ask(one, made_up(one), csrf=csrf)
    assert (walk.wrong, walk.count > 50) == ([], True)


async def test_who_may_only_look_cannot_change(user: Client) -> None:
    walk = Walk(user, 403, "not change it")
    for one in PAGES:
        if one.access is Access.ADMIN:
            await walk.ask(one, made_up(one))
    assert (walk.wrong, walk.count > 30) == ([], True)


async def test_operators_pages_do_not_exist_for_others(admin: Client) -> None:
    walk = Walk(admin, 404)
    for one in PAGES:
        if one.access is Access.OPERATOR:
            await walk.ask(one, made_up(one))
    assert (walk.wrong, walk.count > 10) == ([], True)


async def test_what_belongs_to_another_account_does_not_exist(foreign: dict[str, object], admin: Client) -> None:
    walk = Walk(admin, 404, "There is no")
    for one in WITH_NAMES:
        if one.access is not Access.ANYBODY:
            await walk.ask(one, path_of(one, foreign))
    assert (walk.wrong, walk.count > 30) == ([], True)


async def test_an_id_that_no_database_can_have_does_not_exist(operator: Client) -> None:
    walk = Walk(operator, 404)
    for one in WITH_NAMES:
        if ":id}" in one.path:
            await walk.ask(one, _PLACE.sub("1" + "0" * 22, one.path))
    assert (walk.wrong, walk.count > 30) == ([], True)


async def test_pages_of_the_own_account_are_there(own: dict[str, object], admin: Client, operator: Client) -> None:
    """Without it the 404 above would prove nothing: a path that is wrong in itself gives one as well."""
    for_admins, for_operators = Walk(admin, 200), Walk(operator, 200)
    for one in WITH_NAMES:
        if one.access is not Access.ANYBODY and one not in FORMS:
            walk = for_operators if one.access is Access.OPERATOR else for_admins
            await walk.ask(one, path_of(one, own))
    assert (for_admins.wrong, for_admins.count > 30) == ([], True)
    assert for_operators.wrong == []


@pytest.mark.parametrize(
    "one", [one for one in WITH_NAMES if one in FORMS and one.access is not Access.ANYBODY], ids=title
)
async def test_a_form_of_the_own_account_is_there(
    one: Page, own: dict[str, object], admin: Client, operator: Client
) -> None:
    client = operator if one.access is Access.OPERATOR else admin
    reply = await client.post(path_of(one, own), data={"csrf": client.csrf})

    # A form without its fields is refused with what is missing, and one that needs none has done its work.
    assert reply.status_code in {200, 303, 422}, reply.text


async def test_the_address_of_a_form_that_was_refused_leads_to_its_page(
    own: dict[str, object], admin: Client, operator: Client
) -> None:
    pages_at = {one.path for one in PAGES if one not in FORMS}
    alone = [one for one in FORMS if one.path not in pages_at and one.access is not Access.ANYBODY]
    wrong = []
    for one in alone:
        client = operator if one.access is Access.OPERATOR else admin
        reply = await client.get(path_of(one, own), follow_redirects=True)
        if reply.status_code != 200:
            wrong.append(f"{one.path}: {reply.status_code} of {reply.url.path}")
    assert (wrong, len(alone) > 10) == ([], True)

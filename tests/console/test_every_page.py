"""What holds for every page, by walking the table of routes: a new page is in these tests as soon as it is declared."""

import re
from collections.abc import Mapping

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


@pytest.mark.parametrize("one", [one for one in PAGES if one.access is not Access.ANYBODY], ids=title)
async def test_nobody_is_sent_to_sign_in(one: Page, nobody: Client) -> None:
    reply = await nobody.request(method_of(one), made_up(one))

    assert reply.status_code == 303
    assert reply.headers["location"].startswith("/sign-in")


@pytest.mark.parametrize("one", FORMS, ids=title)
@pytest.mark.parametrize(
    "headers",
    [{"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://evil.example"}, {"Origin": "null"}],
    ids=["cross-site", "origin", "opaque-origin"],
)
async def test_no_other_site_can_send_a_form(one: Page, headers: dict[str, str], admin: Client) -> None:
    reply = await admin.post(made_up(one), data={"csrf": admin.csrf}, headers=headers)

    assert reply.status_code == 403
    assert "another site" in reply.text


@pytest.mark.parametrize("one", [one for one in FORMS if one.access is not Access.ANYBODY], ids=title)
@pytest.mark.parametrize("csrf", ["", "0" * 64])
async def test_a_form_without_its_proof_is_refused(one: Page, csrf: str, admin: Client) -> None:
    reply = await admin.post(made_up(one), data={"csrf": csrf})

    assert reply.status_code == 403
    assert "out of date" in reply.text


@pytest.mark.parametrize("one", [one for one in PAGES if one.access is Access.ADMIN], ids=title)
async def test_who_may_only_look_cannot_change(one: Page, user: Client) -> None:
    reply = await user.request(method_of(one), made_up(one), data={"csrf": user.csrf} if one in FORMS else None)

    assert reply.status_code == 403
    assert "not change it" in reply.text


@pytest.mark.parametrize("one", [one for one in PAGES if one.access is Access.OPERATOR], ids=title)
async def test_operators_pages_do_not_exist_for_others(one: Page, admin: Client) -> None:
    reply = await admin.request(method_of(one), made_up(one), data={"csrf": admin.csrf} if one in FORMS else None)

    assert reply.status_code == 404


@pytest.mark.parametrize("one", [one for one in WITH_NAMES if one.access is not Access.ANYBODY], ids=title)
async def test_what_belongs_to_another_account_does_not_exist(
    one: Page, foreign: dict[str, object], admin: Client
) -> None:
    reply = await admin.request(
        method_of(one), path_of(one, foreign), data={"csrf": admin.csrf} if one in FORMS else None
    )

    assert reply.status_code == 404
    assert "There is no" in reply.text


@pytest.mark.parametrize("one", [one for one in WITH_NAMES if one.access is not Access.ANYBODY], ids=title)
async def test_the_same_of_the_own_account_is_there(
    one: Page, own: dict[str, object], admin: Client, operator: Client
) -> None:
    """Without it the 404 above would prove nothing: a path that is wrong in itself gives one as well."""
    client = operator if one.access is Access.OPERATOR else admin
    reply = await client.request(
        method_of(one), path_of(one, own), data={"csrf": client.csrf} if one in FORMS else None
    )

    # A form without its fields is refused with what is missing, and one that needs none has done its work.
    assert reply.status_code in ({200, 303, 422} if one in FORMS else {200}), reply.text


@pytest.mark.parametrize("one", [one for one in WITH_NAMES if ":id}" in one.path], ids=title)
async def test_an_id_that_no_database_can_have_does_not_exist(one: Page, operator: Client) -> None:
    path = _PLACE.sub("1" + "0" * 22, one.path)

    reply = await operator.request(method_of(one), path, data={"csrf": operator.csrf} if one in FORMS else None)

    assert reply.status_code == 404

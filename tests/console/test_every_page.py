"""What holds for every page, by walking the table of routes: a new page is in these tests as soon as it is declared."""

import re
from collections.abc import Mapping

import pytest
from starlette.routing import Route

from postroad.httpd.console.app import pages
from postroad.httpd.console.console import Console
from postroad.httpd.console.route import Access, Page
from postroad.model.actor import SYSTEM
from postroad.model.credential import Secret
from postroad.model.identity import Passkey
from postroad.model.suppression import SuppressionKind
from postroad.model.template import TemplateSource
from postroad.model.user import Role, User
from postroad.storage import passkeys
from postroad.storage.database import Database
from postroad.storage.suppressions import place_of
from postroad.suppressions.suppressions import place_text

from .conftest import Client, World, message_of

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
    """One thing of the other account for every name that paths have; a new name needs a line here."""
    await console.sessions.open(world.stranger, None, method="password", client_address="", user_agent="")
    invited = await console.invitations.invite(SYSTEM, world.theirs.id, "new@globex.example", Role.USER)
    message_id = await message_of(database, world.theirs, world.their_domain)
    return {
        "user_id": world.stranger.id,
        "person_id": world.stranger.id,
        "session_id": (await console.sessions.of(world.stranger))[0].id,
        "invitation_id": invited.invitation.id,
        "name": world.theirs.name,
        "domain": world.their_domain.name,
        "template_id": (
            await console.templates.add(SYSTEM, world.their_domain.name, "theirs", TemplateSource(html="<p>Hi</p>"))
        ).id,
        "version_number": 1,
        "smtp_user_id": (
            await console.smtp_users.add(SYSTEM, f"app@{world.their_domain.name}", password=Secret("Quiet-harbour-41"))
        ).user.id,
        "message_id": message_id,
        "delivery_id": message_id,
        "passkey_id": (await database.write(passkeys.add, a_passkey(world.stranger))).id,
        "place": place_text(
            place_of(
                await console.suppressions.add(SYSTEM, world.their_domain.name, "a@r.example", SuppressionKind.BLOCK)
            )
        ),
        "import_id": (
            await console.imports.begin(SYSTEM, world.their_domain, SuppressionKind.BLOCK, b"b@r.example", "list.csv")
        ).id,
        "api_key_id": (await console.api_keys.add_for_account(SYSTEM, world.theirs.id)).key.id,
    }


def a_passkey(user: User) -> Passkey:
    return Passkey(
        id=0, user_id=user.id, credential_id=b"of a device", public_key=b"", sign_count=0, name="Phone", created_at=1
    )


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


@pytest.mark.parametrize("one", [one for one in WITH_NAMES if ":id}" in one.path], ids=title)
async def test_an_id_that_no_database_can_have_does_not_exist(one: Page, operator: Client) -> None:
    path = _PLACE.sub("1" + "0" * 22, one.path)

    reply = await operator.request(method_of(one), path, data={"csrf": operator.csrf} if one in FORMS else None)

    assert reply.status_code == 404

"""The button of the sign-in page that leads to an OpenID provider, and the way back; with a certified provider."""

from collections.abc import AsyncIterator, Iterator

import httpx2
import msgspec
import pytest
from starlette.responses import PlainTextResponse

from postroad.accounts.api_key_check import ApiKeyCheck
from postroad.accounts.people.oidc import CALLBACK_PATH
from postroad.accounts.settings import OidcSettings
from postroad.httpd.apps import web_app
from postroad.httpd.console.console import Console
from postroad.net.http_client import HttpClient
from postroad.storage import users
from postroad.storage.database import Database
from tests.api.services import api_services
from tests.integration.openid_flow import client_for, service_for, settings_for
from tests.peers.openid import OpenIdPeer
from tests.peers.ports import free_port
from tests.unit.accounts.authenticator import Authenticator

from .conftest import NOW, Client, World

pytestmark = pytest.mark.peer("npm:oidc-provider")

BASE = "http://localhost"
BEGIN = "/sign-in/oidc?next=/profile"
FROM_OURS = {"Sec-Fetch-Site": "same-origin"}


@pytest.fixture(scope="module")
def peer() -> Iterator[OpenIdPeer]:
    with OpenIdPeer(BASE + CALLBACK_PATH) as running:
        yield running


@pytest.fixture
async def console(console: Console, database: Database, peer: OpenIdPeer) -> AsyncIterator[Console]:
    settings = settings_for(peer)
    client = client_for(settings)
    service = service_for(database, settings, client, BASE)
    yield msgspec.structs.replace(console, oidc=service)
    await client.aclose()


async def goes(client: Client, peer: OpenIdPeer, path: str = BEGIN) -> httpx2.Response:
    """Click the button, sign in at the provider, and come back."""
    begun = await client.get(path, headers=FROM_OURS)
    assert begun.status_code == 303, begun.text
    return await client.get(await way_back(peer, begun.headers["location"]), headers={"Sec-Fetch-Site": "cross-site"})


async def way_back(peer: OpenIdPeer, url: str) -> str:
    async with httpx2.AsyncClient(verify=peer.trust) as browser:
        while not url.startswith(BASE):
            reply = await browser.get(url)
            assert reply.is_redirect, reply.text
            url = str(reply.url.join(reply.headers["location"]))
    return url.removeprefix(BASE)


async def test_a_person_signs_in_and_comes_to_the_page_it_wanted(
    nobody: Client, peer: OpenIdPeer, world: World
) -> None:
    peer.signs_in("one", email=world.admin.email, email_verified=True)

    reply = await goes(nobody, peer)

    assert (reply.status_code, reply.headers["location"]) == (303, "/profile")
    assert world.admin.email in (await nobody.get("/")).text
    assert "postroad-journey" not in nobody.cookies


async def test_what_went_wrong_is_one_sentence_and_nobody_is_signed_in(nobody: Client, peer: OpenIdPeer) -> None:
    peer.signs_in("two", email="stranger@elsewhere.example", email_verified=True)

    reply = await goes(nobody, peer)

    assert reply.status_code == 422
    assert "There is no user stranger@elsewhere.example here: ask an admin of your account to invite you." in reply.text
    assert "postroad" not in nobody.cookies


async def test_the_way_back_counts_in_the_browser_that_went(nobody: Client, peer: OpenIdPeer, world: World) -> None:
    peer.signs_in("three", email=world.admin.email, email_verified=True)
    begun = await nobody.get(BEGIN, headers=FROM_OURS)
    back = await way_back(peer, begun.headers["location"])
    nobody.cookies.clear()

    reply = await nobody.get(back)

    assert reply.status_code == 422
    assert "began in another browser" in reply.text


async def test_who_may_not_come_in_stays_out(
    nobody: Client, peer: OpenIdPeer, world: World, database: Database
) -> None:
    peer.signs_in("four", email=world.admin.email, email_verified=True)
    await database.write(users.set_networks, world.admin.id, ["192.0.2.0/24"])
    assert "You may not sign in from this network" in (await goes(nobody, peer)).text

    await database.write(users.set_disabled, world.admin.id, NOW)
    assert "Your access was disabled" in (await goes(nobody, peer)).text
    assert "postroad" not in nobody.cookies


async def test_the_button_is_there_and_takes_the_wanted_page_along(nobody: Client) -> None:
    page = (await nobody.get("/sign-in?next=/domains")).text

    assert 'href="/sign-in/oidc?next=/domains"' in page
    assert "Sign in with Example Login" in page


async def test_another_site_cannot_begin_it(nobody: Client) -> None:
    reply = await nobody.get(BEGIN, headers={"Sec-Fetch-Site": "cross-site"})

    assert (reply.status_code, reply.headers["location"]) == (303, "/sign-in?next=/profile")


@pytest.mark.parametrize("wanted", ["https://evil.example/", "//evil.example", "/\\evil.example"])
async def test_it_leads_to_our_own_pages_only(wanted: str, nobody: Client, peer: OpenIdPeer, world: World) -> None:
    peer.signs_in("five", email=world.admin.email, email_verified=True)

    reply = await goes(nobody, peer, "/sign-in/oidc?" + str(httpx2.QueryParams({"next": wanted})))

    assert reply.headers["location"] == "/"


def served(client: Client, console: Console, api_keys: ApiKeyCheck, database: Database) -> Client:
    """Have a client use a console with other services."""
    client._transport = httpx2.ASGITransport(
        app=web_app(console, api_services(api_keys), database, tracker=PlainTextResponse("")), client=("127.0.0.1", 5)
    )
    return client


async def test_a_provider_that_is_away_leaves_the_other_ways(
    nobody: Client, admin: Client, console: Console, api_keys: ApiKeyCheck, database: Database
) -> None:
    # Who has signed in a moment ago and has no password may add a passkey without one.
    person = await database.read(users.by_email, "ada@acme.example")
    assert person is not None
    await database.write(users.set_password, person.id, "")
    device = Authenticator()
    options = (await admin.post("/profile/passkeys/options", headers={"X-CSRF-Token": admin.csrf})).text
    await admin.send_form("/profile/passkeys", credential=device.makes(options, BASE), name="")
    settings = OidcSettings(issuer=f"http://127.0.0.1:{free_port()}", client_id="postroad", name="Example Login")
    client = HttpClient(allow_private_addresses=True)
    away = service_for(database, settings, client, BASE)
    served(nobody, msgspec.structs.replace(console, oidc=away), api_keys, database)

    reply = await nobody.get(BEGIN, headers=FROM_OURS)

    assert reply.status_code == 422
    assert "Example Login cannot be reached at the moment: try again, or sign in with your password." in reply.text
    answer = device.uses((await nobody.post("/sign-in/passkey/options")).text, BASE)
    assert (await nobody.send_form("/sign-in/passkey", credential=answer)).status_code == 303
    await client.aclose()


async def test_without_a_provider_there_is_no_such_page(
    nobody: Client, console: Console, api_keys: ApiKeyCheck, database: Database
) -> None:
    served(nobody, msgspec.structs.replace(console, oidc=None), api_keys, database)

    for path in (BEGIN, CALLBACK_PATH):
        assert (await nobody.get(path)).status_code == 404

"""Passkeys by the console's pages: made, named, used to sign in, removed; with a device in software."""

import json
import re

import httpx2
import pytest

from postroad.accounts.password_hashing import hash_password
from postroad.httpd.console.console import Console
from postroad.httpd.console.route import own_path
from postroad.model.credential import Secret
from postroad.model.user import User
from postroad.storage import passkeys, users
from postroad.storage.database import Database
from postroad.storage.secrets import Vault
from postroad.storage.users import TotpSecret
from tests.unit.accounts.authenticator import Authenticator

from .conftest import NOW, Client, Postman, World

ORIGIN = "http://localhost"
PATH = "/profile/passkeys"
PASSWORD = "seven quiet lanterns"
OTHER = "eight loud lanterns"
_HASH = hash_password(Secret(PASSWORD))


@pytest.fixture(autouse=True)
async def _password(database: Database, world: World) -> None:
    await database.write(users.set_password, world.admin.id, _HASH)


async def asks(client: Client, path: str, **fields: str) -> httpx2.Response:
    """Ask for what the browser needs, as the script does."""
    headers = {"X-CSRF-Token": client.csrf, "Sec-Fetch-Site": "same-origin"}
    return await client.post(path, headers=headers, data=fields)


async def options(client: Client, path: str, **fields: str) -> str:
    reply = await asks(client, path, **fields)
    assert reply.status_code == 200, reply.text
    return reply.text


async def adds(client: Client, device: Authenticator, name: str = "Laptop") -> None:
    answer = device.makes(await options(client, f"{PATH}/options", password=PASSWORD), ORIGIN)
    reply = await client.send_form(PATH, credential=answer, name=name)
    assert (reply.status_code, reply.headers["location"]) == (303, PATH)


async def answer_of(client: Client, device: Authenticator) -> str:
    return device.uses(await options(client, "/sign-in/passkey/options"), ORIGIN)


async def test_a_person_makes_a_passkey_and_signs_in_with_it(admin: Client, nobody: Client) -> None:
    device = Authenticator()
    assert "No passkeys yet" in (await admin.get(PATH)).text
    await adds(admin, device, "<b>Laptop</b>")
    page = (await admin.get(PATH)).text
    assert "Passkey &lt;b&gt;Laptop&lt;/b&gt; was added" in page
    assert "<strong>&lt;b&gt;Laptop&lt;/b&gt;</strong>" in page

    reply = await nobody.send_form("/sign-in/passkey", credential=await answer_of(nobody, device), next="/?x=1")

    assert (reply.status_code, reply.headers["location"]) == (303, "/?x=1")
    assert "ada@acme.example" in (await nobody.get("/")).text


@pytest.mark.parametrize("fields", [{}, {"password": "not it"}])
async def test_a_passkey_is_not_made_without_the_password(
    fields: dict[str, str], admin: Client, database: Database, world: World
) -> None:
    assert 'name="password"' in (await admin.get(PATH)).text
    reply = await asks(admin, f"{PATH}/options", **fields)

    assert (reply.status_code, json.loads(reply.text)) == (422, {"refused": "This is not your password."})


async def test_who_has_no_password_adds_a_passkey_after_signing_in(
    admin: Client, database: Database, world: World
) -> None:
    await database.write(users.set_password, world.admin.id, "")
    assert 'name="password"' not in (await admin.get(PATH)).text
    await options(admin, f"{PATH}/options")


async def test_after_a_reset_of_the_password_the_passkeys_that_stay_are_shown(
    admin: Client, nobody: Client, console: Console, post: Postman
) -> None:
    await adds(admin, Authenticator())
    await console.password_changes.mail_link("ada@acme.example", "127.0.0.1")
    path = re.search(r"http://\S+?(/set-password/\S+)", post.sent[-1][2])[1]  # type: ignore[index]

    reply = await nobody.send_form(path, password=OTHER)

    assert (reply.status_code, reply.headers["location"]) == (303, f"{PATH}?after=reset")
    page = (await nobody.get(reply.headers["location"])).text
    assert "1 passkey still signs in without it: remove each one that you do not know" in page
    assert "<strong>Laptop</strong>" in page
    assert "still signs in" not in (await nobody.get(PATH)).text


async def test_a_second_factor_comes_before_the_passkeys_that_stay(
    admin: Client, nobody: Client, console: Console, post: Postman, *, database: Database, world: World
) -> None:
    await adds(admin, Authenticator())
    await _has_second_factor(database, world.admin)
    await console.password_changes.mail_link("ada@acme.example", "127.0.0.1")
    path = re.search(r"http://\S+?(/set-password/\S+)", post.sent[-1][2])[1]  # type: ignore[index]

    reply = await nobody.send_form(path, password=OTHER)

    assert reply.status_code == 200
    assert f'name="next" value="{PATH}?after=reset"' in reply.text
    assert own_path(f"{PATH}?after=reset") == f"{PATH}?after=reset"


async def test_a_passkey_leads_to_our_own_pages_only(admin: Client, nobody: Client) -> None:
    device = Authenticator()
    await adds(admin, device)

    reply = await nobody.send_form(
        "/sign-in/passkey", credential=await answer_of(nobody, device), next="//evil.example/"
    )

    assert reply.headers["location"] == "/"


async def test_no_second_factor_is_asked_for(admin: Client, nobody: Client, database: Database, world: World) -> None:
    device = Authenticator()
    await adds(admin, device)
    await _has_second_factor(database, world.admin)

    reply = await nobody.send_form("/sign-in/passkey", credential=await answer_of(nobody, device))

    assert reply.status_code == 303
    assert (await nobody.get("/")).status_code == 200


async def test_a_disabled_person_stays_out(admin: Client, nobody: Client, database: Database, world: World) -> None:
    device = Authenticator()
    await adds(admin, device)
    await database.write(users.set_disabled, world.admin.id, NOW)

    reply = await nobody.send_form("/sign-in/passkey", credential=await answer_of(nobody, device))

    assert reply.status_code == 422
    assert "Your access was disabled" in reply.text
    assert "set-cookie" not in reply.headers


async def test_a_person_outside_its_networks_stays_out(
    admin: Client, nobody: Client, database: Database, world: World
) -> None:
    device = Authenticator()
    await adds(admin, device)
    await database.write(users.set_networks, world.admin.id, ["192.0.2.0/24"])

    reply = await nobody.send_form("/sign-in/passkey", credential=await answer_of(nobody, device))

    assert reply.status_code == 422
    assert "You may not sign in from this network" in reply.text


async def test_what_proves_nobody_is_said_with_the_other_ways(nobody: Client) -> None:
    reply = await nobody.send_form("/sign-in/passkey", credential=await answer_of(nobody, Authenticator()))

    assert reply.status_code == 422
    assert "This passkey is not known here" in reply.text
    assert 'name="password"' in reply.text
    assert "Sign in with a passkey" in reply.text


async def test_a_refused_passkey_keeps_the_name_that_was_typed(admin: Client) -> None:
    reply = await admin.send_form(PATH, credential="nothing", name="My phone")

    assert reply.status_code == 422
    assert "could not be verified" in reply.text
    assert 'value="My phone"' in reply.text


async def test_a_passkey_is_removed_after_a_question(
    admin: Client, nobody: Client, database: Database, world: World
) -> None:
    device = Authenticator()
    await adds(admin, device)
    [made] = await database.read(passkeys.of_user, world.admin.id)

    assert "Remove Laptop?" in (await admin.get(f"{PATH}/{made.id}/remove")).text
    assert (await admin.send_form(f"{PATH}/{made.id}/remove")).headers["location"] == PATH
    assert "No passkeys yet" in (await admin.get(PATH)).text

    reply = await nobody.send_form("/sign-in/passkey", credential=await answer_of(nobody, device))
    assert reply.status_code == 422


async def test_passkeys_are_not_offered_under_an_address(admin: Client) -> None:
    reply = await admin.get(PATH, headers={"Host": "127.0.0.1"})
    assert "data-passkey=" not in reply.text
    assert "cannot be used under 127.0.0.1" in reply.text

    refused = await admin.post("/sign-in/passkey/options", headers={"Host": "127.0.0.1", "X-CSRF-Token": admin.csrf})
    assert refused.status_code == 422
    assert "cannot be used under this address" in json.loads(refused.text)["refused"]


@pytest.mark.parametrize("path", [f"{PATH}/options", PATH])
async def test_another_site_cannot_have_a_passkey_planted(path: str, admin: Client) -> None:
    reply = await admin.post(path, data={"csrf": admin.csrf}, headers={"Sec-Fetch-Site": "cross-site"})

    assert reply.status_code == 403


async def _has_second_factor(database: Database, user: User) -> None:
    await database.write(users.set_totp, Vault(bytes(32)), user.id, TotpSecret("A" * 32, 0), [])

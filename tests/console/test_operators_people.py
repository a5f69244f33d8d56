"""People, for operators: anybody is added with a link, looked after, and removed."""

import re

from postroad.httpd.console.console import Console
from postroad.model.actor import SYSTEM
from postroad.storage import users
from postroad.storage.database import Database
from postroad.storage.secrets import Vault
from postroad.storage.users import TotpSecret

from .conftest import Client, SignIn, World


async def test_an_operator_adds_people_and_hands_links_over(
    operator: Client, sign_in: SignIn, world: World, console: Console
) -> None:
    for email, account, is_operator in (("new@acme.example", "acme", False), ("op2@host.example", "", True)):
        reply = await operator.send_form("/people/new", email=email, account=account, role="admin", name="New")
        path = re.search(r"(/set-password/[^\"<]+)", reply.text)
        assert path is not None
        client: Client = await sign_in(None)
        assert email in (await client.get(path[1])).text
        assert (await console.people.find(SYSTEM, email)).is_operator is is_operator

    page = (await operator.get("/people")).text.replace("<wbr>", "")
    assert "new@acme.example" in page
    assert page.count("no password yet") == 2
    refused = await operator.send_form("/people/new", email="new@acme.example", account="acme", role="user")
    assert refused.status_code == 422
    assert "There is a user new@acme.example already." in refused.text
    assert 'value="new@acme.example"' in refused.text


async def test_an_operator_looks_after_anybody(operator: Client, user: Client, world: World, console: Console) -> None:
    base = f"/people/{world.user.id}"
    assert "acme (user)" in (await operator.get(base)).text
    link = await operator.send_form(f"{base}/password-link")
    assert "/set-password/" in link.text
    assert (await user.get("/")).status_code == 200
    await operator.send_form(f"{base}/sessions/end")
    assert (await user.get("/")).status_code == 303
    assert (await operator.send_form(f"{base}/second-factor/reset")).status_code == 422
    await operator.send_form(f"{base}/disable")
    assert (await console.people.get(SYSTEM, world.user.id)).disabled_at is not None
    await operator.send_form(f"{base}/enable")
    assert (await operator.get(f"{base}/remove")).status_code == 200
    assert (await operator.send_form(f"{base}/remove")).headers["location"] == "/people"
    assert (await operator.get(base)).status_code == 404


async def test_an_operator_is_asked_before_a_second_factor_is_reset(
    operator: Client, world: World, console: Console, database: Database
) -> None:
    await database.write(users.set_totp, Vault(bytes(32)), world.user.id, TotpSecret("A" * 32, 0), [])
    base = f"/people/{world.user.id}"
    page = (await operator.get(base)).text
    assert f'href="{base}/second-factor/reset"' in page
    assert f'action="{base}/second-factor/reset"' not in page

    asked = await operator.get(f"{base}/second-factor/reset")
    assert f"Reset the two-factor authentication of {world.user.email}?" in asked.text
    assert (await console.people.get(SYSTEM, world.user.id)).has_totp
    assert (await operator.send_form(f"{base}/second-factor/reset")).headers["location"] == base
    assert not (await console.people.get(SYSTEM, world.user.id)).has_totp


async def test_an_operator_finds_its_own_password_and_second_factor_in_its_profile(
    operator: Client, world: World, database: Database
) -> None:
    await database.write(users.set_totp, Vault(bytes(32)), world.operator.id, TotpSecret("A" * 32, 0), [])
    base = f"/people/{world.operator.id}"
    page = (await operator.get(base)).text
    assert '<a class="button" href="/profile">' in page
    assert f'href="{base}/second-factor/reset"' not in page
    assert f'action="{base}/password-link"' not in page
    for what in ("second-factor/reset", "password-link"):
        refused = await operator.send_form(f"{base}/{what}")
        assert refused.status_code == 422
        assert "in your profile: it asks for your password." in refused.text


async def test_the_last_operator_stays(operator: Client, world: World) -> None:
    for what in ("disable", "remove"):
        reply = await operator.send_form(f"/people/{world.operator.id}/{what}")
        assert reply.status_code == 422
        assert "last operator" in reply.text

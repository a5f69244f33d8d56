"""Signing in and out in the console: by password, second factor and links; and what an attacker would try."""

import html
import re

import argon2
import httpx2
import pyotp
import pytest
import structlog.testing

from postroad.accounts.password_hashing import hash_password
from postroad.accounts.people.first_operator import FirstOperator
from postroad.accounts.people.links import Links
from postroad.httpd.console.console import Console
from postroad.model.actor import SYSTEM
from postroad.model.credential import Secret
from postroad.model.user import User
from postroad.net.clock import now_ms
from postroad.storage import accounts, users
from postroad.storage.database import Database
from postroad.storage.errors import StorageUnavailable

from .conftest import Client, Postman, SignIn, World, csrf_of

PASSWORD = "seven quiet lanterns"
OTHER = "eight loud lanterns"
_HASH = hash_password(Secret(PASSWORD))
STEP_MS = 30_000


@pytest.fixture
async def ada(world: World, database: Database) -> User:
    await database.write(users.set_password, world.admin.id, _HASH)
    return world.admin


async def signs_in(client: Client, email: str, password: str = PASSWORD, **fields: str) -> httpx2.Response:
    return await client.send_form("/sign-in", email=email, password=password, **fields)


def hidden(reply: httpx2.Response, name: str) -> str:
    found = re.search(rf'name="{name}" value="([^"]*)"', reply.text)
    assert found is not None, reply.text
    return html.unescape(found[1])


async def second_factor_of(console: Console, user: User, client: Client) -> pyotp.TOTP:
    """Turn a person's second factor on, as its pages do."""
    token = client.cookies.get("postroad")
    assert token is not None
    client.csrf = csrf_of(token)
    begun = await client.send_form("/profile/two-factor/begin")
    app = pyotp.TOTP(re.search(r"data-copy=\"([A-Z2-7]{32})\"", begun.text)[1])  # type: ignore[index]
    shown = app.generate_otp(now_ms() // STEP_MS - 1)
    done = await client.send_form(
        "/profile/two-factor/confirm", ticket=hidden(begun, "ticket"), code=shown, password=PASSWORD
    )
    assert done.status_code == 200, done.text
    return app


async def test_a_person_signs_in_and_out(nobody: Client, ada: User) -> None:
    reply = await signs_in(nobody, "Ada@acme.example")
    assert (reply.status_code, reply.headers["location"]) == (303, "/")
    assert (await nobody.get("/")).status_code == 200

    nobody.csrf = csrf_of(nobody.cookies["postroad"])
    token = nobody.cookies["postroad"]
    out = await nobody.send_form("/sign-out")
    assert "postroad" not in nobody.cookies
    assert "You are signed out" in (await nobody.get(out.headers["location"])).text
    nobody.cookies.set("postroad", token)
    assert (await nobody.get("/")).status_code == 303


async def test_the_cookie_is_for_this_site_and_no_script(nobody: Client, ada: User) -> None:
    cookie = (await signs_in(nobody, ada.email)).headers["set-cookie"]

    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    assert "Path=/" in cookie


async def test_over_tls_the_cookie_belongs_to_this_host_alone(nobody: Client, ada: User) -> None:
    reply = await nobody.post(
        "https://localhost/sign-in",
        data={"email": ada.email, "password": PASSWORD},
        headers={"Sec-Fetch-Site": "same-origin"},
    )

    assert re.match(r"__Host-postroad=[^;]{43}; .*Secure", reply.headers["set-cookie"])


async def test_a_planted_session_is_worth_nothing(nobody: Client, ada: User) -> None:
    """Session fixation: what the browser had before it signed in is not what it is signed in with."""
    nobody.cookies.set("postroad", "planted-by-an-attacker", domain="localhost.local", path="/")
    await signs_in(nobody, ada.email)
    mine = [one.value for one in nobody.cookies.jar if one.name == "postroad" and one.value != "planted-by-an-attacker"]

    assert len(mine) == 1
    nobody.cookies.clear()
    nobody.cookies.set("postroad", "planted-by-an-attacker")
    assert (await nobody.get("/")).status_code == 303


@pytest.mark.parametrize(
    ("wanted", "goes_to"),
    [
        ("/settings/users?x=1", "/settings/users?x=1"),
        ("//evil.example", "/"),
        ("///evil.example", "/"),
        ("/\\evil.example", "/"),
        ("\\\\evil.example", "/"),
        ("https://evil.example", "/"),
        ("https:evil.example", "/"),
        ("javascript:alert(1)", "/"),
        ("/\t/evil.example", "/"),
        ("/\n/evil.example", "/"),
        ("evil", "/"),
        ("", "/"),
    ],
)
async def test_after_signing_in_the_page_that_was_asked_for_and_nowhere_else(
    sign_in: SignIn, ada: User, wanted: str, goes_to: str
) -> None:
    client: Client = await sign_in(None)
    page = await client.get("/sign-in", params={"next": wanted})
    assert hidden(page, "next") == goes_to

    reply = await signs_in(client, ada.email, next=wanted)

    assert (reply.status_code, reply.headers["location"]) == (303, goes_to)


async def test_what_is_wrong_is_said_and_what_was_typed_is_kept_but_the_password(nobody: Client, ada: User) -> None:
    known = await signs_in(nobody, ada.email, "wrong password")
    unknown = await signs_in(nobody, "<b>@acme.example", "wrong password")

    assert (known.status_code, unknown.status_code) == (422, 422)
    assert "The email address or the password is wrong." in known.text
    assert 'value="ada@acme.example"' in known.text
    assert 'value="&lt;b&gt;@acme.example"' in unknown.text
    assert "wrong password" not in known.text
    assert known.text.replace(ada.email, "") == unknown.text.replace("&lt;b&gt;@acme.example", "")


async def test_what_an_smtp_user_logs_in_with_opens_no_console(
    nobody: Client, world: World, console: Console, database: Database
) -> None:
    name, password = f"app@{world.domain.name}", "Quiet-harbour-41"
    added = await console.smtp_users.add(SYSTEM, name, password=Secret(password))
    assert argon2.PasswordHasher().verify(added.user.password_hash, password)

    refused = await signs_in(nobody, name, password)
    assert refused.status_code == 422
    assert "The email address or the password is wrong." in refused.text
    assert (await nobody.get("/", auth=(name, password))).headers["location"].startswith("/sign-in")

    # A person of the same address has a password of its own.
    person = await console.people.add(SYSTEM, name, account=world.ours)
    assert (await signs_in(nobody, name, password)).status_code == 422
    await database.write(users.set_password, person.user.id, _HASH)
    assert (await signs_in(nobody, name, password)).status_code == 422
    assert "postroad" not in nobody.cookies
    assert (await signs_in(nobody, name, PASSWORD)).status_code == 303


async def test_guessing_ends_in_a_lock(nobody: Client, ada: User) -> None:
    for _ in range(8):
        await signs_in(nobody, ada.email, "wrong password")

    reply = await signs_in(nobody, ada.email)
    assert reply.status_code == 429
    assert "Too many wrong attempts" in reply.text


async def test_the_second_factor_stands_between_password_and_console(
    sign_in: SignIn, console: Console, ada: User
) -> None:
    first: Client = await sign_in(None)
    await signs_in(first, ada.email)
    app = await second_factor_of(console, ada, first)

    client: Client = await sign_in(None)
    asked = await signs_in(client, ada.email, next="/settings/users")
    assert asked.status_code == 200
    assert "postroad" not in client.cookies
    ticket, wanted = hidden(asked, "ticket"), hidden(asked, "next")
    wrong = await client.send_form("/sign-in/second-factor", ticket=ticket, code="000000", next=wanted)
    assert wrong.status_code == 422
    assert "This code is wrong" in wrong.text
    code = app.generate_otp(now_ms() // STEP_MS + 1)
    done = await client.send_form("/sign-in/second-factor", ticket=hidden(wrong, "ticket"), code=code, next=wanted)
    assert (done.status_code, done.headers["location"]) == (303, "/settings/users")

    replay: Client = await sign_in(None)
    ticket = hidden(await signs_in(replay, ada.email), "ticket")
    again = await replay.send_form("/sign-in/second-factor", ticket=ticket, code=code)
    assert again.status_code == 422
    assert "was used already" in again.text


async def test_a_recovery_code_is_used_up(sign_in: SignIn, console: Console, ada: User) -> None:
    client: Client = await sign_in(None)
    await signs_in(client, ada.email)
    client.csrf = csrf_of(client.cookies["postroad"])
    await second_factor_of(console, ada, client)
    shown = await client.send_form("/profile/recovery-codes", password=PASSWORD)
    codes = re.findall(r"[a-z2-7]{4}(?:-[a-z2-7]{4}){3}", shown.text)
    assert len(set(codes)) == 10

    for expected in (303, 422):
        other: Client = await sign_in(None)
        ticket = hidden(await signs_in(other, ada.email), "ticket")
        reply = await other.send_form("/sign-in/second-factor", ticket=ticket, code=codes[0])
        assert reply.status_code == expected


async def test_a_made_up_ticket_leads_back_to_the_beginning(nobody: Client) -> None:
    reply = await nobody.send_form("/sign-in/second-factor", ticket="made up", code="000000", next="//evil.example")

    assert reply.status_code == 422
    assert "begin again" in reply.text
    assert hidden(reply, "next") == "/"


async def test_a_forgotten_password_is_set_by_a_mailed_link_once(
    sign_in: SignIn, console: Console, post: Postman, ada: User, admin: Client
) -> None:
    client: Client = await sign_in(None)
    answers = [await client.send_form("/forgot-password", email=email) for email in (ada.email, "no@acme.example")]
    assert answers[0].headers["location"] == answers[1].headers["location"] == "/sign-in?said=password-link"
    assert answers[0].text == answers[1].text
    assert "a link is on its way" in (await client.get("/sign-in?said=password-link")).text
    assert await console.password_changes.mail_link(ada.email, "127.0.0.1")
    path = re.search(r"http://\S+?(/set-password/\S+)", post.sent[-1][2])[1]  # type: ignore[index]

    for _ in range(2):
        assert (await client.get(path)).status_code == 200
    short = await client.send_form(path, password="short")
    assert short.status_code == 422
    assert "at least 12 characters" in short.text
    done = await client.send_form(path, password=OTHER)
    assert (done.status_code, done.headers["location"]) == (303, "/")
    assert (await admin.get("/")).status_code == 303

    stranger: Client = await sign_in(None)
    for reply in (await stranger.get(path), await stranger.send_form(path, password=PASSWORD)):
        assert reply.status_code == 404
        assert "used already" in reply.text
    assert (await signs_in(stranger, ada.email, OTHER)).status_code == 303


async def test_setting_a_password_by_link_does_not_get_round_the_second_factor(
    sign_in: SignIn, console: Console, post: Postman, ada: User
) -> None:
    client: Client = await sign_in(None)
    await signs_in(client, ada.email)
    await second_factor_of(console, ada, client)
    await console.password_changes.mail_link(ada.email, "127.0.0.1")
    path = re.search(r"http://\S+?(/set-password/\S+)", post.sent[-1][2])[1]  # type: ignore[index]

    other: Client = await sign_in(None)
    reply = await other.send_form(path, password=OTHER)

    assert reply.status_code == 200
    assert "One more step" in reply.text
    assert "postroad" not in other.cookies


async def test_a_sign_in_link_is_used_by_its_button_only(sign_in: SignIn, database: Database) -> None:
    first = FirstOperator(database, now_ms, Links("http://localhost"), email="op@host.example")
    path = str((await first.sign_in_link()).url).removeprefix("http://localhost")
    client: Client = await sign_in(None)

    for _ in range(3):
        looked_at = await client.get(path)
        assert looked_at.status_code == 200
        assert "postroad" not in client.cookies
    used = await client.send_form(path)
    assert used.status_code == 303
    assert (await client.get("/accounts")).status_code == 200
    again: Client = await sign_in(None)
    assert (await again.get(path)).status_code == 404
    assert (await again.send_form(path)).status_code == 422


async def test_who_opens_a_link_while_somebody_is_signed_in_takes_the_place(
    sign_in: SignIn, database: Database, ada: User, world: World, console: Console
) -> None:
    client: Client = await sign_in(world.user)
    before = client.cookies["postroad"]
    first = FirstOperator(database, now_ms, Links("http://localhost"), email="op@host.example")
    path = str((await first.sign_in_link()).url).removeprefix("http://localhost")

    await client.send_form(path)

    assert await console.sessions.find(before, "127.0.0.1") is None


async def test_a_disabled_persons_session_ends_at_the_next_request(
    admin: Client, console: Console, world: World, database: Database
) -> None:
    assert (await admin.get("/")).status_code == 200
    await database.write(users.set_disabled, world.admin.id, now_ms())

    assert (await admin.get("/")).headers["location"].startswith("/sign-in")


async def test_a_suspended_account_lets_nobody_in(
    admin: Client, nobody: Client, world: World, ada: User, database: Database
) -> None:
    await database.write(accounts.set_suspended, world.ours.id, now_ms())

    assert (await admin.get("/")).headers["location"].startswith("/sign-in")
    reply = await signs_in(nobody, ada.email)
    assert reply.status_code == 422
    assert "yours may be suspended" in reply.text


async def test_a_person_comes_in_from_its_networks_only(
    admin: Client, nobody: Client, ada: User, console: Console
) -> None:
    await console.people.set_networks(SYSTEM, ada.id, ["198.51.100.0/24"])

    assert (await admin.get("/")).headers["location"].startswith("/sign-in")
    assert "You may not sign in from this network" in (await signs_in(nobody, ada.email)).text


async def test_who_is_signed_in_needs_no_sign_in_page(admin: Client) -> None:
    assert (await admin.get("/sign-in?next=/domains")).headers["location"] == "/domains"


async def test_a_page_without_encryption_says_so(sign_in: SignIn) -> None:
    client: Client = await sign_in(None)

    assert "not encrypted" in (await client.get("http://console/sign-in")).text
    assert "not encrypted" not in (await client.get("/sign-in")).text


async def test_a_link_is_in_no_log_even_when_storage_is_away(
    nobody: Client, console: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(token: str) -> None:
        raise StorageUnavailable("gone for a moment")

    monkeypatch.setattr(console.password_changes, "person_of_link", away)
    with structlog.testing.capture_logs() as logs:
        reply = await nobody.get("/set-password/s3cret-token")

    assert reply.status_code == 503
    assert [one["event"] for one in logs] == ["page_without_storage"]
    assert "s3cret" not in repr(logs)

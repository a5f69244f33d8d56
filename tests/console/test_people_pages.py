"""Settings, users: people are invited, accept, are changed and leave; each by whoever may."""

import re

import httpx2
import pyotp
import pytest

from postroad.accounts.password_hashing import hash_password
from postroad.httpd.console.console import Console
from postroad.model.account import Account
from postroad.model.actor import SYSTEM
from postroad.model.credential import Secret
from postroad.model.identity import Passkey
from postroad.model.user import Role, User
from postroad.storage import passkeys, users
from postroad.storage.database import Database

from .conftest import Client, Postman, SignIn, World, csrf_of

PASSWORD = "seven quiet lanterns"
_HASH = hash_password(Secret(PASSWORD))
NEW = "new@acme.example"


def link_in(post: Postman) -> str:
    found = re.search(r"http://\S+?(/invitation/\S+)", post.sent[-1][2])
    assert found is not None
    return found[1]


async def shown(client: Client, path: str = "/settings/users") -> str:
    page = await client.get(path)
    assert page.status_code == 200, page.text
    # What lets long names break is of no interest here.
    return page.text.replace("<wbr>", "")


async def signs_in(client: Client, email: str) -> httpx2.Response:
    reply = await client.send_form("/sign-in", email=email, password=PASSWORD)
    client.csrf = csrf_of(client.cookies["postroad"])
    return reply


async def test_somebody_new_is_invited_and_accepts(admin: Client, sign_in: SignIn, post: Postman) -> None:
    reply = await admin.send_form("/settings/users/invite", email=NEW, role="admin")
    assert reply.headers["location"] == "/settings/users"
    assert f"The invitation was mailed to {NEW}" in await shown(admin)
    assert NEW in await shown(admin)

    client: Client = await sign_in(None)
    path = link_in(post)
    assert "Join acme" in (await client.get(path)).text
    short = await client.send_form(path, name="<i>New</i>", password="short")
    assert short.status_code == 422
    assert 'value="&lt;i&gt;New&lt;/i&gt;"' in short.text
    done = await client.send_form(path, name="<i>New</i>", password=PASSWORD)
    assert (done.status_code, done.headers["location"]) == (303, "/")
    page = await shown(admin)
    assert "&lt;i&gt;New&lt;/i&gt;" in page
    assert "<i>New</i>" not in page
    assert (await client.get(path)).status_code == 404


async def test_a_person_of_another_account_accepts_and_switches_and_is_revoked(
    admin: Client, sign_in: SignIn, post: Postman, world: World, database: Database
) -> None:
    await database.write(users.set_password, world.stranger.id, _HASH)
    await admin.send_form("/settings/users/invite", email=world.stranger.email, role="user")
    path = link_in(post)
    client: Client = await sign_in(None)
    assert f"/sign-in?next={path}" in (await client.get(path)).text
    assert (await client.send_form(path)).headers["location"] == f"/sign-in?next={path}"
    assert "sign out first" in (await admin.get(path)).text
    assert (await admin.send_form(path)).status_code == 422

    await signs_in(client, world.stranger.email)
    joined = await client.send_form(path)
    assert joined.headers["location"] == "/"
    assert world.domain.name in (await client.get("/")).text
    assert "external" in await shown(admin)
    assert (await client.get("/settings/users/invite")).status_code == 403

    user = await shown(admin, f"/settings/users/{world.stranger.id}")
    assert "belongs to another account" in user
    await admin.send_form(f"/settings/users/{world.stranger.id}/remove")
    assert (await client.get("/")).headers["location"].startswith("/sign-in")
    assert world.stranger.email not in (await shown(admin)).replace(f"{world.stranger.email} was removed", "")
    await signs_in(client, world.stranger.email)
    assert world.their_domain.name in (await client.get("/")).text


async def test_nobody_accepts_an_invitation_into_a_suspended_account(
    admin: Client, sign_in: SignIn, post: Postman, world: World, console: Console
) -> None:
    client, stranger = await sign_in(None), await sign_in(world.stranger)
    paths = {}
    for email in (NEW, world.stranger.email):
        await admin.send_form("/settings/users/invite", email=email, role="user")
        paths[email] = link_in(post)
    await console.accounts.suspend(SYSTEM, world.ours.name)

    for reply in (
        await client.get(paths[NEW]),
        await client.send_form(paths[NEW], name="New", password=PASSWORD),
        await stranger.send_form(paths[world.stranger.email]),
    ):
        assert reply.status_code == 422
        assert "This account is suspended: ask its operator." in reply.text
    assert len(await console.invitations.all(SYSTEM, world.ours.id)) == 2
    assert NEW not in [one.email for one in await console.people.everybody(SYSTEM)]


async def test_an_invitation_is_revoked(admin: Client, sign_in: SignIn, post: Postman, console: Console) -> None:
    await admin.send_form("/settings/users/invite", email=NEW, role="user")
    (made,) = await console.invitations.all(SYSTEM, 1)

    assert f"Revoke the invitation of {NEW}" in (await admin.get(f"/settings/invitations/{made.id}/revoke")).text
    await admin.send_form(f"/settings/invitations/{made.id}/revoke")

    client: Client = await sign_in(None)
    assert (await client.get(link_in(post))).status_code == 404


async def test_what_is_wrong_with_an_invitation_stands_at_its_field(admin: Client, post: Postman, world: World) -> None:
    for email, role, why in (
        ("new", "user", "is not an email address"),
        ("ü@x.test", "user", "has characters beyond ASCII, which the address of a person cannot have here"),
        ("a@ü.test", "user", "has characters beyond ASCII: write it as a@xn--tda.test."),
        (world.user.email, "user", "is a user of this account already"),
        (NEW, "owner", "Choose what the person may do"),
    ):
        reply = await admin.send_form("/settings/users/invite", email=email, role=role)
        assert reply.status_code == 422
        assert why in reply.text
        assert f'value="{email}"' in reply.text
    post.works = False
    assert "could not be mailed" in (await admin.send_form("/settings/users/invite", email=NEW, role="user")).text


async def test_an_operator_is_given_the_link_that_could_not_be_mailed(
    sign_in: SignIn, post: Postman, world: World
) -> None:
    post.works = False
    operator: Client = await sign_in(world.operator, world.ours)

    reply = await operator.send_form("/settings/users/invite", email=NEW, role="user")

    path = re.search(r"(/invitation/[^\"<]+)", reply.text)[1]  # type: ignore[index]
    client: Client = await sign_in(None)
    assert (await client.get(path)).status_code == 200


async def test_an_admin_changes_a_person(admin: Client, world: World, post: Postman, console: Console) -> None:
    base = f"/settings/users/{world.user.id}"
    assert "uma@acme.example" in await shown(admin, base)

    await admin.send_form(f"{base}/role", role="admin")
    bad = await admin.send_form(f"{base}/networks", networks="office")
    assert bad.status_code == 422
    assert "office is not an address, nor a range" in bad.text
    await admin.send_form(f"{base}/networks", networks="198.51.100.0/24, 2001:db8::/32")
    await admin.send_form(f"{base}/password-link")
    await admin.send_form(f"{base}/sessions/end")
    await admin.send_form(f"{base}/disable")
    changed = await console.people.get(SYSTEM, world.user.id)
    assert changed.networks == ("198.51.100.0/24", "2001:db8::/32")
    assert changed.disabled_at is not None
    assert post.sent[-1][0] == world.user.email
    await admin.send_form(f"{base}/enable")
    assert (await console.people.get(SYSTEM, world.user.id)).disabled_at is None
    assert (await admin.send_form(f"{base}/second-factor")).status_code == 422
    await admin.send_form(f"{base}/remove")
    assert (await admin.get(base)).status_code == 404

    page = (await shown(admin, "/settings/audit-log")).replace("&#39;", "'")
    for action in ("user.role_changed", "user.networks_changed", "user.password_link_mailed", "user.disabled"):
        assert action in page
    assert "<del>user</del> → <ins>admin</ins>" in page
    assert "<ins>198.51.100.0/24, 2001:db8::/32</ins>" in page


async def test_the_last_admin_stays(admin: Client, world: World) -> None:
    base = f"/settings/users/{world.admin.id}"
    for path, fields in ((f"{base}/role", {"role": "user"}), (f"{base}/remove", {}), (f"{base}/disable", {})):
        reply = await admin.send_form(path, **fields)
        assert reply.status_code == 422
        assert "last admin" in reply.text


async def test_an_admin_who_becomes_one_that_only_looks_lands_on_the_list(
    admin: Client, world: World, console: Console
) -> None:
    await console.people.set_role(SYSTEM, world.ours.id, world.user.id, Role.ADMIN)

    reply = await admin.send_form(f"/settings/users/{world.admin.id}/role", role="user")

    assert reply.headers["location"] == "/settings/users"
    assert f"The role of {world.admin.email} was changed" in await shown(admin)
    assert (await admin.get(f"/settings/users/{world.admin.id}")).status_code == 403


async def test_an_admin_does_not_lock_itself_out_by_networks(
    admin: Client, world: World, database: Database, console: Console
) -> None:
    await database.write(users.set_password, world.admin.id, _HASH)
    reply = await admin.send_form("/profile/networks", networks="198.51.100.0/24", password=PASSWORD)
    assert reply.status_code == 422
    assert "you would lock yourself out" in reply.text
    assert (await admin.send_form("/profile/networks", networks="127.0.0.0/8", password=PASSWORD)).status_code == 303
    assert (await console.people.get(SYSTEM, world.admin.id)).networks == ("127.0.0.0/8",)


async def test_networks_of_a_person_stay_where_a_page_that_was_opened_earlier_is_saved(
    admin: Client, world: World, database: Database, console: Console
) -> None:
    await database.write(users.set_password, world.admin.id, _HASH)
    theirs = f"/settings/users/{world.user.id}/networks"
    early, own = await admin.shown_by(theirs), await admin.shown_by("/profile/networks")
    await admin.send_form(theirs, networks="198.51.100.0/24", shown=early)
    await admin.send_form("/profile/networks", networks="127.0.0.0/8", password=PASSWORD, shown=own)

    assert (await admin.send_form(theirs, networks="", shown=early)).status_code == 303
    reply = await admin.send_form("/profile/networks", networks="", password=PASSWORD, shown=own)

    assert reply.status_code == 303
    assert (await console.people.get(SYSTEM, world.user.id)).networks == ("198.51.100.0/24",)
    assert (await console.people.get(SYSTEM, world.admin.id)).networks == ("127.0.0.0/8",)


async def test_a_stolen_session_does_not_lock_its_owner_out_by_networks(
    admin: Client, world: World, console: Console
) -> None:
    assert 'name="password"' in await shown(admin, "/profile/networks")
    for typed in ({}, {"password": "a guess"}):
        wrong = await admin.send_form("/profile/networks", networks="127.0.0.1", **typed)
        assert wrong.status_code == 422
        assert 'id="password-error"' in wrong.text

    base = f"/settings/users/{world.admin.id}"
    assert 'href="/profile/networks"' in await shown(admin, base)
    elsewhere = await admin.send_form(f"{base}/networks", networks="127.0.0.1")
    assert elsewhere.status_code == 422
    assert "in your profile: it asks for your password" in elsewhere.text
    assert (await console.people.get(SYSTEM, world.admin.id)).networks == ()


async def test_who_has_no_password_changes_its_networks_while_its_signing_in_is_fresh(
    sign_in: SignIn, world: World, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    await database.write(users.set_password, world.user.id, "")
    client: Client = await sign_in(world.user)

    assert 'name="password"' not in await shown(client, "/profile/networks")
    assert (await client.send_form("/profile/networks", networks="127.0.0.1")).status_code == 303
    monkeypatch.setattr("postroad.accounts.people.own_password.RECENTLY_MS", -1)
    late = await client.send_form("/profile/networks", networks="")
    assert late.status_code == 422
    assert "Sign out and in again first" in late.text


async def test_who_has_no_password_sets_one_in_its_profile(sign_in: SignIn, world: World, database: Database) -> None:
    await database.write(users.set_password, world.user.id, "")
    client: Client = await sign_in(world.user)

    assert "Set a password" in await shown(client, "/profile")
    page = await shown(client, "/profile/password")
    assert 'name="new_password"' in page
    assert 'name="current_password"' not in page
    weak = await client.send_form("/profile/password", new_password="short")
    assert weak.status_code == 422
    assert "at least 12 characters" in weak.text
    done = await client.send_form("/profile/password", new_password="eight loud lanterns")
    assert "Your password was set" in (await client.get(done.headers["location"])).text
    assert "Change password" in await shown(client, "/profile")


async def test_who_may_only_look_sees_people_and_no_buttons(user: Client, world: World) -> None:
    page = await shown(user)

    assert world.admin.email in page
    assert "Invite user" not in page
    assert "Manage" not in page


async def test_a_changed_password_comes_with_a_hint_until_something_stands_beside_it(
    sign_in: SignIn, world: World, database: Database
) -> None:
    await database.write(users.set_password, world.user.id, _HASH)
    client = await sign_in(world.user)
    hint = "set up two-factor authentication or a passkey below"
    await client.send_form("/profile/password", current_password=PASSWORD, new_password="eight loud lanterns")
    assert hint in await shown(client, "/profile")

    device = Passkey(
        id=0, user_id=world.user.id, credential_id=b"1", public_key=b"", sign_count=0, name="Phone", created_at=1
    )
    await database.write(passkeys.add, device)
    await client.send_form("/profile/password", current_password="eight loud lanterns", new_password="nine dim lamps")
    page = await shown(client, "/profile")
    assert "Your password was changed" in page
    assert hint not in page


async def test_the_profile_changes_name_password_and_sessions(
    sign_in: SignIn, world: World, console: Console, database: Database
) -> None:
    await database.write(users.set_password, world.user.id, _HASH)
    client, other = await sign_in(world.user), await sign_in(world.user)
    session = (await console.sessions.of(world.user))[0]
    await client.send_form("/profile/name", name="Uma <3")
    assert "Uma &lt;3" in await shown(client, "/profile")
    wrong = await client.send_form("/profile/password", current_password="wrong", new_password="eight loud lanterns")
    assert wrong.status_code == 422
    assert "This is not your password." in wrong.text
    assert "eight loud" not in wrong.text
    done = await client.send_form("/profile/password", current_password=PASSWORD, new_password="eight loud lanterns")
    assert done.status_code == 303
    assert (await other.get("/")).status_code == 303
    assert (await client.send_form(f"/profile/sessions/{session.id + 99}/end")).status_code == 404
    third = await sign_in(world.user)
    assert (
        "1 other session ended"
        in (await client.get((await client.send_form("/profile/sessions/end-others")).headers["location"])).text
    )
    assert (await third.get("/")).status_code == 303


@pytest.mark.parametrize("role", list(Role))
async def test_two_factor_is_set_up_and_turned_off_by_ones_own_pages(
    sign_in: SignIn, world: World, database: Database, role: Role, console: Console
) -> None:
    person: User = world.admin if role is Role.ADMIN else world.user
    await database.write(users.set_password, person.id, _HASH)
    client: Client = await sign_in(person)
    begun = await client.send_form("/profile/two-factor/begin")
    assert 'src="data:image/svg+xml' in begun.text
    ticket = re.search(r'name="ticket" value="([^"]*)"', begun.text)[1]  # type: ignore[index]
    wrong = await client.send_form("/profile/two-factor/confirm", ticket=ticket, code="000000")
    assert wrong.status_code == 422
    assert 'src="data:image/svg+xml' in wrong.text
    assert "not the code" in wrong.text
    assert (await client.send_form("/profile/two-factor/confirm", ticket="made up", code="000000")).status_code == 404
    code = pyotp.TOTP(re.search(r'data-copy="([A-Z2-7]{32})"', begun.text)[1]).now()  # type: ignore[index]
    unproven = await client.send_form("/profile/two-factor/confirm", ticket=ticket, code=code)
    assert unproven.status_code == 422
    assert "This is not your password" in unproven.text
    assert 'id="password-error"' in unproven.text
    assert (await client.send_form("/profile/two-factor/off", password=PASSWORD)).status_code == 422
    assert not (await console.people.get(SYSTEM, person.id)).has_totp


async def test_the_audit_log_is_searched_and_paged(admin: Client, operator: Client, console: Console) -> None:
    for number in range(60):
        await console.people.add(SYSTEM, f"p{number:02}@acme.example", account=await account_of(console))
    first = await shown(admin, "/settings/audit-log?action=user.added")
    older = re.search(r'href="(/settings/audit-log\?[^"]*before=[^"]*)"', first)
    assert older is not None
    second = await shown(admin, older[1].replace("&amp;", "&"))
    assert "p59@acme.example" in first
    assert "p09@acme.example" in second
    assert "p59@acme.example" not in second
    assert "Nothing found" in await shown(admin, "/settings/audit-log?target=%3Cscript%3E")
    assert "p07@acme.example" in await shown(admin, "/settings/audit-log?target=P07")
    bad = await admin.get("/settings/audit-log?since=yesterday")
    assert bad.status_code == 422
    assert "Write a day as" in bad.text
    assert (await admin.get("/settings/audit-log?before=x")).status_code == 422
    assert "p59@acme.example" in await shown(operator, "/audit-log")
    assert (await admin.get("/audit-log")).status_code == 404


async def test_what_others_wrote_is_text_in_the_audit_log(admin: Client, console: Console) -> None:
    ours = await account_of(console)
    await console.people.add(SYSTEM, '"<b>x</b>"@acme.example', account=ours)

    page = await shown(admin, "/settings/audit-log")

    assert "<b>x</b>" not in page
    assert "&lt;b&gt;x&lt;/b&gt;" in page


async def account_of(console: Console) -> Account:
    return await console.accounts.find(SYSTEM, "acme")

"""The frame around every page: cookies, the choice of account and domain, flashes, foreign hosts, bad requests."""

import httpx2
import pytest

from postroad.httpd.console.console import Console
from postroad.httpd.console.route import own_path
from postroad.model.actor import SYSTEM

from .conftest import Client, SignIn, World


async def test_a_chosen_domain_stays_chosen_over_the_pages(admin: Client, world: World) -> None:
    reply = await admin.send_form("/choose-domain", domain=str(world.domain.id), next="/?x=1")

    assert (reply.status_code, reply.headers["location"]) == (303, "/?x=1")
    assert f'<option value="{world.domain.id}" selected>' in (await admin.get("/")).text


async def test_a_domain_of_another_account_cannot_be_chosen(admin: Client, world: World) -> None:
    reply = await admin.send_form("/choose-domain", domain=str(world.their_domain.id), next="/")
    assert reply.status_code == 404

    admin.cookies.set("postroad-domain", str(world.their_domain.id))
    page = await admin.get("/")
    assert world.their_domain.name not in page.text
    assert " selected" not in page.text


async def test_an_operator_goes_into_an_account_and_out_again(operator: Client, world: World) -> None:
    assert (await operator.get("/")).headers["location"] == "/accounts"

    await operator.send_form("/switch-account", account=str(world.theirs.id))
    assert world.their_domain.name in (await operator.get("/")).text

    reply = await operator.send_form("/switch-account", account="")
    assert reply.headers["location"] == "/accounts"


async def test_nobody_switches_to_an_account_without_a_seat(admin: Client, world: World) -> None:
    assert (await admin.send_form("/switch-account", account=str(world.theirs.id))).status_code == 404
    assert (await admin.send_form("/switch-account", account="")).status_code == 404


async def test_a_page_of_one_account_does_nothing_in_another(operator: Client, world: World, console: Console) -> None:
    await operator.send_form("/switch-account", account=str(world.theirs.id))
    for seen in (str(world.ours.id), "all"):
        reply = await operator.send_form("/credentials/api-keys/new", note="stale", seen_account=seen)
        assert (reply.status_code, "Another account was chosen" in reply.text) == (409, True)
        dialog = {"HX-Request": "true", "X-Seen-Account": seen}
        reply = await operator.get("/credentials/api-keys/new", headers=dialog)
        assert (reply.status_code, reply.headers["HX-Refresh"]) == (204, "true")
    assert await console.api_keys.all(SYSTEM, account_id=world.theirs.id) == []

    seen = str(world.theirs.id)
    assert f'name="seen_account" value="{seen}"' in (await operator.get("/credentials/api-keys/new")).text
    dialog = {"HX-Request": "true", "X-Seen-Account": seen}
    assert (await operator.get("/credentials/api-keys/new", headers=dialog)).status_code == 200
    # Who goes on, or out, may do so from everywhere.
    assert (await operator.send_form("/switch-account", account="", seen_account="all")).status_code == 303
    reply = await operator.send_form("/credentials/api-keys/new", note="stale", seen_account=seen)
    assert reply.status_code == 409


async def test_an_account_is_added_with_what_is_wrong_said_first(operator: Client) -> None:
    refused = await operator.send_form("/accounts/new", name="Not A Name <b>")
    assert refused.status_code == 422
    assert 'value="Not A Name &lt;b&gt;"' in refused.text
    assert "is not a name for an account" in refused.text

    added = await operator.send_form("/accounts/new", name="initech")
    assert added.headers["location"] == "/accounts"
    page = await operator.get("/accounts")
    assert "Account initech was added." in page.text
    assert "was added" not in (await operator.get("/accounts")).text


async def test_words_of_others_are_never_shown_as_ours(admin: Client) -> None:
    admin.cookies.set("postroad-flash", "eyJ0ZXh0IjogIkNhbGwgKzEgNTU1IiwgImtpbmQiOiAiYmFkIn0=.00")

    page = await admin.get("/")

    assert "Call +1" not in page.text


async def test_a_session_is_not_had_in_the_clear_from_elsewhere(app: object, admin: Client) -> None:
    transport = httpx2.ASGITransport(app=app, client=("203.0.113.9", 50000))  # type: ignore[arg-type]
    async with httpx2.AsyncClient(transport=transport, base_url="http://192.0.2.1", cookies=admin.cookies) as remote:
        assert (await remote.get("/")).headers["location"].startswith("/sign-in")


async def test_the_cookie_over_tls_has_another_name_and_is_secure_only(app: object, admin: Client) -> None:
    token = admin.cookies["postroad"]
    transport = httpx2.ASGITransport(app=app, client=("203.0.113.9", 50000))  # type: ignore[arg-type]
    async with httpx2.AsyncClient(transport=transport, base_url="https://192.0.2.1") as remote:
        remote.cookies.set("postroad", token)
        assert (await remote.get("/")).status_code == 303
        remote.cookies.set("__Host-postroad", token)
        assert (await remote.get("/")).status_code == 200


async def test_other_names_than_the_consoles_lead_nowhere(app: object) -> None:
    transport = httpx2.ASGITransport(app=app)  # type: ignore[arg-type]
    async with httpx2.AsyncClient(transport=transport, base_url="http://click.customer.example.com") as remote:
        assert (await remote.get("/")).status_code == 421


async def test_a_form_that_is_too_large_is_refused(admin: Client) -> None:
    reply = await admin.send_form("/switch-account", account="1" * 300_000)
    assert reply.status_code == 413


async def test_pages_keep_scripts_frames_and_caches_out(admin: Client) -> None:
    headers = (await admin.get("/")).headers

    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cache-control"] == "no-store"


async def test_files_of_the_pages_are_kept_and_asked_about(admin: Client) -> None:
    first = await admin.get("/static/console.css")
    assert first.headers["cache-control"] == "no-cache"
    again = await admin.get("/static/console.css", headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.headers["cache-control"]) == (304, "no-cache")
    assert (await admin.get("/static/none.css")).headers["cache-control"] == "no-store"


async def test_no_page_has_script_or_style_of_its_own(admin: Client) -> None:
    text = (await admin.get("/")).text

    assert "<script>" not in text
    assert " style=" not in text
    assert " onclick=" not in text


async def test_a_dialog_gets_the_inside_of_the_page_alone(operator: Client) -> None:
    reply = await operator.get("/accounts/new", headers={"HX-Request": "true", "HX-Request-Type": "partial"})

    assert "<html" not in reply.text
    assert 'hx-post="/accounts/new"' in reply.text


async def test_unknown_pages_are_said_in_html_or_text(admin: Client, nobody: Client) -> None:
    assert "<h1>Not found</h1>" in (await nobody.get("/nothing")).text
    assert (await admin.get("/nothing", headers={"Accept": "*/*"})).headers["content-type"].startswith("text/plain")


async def test_an_unknown_page_has_the_menu_of_who_is_signed_in(admin: Client) -> None:
    reply = await admin.get("/domains/nothing/here")

    assert (reply.status_code, "There is no such page." in reply.text) == (404, True)
    assert '<a href="/domains" aria-current="page">' in reply.text


async def test_what_was_refused_is_not_come_back_to_by_its_forms_address(admin: Client, world: World) -> None:
    path = f"/domains/{world.domain.name}"
    refused = await admin.send_form(f"{path}/settings", hourly_quota="-5")
    assert (refused.status_code, f'value="{path}/settings"' in refused.text) == (422, True)

    # Without scripts nothing goes to the field by itself.
    assert '-error">what is wrong</a>' in refused.text

    reply = await admin.get(f"{path}/settings")
    assert (reply.status_code, reply.headers["location"]) == (303, path)


async def test_storage_that_is_away_is_said_so(admin: Client, console: Console, database: object) -> None:
    await database.close()  # type: ignore[attr-defined]

    reply = await admin.get("/")

    assert reply.status_code == 503
    assert "cannot be used" in reply.text


@pytest.mark.parametrize(
    "text", ["//evil.example", "/\\evil.example", "https://evil.example", "/\t/evil.example", "", "javascript:alert(1)"]
)
def test_ways_that_lead_elsewhere_are_not_taken(text: str) -> None:
    assert own_path(text) == "/"


def test_ways_of_our_own_are_kept() -> None:
    assert own_path("/messages?q=a%20b&before=1") == "/messages?q=a%20b&before=1"


async def test_the_end_of_an_account_ends_what_its_people_see(sign_in: SignIn, world: World, operator: Client) -> None:
    client = await sign_in(world.admin)
    await operator.send_form(f"/accounts/{world.ours.name}/suspend")

    assert (await client.get("/")).headers["location"].startswith("/sign-in")

"""Signing in by a certified OpenID provider: who gets in as whom, and what is refused."""

import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from sqlalchemy import Connection, func, select

from postroad.model.refused import RefusedError
from postroad.model.user import Role
from postroad.net.clock import now_ms
from postroad.net.http_client import HttpClient
from postroad.storage import accounts, memberships, users
from postroad.storage.engine import open_database
from postroad.storage.schema import control_plane
from tests.integration.openid_flow import CALLBACK, HERE, Browser, World, client_for, service_for, settings_for
from tests.peers.openid import OpenIdPeer

pytestmark = pytest.mark.peer("npm:oidc-provider")

ADA = "ada@acme.example"


@pytest.fixture(scope="module")
def peer() -> Iterator[OpenIdPeer]:
    with OpenIdPeer(CALLBACK) as running:
        yield running


@pytest.fixture
def browser(peer: OpenIdPeer) -> Browser:
    return Browser(peer)


@pytest.fixture
async def world(peer: OpenIdPeer, migrated_file: Path, tmp_path: Path) -> AsyncIterator[World]:
    shutil.copy(migrated_file, tmp_path / "postroad.sqlite")
    database = await open_database("", data_dir=tmp_path, clock=now_ms, read_connections=1)
    settings = settings_for(peer)
    client = client_for(settings)
    yield World(database, client, settings)
    await client.aclose()
    await database.close()


async def test_a_person_is_found_by_its_verified_address_and_then_by_the_providers_name(
    peer: OpenIdPeer, world: World, browser: Browser
) -> None:
    ada = await world.person(ADA)
    peer.signs_in("subject-1", email="Ada@Acme.example", email_verified=True)

    arrived = await world.comes_by(browser)

    assert (arrived.user, arrived.next_path) == (ada, "/domains")
    assert await world.bound_to(ada) == [(peer.issuer, "subject-1")]
    assert await world.actions() == ["identity.bound"]

    peer.signs_in("subject-1", email="married@acme.example", email_verified=True)
    assert (await world.comes_by(browser)).user == ada
    assert await world.actions() == ["identity.bound"]


async def test_the_address_is_taken_from_the_token_where_it_is_there(migrated_file: Path, world: World) -> None:
    ada = await world.person(ADA)
    with OpenIdPeer(CALLBACK, puts_email_into_token=True) as other:
        settings = settings_for(other)
        client = client_for(settings)
        theirs = World(world.database, client, settings)
        other.signs_in("subject-9", email=ADA, email_verified=True)
        assert (await theirs.comes_by(Browser(other))).user == ada
        await client.aclose()


async def test_nobody_else_gets_in(peer: OpenIdPeer, world: World, browser: Browser) -> None:
    peer.signs_in("subject-2", email="stranger@elsewhere.example", email_verified=True)

    with pytest.raises(RefusedError, match="There is no user stranger"):
        await world.comes_by(browser)
    assert await world.database.read(users.list_all) == []


@pytest.mark.parametrize(
    ("claims", "sentence"),
    [
        ({"email": ADA, "email_verified": False}, f"Example Login has not verified the email address {ADA}."),
        ({"email": ADA}, f"Example Login has not verified the email address {ADA}."),
        ({}, "Example Login gave no email address."),
    ],
)
async def test_an_address_that_is_not_verified_is_nobodys(
    claims: dict[str, object], sentence: str, peer: OpenIdPeer, world: World, browser: Browser
) -> None:
    ada = await world.person(ADA)
    peer.signs_in("subject-3", **claims)

    with pytest.raises(RefusedError) as refused:
        await world.comes_by(browser)
    assert str(refused.value) == sentence
    assert await world.bound_to(ada) == []


async def test_another_subject_with_the_same_address_is_another_person(
    peer: OpenIdPeer, world: World, browser: Browser
) -> None:
    ada = await world.person(ADA)
    peer.signs_in("subject-4", email=ADA, email_verified=True)
    await world.comes_by(browser)

    peer.signs_in("subject-5", email=ADA, email_verified=True)
    with pytest.raises(RefusedError, match="belongs to another person of Example Login"):
        await world.comes_by(browser)
    assert await world.bound_to(ada) == [(peer.issuer, "subject-4")]


async def test_whoever_is_invited_comes_in_with_the_role_of_the_invitation(
    peer: OpenIdPeer, world: World, browser: Browser
) -> None:
    await world.invited("new@acme.example", Role.ADMIN)
    peer.signs_in("subject-6", email="new@acme.example", email_verified=True, name="Nova\nNew")

    user = (await world.comes_by(browser)).user

    [right] = await world.database.read(memberships.of_user, user.id)
    assert (user.name, user.password_hash, right.role) == ("Nova New", "", Role.ADMIN)
    assert await world.actions() == ["identity.bound", "invitation.accepted"]
    assert (await world.comes_by(browser)).user == user


async def test_whoever_is_invited_into_a_suspended_account_is_not_added(
    peer: OpenIdPeer, world: World, browser: Browser
) -> None:
    await world.invited("later@acme.example", Role.USER)
    await world.database.write(accounts.set_suspended, (await world.account()).id, now_ms())
    peer.signs_in("subject-10", email="later@acme.example", email_verified=True)

    with pytest.raises(RefusedError, match="This account is suspended: ask its operator"):
        await world.comes_by(browser)
    assert await world.database.read(users.by_email, "later@acme.example") is None
    assert await world.actions() == []


async def test_people_of_the_domain_become_users_where_the_settings_say_so(
    peer: OpenIdPeer, world: World, browser: Browser
) -> None:
    account = await world.account()
    world.with_settings(creates_users_in="acme", email_domains=("acme.example",))
    peer.signs_in("subject-7", email="uninvited@acme.example", email_verified=True)
    user = (await world.comes_by(browser)).user

    [right] = await world.database.read(memberships.of_user, user.id)
    assert (user.account_id, right.role) == (account.id, Role.USER)

    peer.signs_in("subject-8", email="uninvited@elsewhere.example", email_verified=True)
    with pytest.raises(RefusedError, match="whose domain may not sign in here"):
        await world.comes_by(browser)


async def test_an_invitation_elsewhere_does_not_take_a_person_of_the_domain_away(
    peer: OpenIdPeer, world: World, browser: Browser
) -> None:
    await world.invited("ann@acme.example", Role.ADMIN, "other")
    account = await world.account()
    world.with_settings(creates_users_in="acme", email_domains=("acme.example",))
    peer.signs_in("subject-9", email="ann@acme.example", email_verified=True)

    user = (await world.comes_by(browser)).user

    assert user.account_id == account.id
    assert [one.role for one in await world.database.read(memberships.of_user, user.id)] == [Role.USER]


async def test_a_disabled_person_is_not_bound(peer: OpenIdPeer, world: World, browser: Browser) -> None:
    ada = await world.person(ADA, disabled_at=5)
    peer.signs_in("subject-10", email=ADA, email_verified=True)

    assert (await world.comes_by(browser)).user.disabled_at == 5
    assert await world.bound_to(ada) == []


async def test_a_token_of_another_sign_in_is_refused(peer: OpenIdPeer, world: World, browser: Browser) -> None:
    await world.person(ADA)
    peer.signs_in("subject-11", email=ADA, email_verified=True)

    with pytest.raises(RefusedError, match="gave a token that cannot be accepted"):
        await world.comes_by(browser, nonce="planted")


async def test_a_code_without_its_verifier_is_worth_nothing(peer: OpenIdPeer, world: World, browser: Browser) -> None:
    await world.person(ADA)
    peer.signs_in("subject-12", email=ADA, email_verified=True)
    challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"

    with pytest.raises(RefusedError, match="refused to answer"):
        await world.comes_by(browser, code_challenge=challenge)


async def test_a_code_for_another_application_is_refused(peer: OpenIdPeer, world: World, browser: Browser) -> None:
    await world.person(ADA)
    peer.signs_in("subject-13", email=ADA, email_verified=True)

    with pytest.raises(RefusedError, match="refused to answer"):
        await world.comes_by(browser, client_id="another")


async def test_an_answer_counts_once_and_in_one_browser_only(peer: OpenIdPeer, world: World, browser: Browser) -> None:
    await world.person(ADA)
    peer.signs_in("subject-14", email=ADA, email_verified=True)
    begun = await world.service.begin("/")
    answer = await browser.goes_to(begun.url)
    await world.service.finish(answer, begun.browser, HERE)

    with pytest.raises(RefusedError, match="begin again"):
        await world.service.finish(answer, begun.browser, HERE)

    mine, theirs = await world.service.begin("/"), await world.service.begin("/")
    with pytest.raises(RefusedError, match="begin again"):
        await world.service.finish(await browser.goes_to(theirs.url), mine.browser, HERE)


async def test_ways_that_are_begun_leave_nothing_behind(world: World, browser: Browser, peer: OpenIdPeer) -> None:
    for _ in range(5):
        await world.service.begin("/")
    assert await world.database.read(_tokens) == 0

    peer.signs_in("subject-15", email="stranger@elsewhere.example", email_verified=True)
    for _ in range(2):
        begun = await world.service.begin("/")
        answer = dict(await browser.goes_to(begun.url)) | {"code": "made up"}
        with pytest.raises(RefusedError, match="refused to answer"):
            await world.service.finish(answer, begun.browser, HERE)
    assert await world.database.read(_tokens) == 0


def _tokens(connection: Connection) -> int:
    return connection.execute(select(func.count()).select_from(control_plane.one_time_tokens)).scalar_one()


@pytest.mark.parametrize(("wanted", "comes_to"), [("/events?q=%C3%A9", "/events?q=%C3%A9"), ("/" + "x" * 3000, "/")])
async def test_the_wanted_page_comes_back_unless_a_cookie_has_no_room_for_it(
    world: World, browser: Browser, peer: OpenIdPeer, wanted: str, comes_to: str
) -> None:
    await world.person(ADA)
    peer.signs_in("subject-16", email=ADA, email_verified=True)
    begun = await world.service.begin(wanted)
    assert len(begun.browser) < 3000

    arrived = await world.service.finish(await browser.goes_to(begun.url), begun.browser, HERE)

    assert arrived.next_path == comes_to


async def test_a_made_up_state_is_refused_before_anything_is_asked(world: World) -> None:
    for state in ("", "made-up", "\0"):
        with pytest.raises(RefusedError, match="begin again"):
            await world.service.finish({"state": state, "code": "x"}, "y", HERE)


async def test_an_answer_of_another_issuer_is_refused(peer: OpenIdPeer, world: World, browser: Browser) -> None:
    peer.signs_in("subject-15", email=ADA, email_verified=True)
    begun = await world.service.begin("/")
    answer = await browser.goes_to(begun.url)
    assert answer["iss"] == peer.issuer

    with pytest.raises(RefusedError, match="cannot be accepted"):
        await world.service.finish({**answer, "iss": "https://evil.example"}, begun.browser, HERE)


async def test_new_keys_of_the_provider_are_fetched(peer: OpenIdPeer, world: World, browser: Browser) -> None:
    ada = await world.person(ADA)
    peer.signs_in("subject-16", email=ADA, email_verified=True)
    await world.comes_by(browser)

    peer.rotates_keys()

    assert (await world.comes_by(browser)).user == ada


async def test_a_refusal_of_the_provider_is_said_in_one_sentence(
    peer: OpenIdPeer, world: World, browser: Browser
) -> None:
    peer.refuses()

    with pytest.raises(RefusedError) as refused:
        await world.comes_by(browser)
    assert str(refused.value) == (
        "Example Login did not sign you in (access_denied): try again, or sign in with your password."
    )


async def test_a_provider_at_a_private_address_needs_the_operators_leave(world: World) -> None:
    client = HttpClient(authorities=Path(world.settings.authorities))
    service = service_for(world.database, world.settings, client)
    try:
        with pytest.raises(RefusedError, match="Example Login cannot be reached at the moment"):
            await service.begin("/")
    finally:
        await client.aclose()

import asyncio

import pytest

from postroad.accounts.people.own_password import RECENTLY_MS
from postroad.accounts.people.sign_in import Granted, Refused
from postroad.model.account import Account
from postroad.model.actor import ActorKind, command_actor
from postroad.model.credential import Secret
from postroad.model.refused import ForbiddenError, MissingError, RefusedError
from postroad.model.user import Role, User
from postroad.storage import users
from tests.unit.accounts.console_world import OTHER_PASSWORD, PASSWORD, ConsoleWorld
from tests.unit.accounts.people_rows import HERE, acting_as, person

COMMAND = command_actor("command line (root)")
MINUTE = 60_000


@pytest.fixture
async def ada(world: ConsoleWorld, account: Account) -> User:
    user = await person(world.database, "ada@acme.example", account)
    await world.give_password(user)
    return user


async def test_ones_own_password_needs_the_current_one_and_ends_other_sessions(world: ConsoleWorld, ada: User) -> None:
    other, mine = await world.signs_in(ada), await world.signs_in(ada)
    with pytest.raises(RefusedError, match="not your password") as refused:
        await world.changes.change(mine, Secret("wrong"), OTHER_PASSWORD, HERE)
    assert refused.value.field == "current_password"
    with pytest.raises(RefusedError, match="at least 12") as refused:
        await world.changes.change(mine, PASSWORD, Secret("short"), HERE)
    assert refused.value.field == "new_password"

    await world.changes.change(mine, PASSWORD, OTHER_PASSWORD, HERE)

    assert [one.id for one in await world.sessions.of(ada)] == [mine.session.id]
    assert other.session.id != mine.session.id
    assert await world.tries(ada.email, PASSWORD) == Refused("wrong")
    assert isinstance(await world.tries(ada.email, OTHER_PASSWORD), Granted)
    assert [one.action for one in await world.entries("user.password_changed")] == ["user.password_changed"]


async def test_who_has_no_password_sets_one_soon_after_signing_in(world: ConsoleWorld) -> None:
    link = await world.first_operator.sign_in_link()
    result = await world.sign_in.with_link(link.url.rpartition("/")[2], client_address=HERE, user_agent="")
    signed_in = await world.signed_in(result)
    with pytest.raises(RefusedError, match="at least 12") as refused:
        await world.changes.change(signed_in, Secret(""), Secret("short"), HERE)
    assert refused.value.field == "new_password"

    world.clock.advance(RECENTLY_MS + 1)
    with pytest.raises(RefusedError, match="Sign out and in again first"):
        await world.changes.change(signed_in, Secret(""), OTHER_PASSWORD, HERE)
    world.clock.advance(-1)
    await world.changes.change(signed_in, Secret(""), OTHER_PASSWORD, HERE)

    assert isinstance(await world.tries(signed_in.user.email, OTHER_PASSWORD), Granted)
    assert [one.target for one in await world.entries("user.password_set")] == [signed_in.user.email]


async def test_a_stolen_session_does_not_guess_the_password_for_long(world: ConsoleWorld, ada: User) -> None:
    stolen = await world.signs_in(ada)
    for _ in range(40):
        with pytest.raises(RefusedError):
            await world.changes.change(stolen, Secret("wrong"), OTHER_PASSWORD, HERE)

    with pytest.raises(RefusedError, match="Too many wrong attempts"):
        await world.changes.change(stolen, PASSWORD, OTHER_PASSWORD, HERE)


async def test_a_link_is_mailed_to_known_addresses_and_asking_never_tells_which(world: ConsoleWorld, ada: User) -> None:
    running = asyncio.create_task(world.changes.run())
    for email in ("nobody@acme.example", " ADA@acme.example", "not an address"):
        world.changes.ask_for_link(email, HERE)
    await world.changes.all_mailed()
    running.cancel()

    assert [to for to, _subject, _text in world.post.sent] == [ada.email]


async def test_whoever_asks_for_a_link_is_recorded_as_nobody_known_with_its_address(
    world: ConsoleWorld, ada: User
) -> None:
    await world.changes.mail_link(ada.email, "203.0.113.9")

    (entry,) = await world.entries("user.password_link_asked_for")
    assert (entry.actor_kind, entry.actor_id, entry.actor_name) == (ActorKind.SYSTEM, None, "nobody signed in")
    assert (entry.client_address, entry.target, entry.account_id) == ("203.0.113.9", ada.email, ada.account_id)


async def test_a_link_sets_the_password_once_and_ends_all_sessions(world: ConsoleWorld, ada: User) -> None:
    await world.signs_in(ada)
    assert await world.changes.mail_link(ada.email, HERE)
    token = world.post.last_token()
    found = await world.changes.person_of_link(token)
    assert found is not None
    assert found.email == ada.email
    with pytest.raises(RefusedError, match="must not be the email address"):
        await world.changes.set_by_link(token, Secret("Ada@acme.example"), HERE)

    await world.changes.set_by_link(token, OTHER_PASSWORD, HERE)

    assert await world.sessions.of(ada) == []
    with pytest.raises(MissingError, match="used already or has expired"):
        await world.changes.set_by_link(token, PASSWORD, HERE)
    assert isinstance(await world.tries(ada.email, OTHER_PASSWORD), Granted)


async def test_of_two_that_use_one_link_at_once_one_does(world: ConsoleWorld, ada: User) -> None:
    await world.changes.mail_link(ada.email, HERE)
    token = world.post.last_token()

    results = await asyncio.gather(
        *(world.changes.set_by_link(token, Secret(f"{PASSWORD} {number}"), HERE) for number in range(3)),
        return_exceptions=True,
    )

    assert sorted(type(one).__name__ for one in results) == ["MissingError", "MissingError", "User"]


async def test_a_link_ends_after_an_hour(world: ConsoleWorld, ada: User) -> None:
    await world.changes.mail_link(ada.email, HERE)
    world.clock.advance(60 * MINUTE)

    with pytest.raises(MissingError):
        await world.changes.set_by_link(world.post.last_token(), OTHER_PASSWORD, HERE)


async def test_setting_a_password_voids_every_other_link(world: ConsoleWorld, ada: User) -> None:
    by_hand = await world.people.new_password_link(COMMAND, ada.id)
    await world.changes.mail_link(ada.email, HERE)
    assert await world.changes.person_of_link(by_hand.url.rpartition("/")[2]) is not None
    await world.changes.set_by_link(world.post.last_token(), OTHER_PASSWORD, HERE)

    assert await world.changes.person_of_link(by_hand.url.rpartition("/")[2]) is None


async def test_strangers_who_ask_again_and_again_fill_no_mailbox(world: ConsoleWorld, ada: User) -> None:
    sent = []
    for _ in range(4):
        sent.append(await world.changes.mail_link(ada.email, HERE))
        world.clock.advance(2 * MINUTE)

    assert sent == [True, False, False, True]


async def test_a_person_is_mailed_five_links_in_a_day(world: ConsoleWorld, ada: User) -> None:
    sent = []
    for _ in range(8):
        sent.append(await world.changes.mail_link(ada.email, HERE))
        world.clock.advance(10 * MINUTE)
    assert sent == [True] * 5 + [False] * 3

    world.clock.advance(24 * 60 * MINUTE)
    assert await world.changes.mail_link(ada.email, HERE)


async def test_asking_for_more_than_can_be_mailed_is_dropped(world: ConsoleWorld, ada: User) -> None:
    for _ in range(200):
        world.changes.ask_for_link("nobody@acme.example", HERE)

    running = asyncio.create_task(world.changes.run())
    await world.changes.all_mailed()
    running.cancel()
    assert world.post.sent == []


async def test_the_disabled_get_no_link(world: ConsoleWorld, ada: User) -> None:
    await world.database.write(users.set_disabled, ada.id, 5)

    assert not await world.changes.mail_link(ada.email, HERE)
    disabled = await world.people.get(COMMAND, ada.id)
    for attempt in (world.changes.mail_link_to(COMMAND, disabled), world.people.new_password_link(COMMAND, ada.id)):
        with pytest.raises(RefusedError, match="is disabled"):
            await attempt


async def test_an_admin_has_a_link_mailed_and_never_sees_it(world: ConsoleWorld, ada: User, account: Account) -> None:
    bob = await person(world.database, "bob@acme.example", account, Role.USER)
    await world.changes.mail_link_to(acting_as(ada, account), bob)

    assert world.post.sent[-1][0] == bob.email
    (entry,) = await world.entries("user.password_link_mailed")
    assert (entry.actor_name, entry.target, entry.after) == (ada.email, bob.email, None)
    with pytest.raises(ForbiddenError):
        await world.changes.mail_link_to(acting_as(bob, account, Role.USER), ada)
    world.post.works = False
    with pytest.raises(RefusedError, match="could not be sent"):
        await world.changes.mail_link_to(acting_as(ada, account), bob)

import asyncio
from collections.abc import Awaitable

import pytest

from postroad.model.account import Account
from postroad.model.actor import Actor, command_actor
from postroad.model.credential import Secret
from postroad.model.refused import ForbiddenError, MissingError, RefusedError
from postroad.model.user import Role, User
from postroad.storage import accounts, users
from postroad.storage.database import Database
from tests.unit.accounts.console_world import BASE, OTHER_PASSWORD, PASSWORD, ConsoleWorld
from tests.unit.accounts.people_rows import HERE, acting_as, join, person

COMMAND = command_actor("command line (root)")


@pytest.fixture
async def ada(world: ConsoleWorld, account: Account) -> User:
    user = await person(world.database, "ada@acme.example", account)
    await world.give_password(user)
    return user


@pytest.fixture
async def bob(world: ConsoleWorld, account: Account) -> User:
    user = await person(world.database, "bob@acme.example", account, Role.USER)
    await world.give_password(user)
    return user


@pytest.fixture
async def beta(database: Database) -> Account:
    return await database.write(accounts.add, "beta", 1)


@pytest.fixture
async def eve(world: ConsoleWorld, beta: Account) -> User:
    return await person(world.database, "eve@beta.example", beta)


async def test_an_account_sees_its_people_and_who_is_external(
    world: ConsoleWorld, ada: User, bob: User, eve: User, account: Account
) -> None:
    await join(world.database, eve, account, Role.USER)

    members = await world.people.members(acting_as(bob, account, Role.USER), account.id)

    assert [(one.user.email, one.membership.role, one.is_external) for one in members] == [
        ("ada@acme.example", Role.ADMIN, False),
        ("bob@acme.example", Role.USER, False),
        ("eve@beta.example", Role.USER, True),
    ]


async def test_people_of_other_accounts_do_not_exist(
    world: ConsoleWorld, ada: User, eve: User, account: Account, beta: Account
) -> None:
    actor = acting_as(ada, account)
    attempts: list[Awaitable[object]] = [
        world.people.members(actor, beta.id),
        world.people.member(actor, account.id, eve.id),
        world.people.find(actor, eve.email),
        world.people.find(actor, "nobody@beta.example"),
        world.people.get(actor, eve.id),
        world.people.rights_of(actor, eve),
        world.people.set_role(actor, beta.id, eve.id, Role.USER),
        world.people.remove(actor, beta.id, eve.id),
        world.people.disable(actor, eve.id),
        world.people.set_networks(actor, eve.id, []),
        world.people.reset_second_factor(actor, eve.id),
        world.people.sessions_of(actor, eve.id, seen_since=0),
        world.people.end_sessions(actor, eve.id),
    ]
    for attempt in attempts:
        with pytest.raises(MissingError):
            await attempt
    with pytest.raises(ForbiddenError):
        await world.people.everybody(actor)


async def test_who_may_only_look_changes_nobody_but_itself(
    world: ConsoleWorld, ada: User, bob: User, account: Account
) -> None:
    actor = acting_as(bob, account, Role.USER)
    attempts: list[Awaitable[object]] = [
        world.people.set_role(actor, account.id, bob.id, Role.ADMIN),
        world.people.remove(actor, account.id, ada.id),
        world.people.disable(actor, ada.id),
        world.people.disable(actor, bob.id),
        world.people.enable(actor, ada.id),
        world.people.set_name(actor, ada.id, "Somebody"),
        world.people.set_networks(actor, ada.id, []),
        world.people.reset_second_factor(actor, ada.id),
        world.people.new_password_link(actor, ada.id),
        world.people.sessions_of(actor, ada.id, seen_since=0),
        world.people.end_sessions(actor, ada.id),
        world.people.add(actor, "new@acme.example", account=account),
    ]
    for attempt in attempts:
        with pytest.raises(ForbiddenError):
            await attempt
    assert await world.entries() == []

    await world.people.set_name(actor, bob.id, "  Bob \n Baker ")
    assert (await world.people.get(actor, bob.id)).name == "Bob Baker"


async def test_an_admin_changes_what_an_external_person_may_do_here_and_not_the_person(
    world: ConsoleWorld, ada: User, eve: User, account: Account, beta: Account
) -> None:
    await join(world.database, eve, account, Role.USER)
    actor = acting_as(ada, account)
    await world.people.set_role(actor, account.id, eve.id, Role.ADMIN)
    for attempt in (
        world.people.disable(actor, eve.id),
        world.people.set_networks(actor, eve.id, []),
        world.people.reset_second_factor(actor, eve.id),
        world.people.end_sessions(actor, eve.id),
        world.people.set_name(actor, eve.id, "Eve"),
    ):
        with pytest.raises(ForbiddenError, match="belongs to another account"):
            await attempt

    await world.people.remove(actor, account.id, eve.id)

    assert [one.user.email for one in await world.people.members(actor, account.id)] == ["ada@acme.example"]
    assert (await world.people.find(COMMAND, eve.email)).id == eve.id
    entry = (await world.entries("external_user.revoked"))[0]
    assert (entry.target, entry.account_id, entry.before) == (eve.email, account.id, {"role": "admin"})


async def test_an_account_reads_that_an_external_user_was_removed_at_home(
    world: ConsoleWorld, ada: User, bob: User, account: Account, beta: Account
) -> None:
    await join(world.database, bob, beta, Role.USER)
    carl = await person(world.database, "carl@acme.example", account, Role.USER)
    await join(world.database, carl, beta, Role.ADMIN)
    await person(world.database, "eve@beta.example", beta)

    await world.people.remove(acting_as(ada, account), account.id, bob.id)
    await world.people.remove_person(COMMAND, carl)

    entries = [(one.action, one.target, one.account_id) for one in await world.entries()]
    assert sorted(entries) == [
        ("external_user.revoked", bob.email, beta.id),
        ("external_user.revoked", carl.email, beta.id),
        ("user.removed", bob.email, account.id),
        ("user.removed", carl.email, account.id),
    ]
    latest, earlier = await world.entries("external_user.revoked")
    assert (earlier.actor_name, earlier.client_address, earlier.before) == (ada.email, HERE, {"role": "user"})
    assert (latest.actor_name, latest.before) == (COMMAND.name, {"role": "admin"})


@pytest.mark.parametrize("is_external", [False, True])
async def test_of_many_who_remove_somebody_at_once_one_does(
    world: ConsoleWorld, ada: User, eve: User, bob: User, account: Account, *, is_external: bool
) -> None:
    await join(world.database, eve, account, Role.USER)
    gone = eve if is_external else bob

    results = await asyncio.gather(
        *(world.people.remove(acting_as(ada, account), account.id, gone.id) for _ in range(3)), return_exceptions=True
    )

    assert sorted(type(one).__name__ for one in results) == ["MissingError", "MissingError", "NoneType"]
    action = "external_user.revoked" if is_external else "user.removed"
    assert [one.action for one in await world.entries()] == [action]


async def test_the_last_admin_of_an_account_stays_one(
    world: ConsoleWorld, ada: User, bob: User, account: Account
) -> None:
    for actor in (acting_as(ada, account), COMMAND):
        for attempt in (
            world.people.set_role(actor, account.id, ada.id, Role.USER),
            world.people.remove(actor, account.id, ada.id),
            world.people.disable(actor, ada.id),
        ):
            with pytest.raises(RefusedError, match="last admin"):
                await attempt
    assert await world.entries() == []

    await world.people.set_role(COMMAND, account.id, bob.id, Role.ADMIN)
    await world.people.set_role(COMMAND, account.id, ada.id, Role.USER)
    await world.people.remove(COMMAND, account.id, ada.id)
    with pytest.raises(RefusedError, match="last admin"):
        await world.people.remove(COMMAND, account.id, bob.id)


async def test_a_disabled_admin_does_not_count_as_one(
    world: ConsoleWorld, ada: User, bob: User, account: Account
) -> None:
    await world.people.set_role(COMMAND, account.id, bob.id, Role.ADMIN)
    await world.people.disable(COMMAND, bob.id)

    with pytest.raises(RefusedError, match="last admin"):
        await world.people.remove(COMMAND, account.id, ada.id)


async def test_a_person_that_is_the_last_admin_elsewhere_is_not_removed(
    world: ConsoleWorld, ada: User, bob: User, account: Account, beta: Account
) -> None:
    await world.people.set_role(COMMAND, account.id, bob.id, Role.ADMIN)
    await join(world.database, ada, beta, Role.ADMIN)

    with pytest.raises(RefusedError, match="last admin"):
        await world.people.remove(acting_as(bob, account), account.id, ada.id)


async def test_the_last_operator_stays_one(world: ConsoleWorld) -> None:
    first = (await world.people.add(COMMAND, "op@example.net", account=None)).user
    for attempt in (world.people.disable(COMMAND, first.id), world.people.remove_person(COMMAND, first)):
        with pytest.raises(RefusedError, match="last operator"):
            await attempt

    second = (await world.people.add(COMMAND, "op2@example.net", account=None)).user
    await world.people.disable(COMMAND, first.id)
    with pytest.raises(RefusedError, match="last operator"):
        await world.people.disable(COMMAND, second.id)


async def test_disabling_ends_sessions_and_links_and_enabling_lets_in_again(
    world: ConsoleWorld, ada: User, bob: User, account: Account
) -> None:
    await world.signs_in(bob)
    link = await world.people.new_password_link(COMMAND, bob.id)
    await world.people.disable(acting_as(ada, account), bob.id)

    assert await world.sessions.of(bob) == []
    assert await world.changes.person_of_link(link.url.rpartition("/")[2]) is None
    await world.people.enable(acting_as(ada, account), bob.id)
    await world.signs_in(bob)
    actions = [one.action for one in await world.entries()]
    assert actions[:3] == ["user.signed_in", "user.enabled", "user.disabled"]


async def test_an_added_person_chooses_a_password_by_a_link(world: ConsoleWorld, account: Account) -> None:
    added = await world.people.add(COMMAND, " New@Acme.example", account=account, role=Role.ADMIN, name="New")

    assert added.link is not None
    assert added.link.url.startswith(f"{BASE}/set-password/")
    assert str(added.link.url) not in repr(added)
    user = await world.changes.set_by_link(added.link.url.rpartition("/")[2], PASSWORD, HERE)
    assert user.email == "new@acme.example"
    assert (await world.signs_in(user)).actor(HERE).role is Role.ADMIN


async def test_a_person_is_added_once_and_with_a_password_that_will_do(world: ConsoleWorld, account: Account) -> None:
    await world.people.add(COMMAND, "new@acme.example", account=account, password=PASSWORD)
    for email, password, field, why in (
        ("new@acme.example", None, "email", "There is a user new@acme.example already"),
        ("new", None, "email", "is not an email address"),
        ("Ü@x.test", None, "email", "^'ü@x.test' has characters beyond ASCII, .*: take another one.$"),
        ("a@ü.test", None, "email", "^'a@ü.test' has characters beyond ASCII: write it as a@xn--tda.test.$"),
        ("ü@", None, "email", "^'ü@' has characters beyond ASCII, .*: take another one.$"),
        ("", None, "email", "An email address is needed"),
        ("x@acme.example", Secret("short"), "password", "at least 12 characters"),
    ):
        with pytest.raises(RefusedError, match=why) as refused:
            await world.people.add(COMMAND, email, account=account, password=password)
        assert refused.value.field == field


async def test_only_operators_add_people_directly(world: ConsoleWorld, ada: User, account: Account) -> None:
    with pytest.raises(ForbiddenError):
        await world.people.add(acting_as(ada, account), "new@acme.example", account=account)


async def test_networks_are_read_and_recorded(world: ConsoleWorld, ada: User, bob: User, account: Account) -> None:
    actor = acting_as(ada, account)
    await world.people.set_networks(actor, bob.id, ["198.51.100.0/24", " ", "2001:db8::1", "198.51.100.0/24"])

    assert (await world.people.get(actor, bob.id)).networks == ("198.51.100.0/24", "2001:db8::1/128")
    entry = (await world.entries("user.networks_changed"))[0]
    assert (entry.before, entry.after) == (
        {"networks": []},
        {"networks": ["198.51.100.0/24", "2001:db8::1/128"]},
    )
    with pytest.raises(RefusedError, match=r"^office is not an address.*\n198.51.100.1/24 names an") as refused:
        await world.people.set_networks(actor, bob.id, ["office", "2001:db8::/32", "198.51.100.1/24"])
    assert refused.value.field == "networks"


async def test_nobody_locks_itself_out_by_networks(world: ConsoleWorld, ada: User, account: Account) -> None:
    proven = await world.own_password.prove(await world.signs_in(ada), PASSWORD, HERE)
    with pytest.raises(RefusedError, match=f"You are at {HERE}, which is not in the list"):
        await world.people.set_own_networks(proven, ["198.51.100.0/24"], HERE)

    await world.people.set_own_networks(proven, ["198.51.100.0/24", "192.0.2.0/28"], HERE)
    assert (await world.signs_in(ada)).user.networks == ("198.51.100.0/24", "192.0.2.0/28")
    (entry,) = await world.entries("user.networks_changed")
    assert (entry.actor_name, entry.client_address, entry.account_id) == (ada.email, HERE, account.id)


async def test_whoever_is_not_proven_anew_does_not_change_its_own_networks(
    world: ConsoleWorld, ada: User, account: Account
) -> None:
    actor = acting_as(ada, account)

    with pytest.raises(RefusedError, match="in your profile: it asks for your password") as refused:
        await world.people.set_networks(actor, ada.id, [HERE])

    assert refused.value.field == "networks"
    assert (await world.people.get(actor, ada.id)).networks == ()


async def test_a_lost_second_factor_is_turned_off_by_an_admin_and_recorded(
    world: ConsoleWorld, ada: User, bob: User, account: Account
) -> None:
    await world.has_second_factor(bob)
    await world.people.reset_second_factor(acting_as(ada, account), bob.id)

    assert await world.sessions.of(bob) == []
    await world.signs_in(bob)
    entry = (await world.entries("user.second_factor_reset"))[0]
    assert (entry.actor_name, entry.target) == (ada.email, bob.email)
    with pytest.raises(RefusedError, match="has no second factor"):
        await world.people.reset_second_factor(acting_as(ada, account), bob.id)


async def test_who_is_signed_in_finds_no_way_round_its_own_password(
    world: ConsoleWorld, ada: User, account: Account
) -> None:
    operator = (await world.people.add(COMMAND, "chief@ops.example", account=None)).user
    await world.give_password(operator)
    for one in (ada, operator):
        await world.has_second_factor(one)
    chief = acting_as(operator, None)
    for attempt in (
        world.people.reset_second_factor(acting_as(ada, account), ada.id),
        world.people.reset_second_factor(chief, operator.id),
        world.people.new_password_link(chief, operator.id),
    ):
        with pytest.raises(RefusedError, match=r"your own .* in your profile: it asks for your password"):
            await attempt
    for one in (ada, operator):
        assert (await world.people.get(COMMAND, one.id)).has_totp

    # Whoever may run commands on a node needs no session for it.
    await world.people.reset_second_factor(COMMAND, operator.id)
    assert (await world.people.new_password_link(COMMAND, operator.id)).url


async def test_a_link_made_by_an_operator_voids_the_one_before(world: ConsoleWorld, bob: User) -> None:
    first, second = [await world.people.new_password_link(COMMAND, bob.id) for _ in range(2)]

    with pytest.raises(MissingError):
        await world.changes.set_by_link(first.url.rpartition("/")[2], OTHER_PASSWORD, HERE)
    await world.changes.set_by_link(second.url.rpartition("/")[2], OTHER_PASSWORD, HERE)


async def test_sessions_are_seen_and_ended_by_an_admin(
    world: ConsoleWorld, ada: User, bob: User, account: Account
) -> None:
    await world.signs_in(bob)
    actor = acting_as(ada, account)
    (session,) = await world.people.sessions_of(actor, bob.id, seen_since=0)

    assert session.client_address == HERE
    assert await world.people.end_sessions(actor, bob.id) == 1
    assert await world.sessions.of(bob) == []


async def test_rights_are_shown_of_the_accounts_that_are_seen(
    world: ConsoleWorld, ada: User, account: Account, beta: Account
) -> None:
    await join(world.database, ada, beta, Role.USER)

    def names(rights: list[tuple[Account, Role]]) -> list[tuple[str, str]]:
        return [(one.name, role.value) for one, role in rights]

    assert names(await world.people.rights_of(COMMAND, ada)) == [("acme", "admin"), ("beta", "user")]
    assert names(await world.people.rights_of(acting_as(ada, account), ada)) == [("acme", "admin")]


@pytest.mark.parametrize("length", [100, 101])
async def test_a_name_has_an_end(world: ConsoleWorld, ada: User, account: Account, length: int) -> None:
    actor: Actor = acting_as(ada, account)
    if length > 100:
        with pytest.raises(RefusedError, match="at most 100 characters"):
            await world.people.set_name(actor, ada.id, "x" * length)
    else:
        await world.people.set_name(actor, ada.id, "x" * length)
        assert (await world.database.read(users.get, ada.id)) is not None

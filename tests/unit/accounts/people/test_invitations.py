import asyncio

import pytest

from postroad.model.account import Account
from postroad.model.actor import command_actor
from postroad.model.credential import Secret
from postroad.model.refused import ForbiddenError, MissingError, RefusedError
from postroad.model.user import Role, User
from postroad.storage import accounts
from postroad.storage.database import Database
from tests.unit.accounts.console_world import PASSWORD, ConsoleWorld
from tests.unit.accounts.people_rows import HERE, acting_as, person

COMMAND = command_actor("command line (root)")
NEW = "new@acme.example"
DAY = 86_400_000


@pytest.fixture
async def ada(world: ConsoleWorld, account: Account) -> User:
    user = await person(world.database, "ada@acme.example", account)
    await world.give_password(user)
    return user


@pytest.fixture
async def eve(world: ConsoleWorld, database: Database) -> User:
    beta = await database.write(accounts.add, "beta", 1)
    user = await person(database, "eve@beta.example", beta)
    await world.give_password(user)
    return user


async def test_a_new_person_is_invited_by_mail_and_chooses_name_and_password(
    world: ConsoleWorld, ada: User, account: Account
) -> None:
    invited = await world.invitations.invite(acting_as(ada, account), account.id, " New@acme.example", Role.ADMIN)

    to, subject, text = world.post.sent[-1]
    assert (invited.is_mailed, invited.link) == (True, None)
    assert (to, subject) == (NEW, "You are invited to acme")
    assert "ada@acme.example invites you to the account acme" in text
    token = world.post.last_token()
    offer = await world.invitations.offer(token)
    assert (offer.account.name, offer.invitation.role, offer.is_known) == ("acme", Role.ADMIN, False)

    user = await world.invitations.accept_as_new(token, "New Person", PASSWORD, HERE)
    signed_in = await world.signs_in(user)
    assert (signed_in.user.name, signed_in.user.account_id) == ("New Person", account.id)
    assert signed_in.actor(HERE).role is Role.ADMIN
    actions = [(one.action, one.actor_name) for one in await world.entries() if one.action.startswith("invitation")]
    assert actions == [("invitation.accepted", NEW), ("invitation.made", "ada@acme.example")]


async def test_a_person_of_another_account_accepts_signed_in_and_switches(
    world: ConsoleWorld, ada: User, eve: User, account: Account
) -> None:
    await world.invitations.invite(acting_as(ada, account), account.id, eve.email, Role.USER)
    token = world.post.last_token()
    assert (await world.invitations.offer(token)).is_known
    with pytest.raises(RefusedError, match="sign in to accept"):
        await world.invitations.accept_as_new(token, "Eve", PASSWORD, HERE)
    with pytest.raises(RefusedError, match=r"is for eve@beta\.example"):
        await world.invitations.accept_as(await world.signs_in(ada), token, HERE)

    joined = await world.invitations.accept_as(await world.signs_in(eve), token, HERE)

    assert joined.name == "acme"
    signed_in = await world.signs_in(eve)
    assert [(seat.account.name, seat.role) for seat in signed_in.seats] == [("acme", Role.USER), ("beta", Role.ADMIN)]
    assert signed_in.session.account_id == eve.account_id
    (member,) = [one for one in await world.people.members(COMMAND, account.id) if one.is_external]
    assert (member.user.email, member.membership.invited_by) == (eve.email, ada.email)


async def test_an_invitation_is_taken_up_once(world: ConsoleWorld, ada: User, account: Account) -> None:
    await world.invitations.invite(acting_as(ada, account), account.id, NEW, Role.USER)
    token = world.post.last_token()
    await world.invitations.accept_as_new(token, "", PASSWORD, HERE)

    for attempt in (world.invitations.offer(token), world.invitations.accept_as_new(token, "", PASSWORD, HERE)):
        with pytest.raises(MissingError, match="taken up or revoked, or has expired"):
            await attempt


async def test_an_invitation_ends_by_time_by_revoking_and_by_the_next_one(
    world: ConsoleWorld, ada: User, account: Account
) -> None:
    actor = acting_as(ada, account)
    await world.invitations.invite(actor, account.id, NEW, Role.USER)
    replaced = world.post.last_token()
    await world.invitations.invite(actor, account.id, NEW, Role.ADMIN)
    revoked = world.post.last_token()
    (open_one,) = await world.invitations.all(actor, account.id)
    assert open_one.role is Role.ADMIN
    await world.invitations.revoke(actor, account.id, open_one.id)
    await world.invitations.invite(actor, account.id, NEW, Role.USER)
    expired = world.post.last_token()
    world.clock.advance(7 * DAY)

    for token in (replaced, revoked, expired, "made up"):
        with pytest.raises(MissingError):
            await world.invitations.offer(token)
    assert await world.invitations.all(actor, account.id) == []


async def test_only_admins_of_the_account_invite_and_revoke(
    world: ConsoleWorld, ada: User, eve: User, account: Account
) -> None:
    made = await world.invitations.invite(acting_as(ada, account), account.id, NEW, Role.USER)
    looking = acting_as(ada, account, Role.USER)
    for attempt in (
        world.invitations.invite(looking, account.id, "x@acme.example", Role.ADMIN),
        world.invitations.revoke(looking, account.id, made.invitation.id),
    ):
        with pytest.raises(ForbiddenError):
            await attempt
    assert len(await world.invitations.all(looking, account.id)) == 1

    assert eve.account_id is not None
    theirs = acting_as(eve, await world.database.read(accounts.get, eve.account_id))
    for foreign in (
        world.invitations.invite(theirs, account.id, "x@acme.example", Role.ADMIN),
        world.invitations.all(theirs, account.id),
        world.invitations.revoke(theirs, account.id, made.invitation.id),
        world.invitations.revoke(theirs, eve.account_id, made.invitation.id),
    ):
        with pytest.raises(MissingError):
            await foreign


async def test_an_invitation_that_cannot_be_mailed_is_none_unless_an_operator_hands_it_over(
    world: ConsoleWorld, ada: User, account: Account
) -> None:
    world.post.works = False
    with pytest.raises(RefusedError, match="could not be mailed"):
        await world.invitations.invite(acting_as(ada, account), account.id, NEW, Role.USER)
    assert await world.invitations.all(COMMAND, account.id) == []

    invited = await world.invitations.invite(COMMAND, account.id, NEW, Role.USER)

    assert not invited.is_mailed
    assert invited.link is not None
    assert (await world.invitations.offer(invited.link.url.rpartition("/")[2])).invitation.email == NEW


async def test_an_invitation_that_cannot_be_mailed_leaves_the_earlier_one_and_its_trace(
    world: ConsoleWorld, ada: User, account: Account
) -> None:
    actor = acting_as(ada, account)
    await world.invitations.invite(actor, account.id, NEW, Role.USER)
    earlier = world.post.last_token()
    world.post.works = False

    with pytest.raises(RefusedError, match="could not be mailed"):
        await world.invitations.invite(actor, account.id, NEW, Role.ADMIN)

    assert (await world.invitations.offer(earlier)).invitation.role is Role.USER
    assert [one.role for one in await world.invitations.all(COMMAND, account.id)] == [Role.USER]
    newest, *_ = await world.entries()
    assert (newest.action, newest.actor_name, newest.target) == ("invitation.not_mailed", ada.email, NEW)
    assert newest.before == {"role": "admin"}


async def test_an_address_gets_three_invitations_in_a_day_from_all_accounts_together(
    world: ConsoleWorld, ada: User, eve: User, account: Account
) -> None:
    assert eve.account_id is not None
    theirs = acting_as(eve, await world.database.read(accounts.get, eve.account_id))
    await world.invitations.invite(theirs, eve.account_id, NEW, Role.USER)
    outcomes = await asyncio.gather(
        *(world.invitations.invite(acting_as(ada, account), account.id, NEW, Role.USER) for _ in range(5)),
        return_exceptions=True,
    )

    assert len(world.post.sent) == 3
    assert [str(one) for one in outcomes if isinstance(one, RefusedError)] == [
        f"{NEW} was invited 3 times within a day: at most 3 are mailed. Try tomorrow."
    ] * 3
    assert (await world.invitations.invite(COMMAND, account.id, NEW, Role.USER)).link is not None
    world.clock.advance(DAY + 1)
    await world.invitations.invite(theirs, eve.account_id, NEW, Role.USER)


async def test_an_account_invites_twenty_in_an_hour(world: ConsoleWorld, ada: User, account: Account) -> None:
    actor = acting_as(ada, account)
    for number in range(20):
        await world.invitations.invite(actor, account.id, f"new{number}@acme.example", Role.USER)

    with pytest.raises(RefusedError, match="20 people were invited into this account within an hour"):
        await world.invitations.invite(actor, account.id, NEW, Role.USER)
    world.clock.advance(DAY // 24 + 1)
    await world.invitations.invite(actor, account.id, NEW, Role.USER)


async def test_who_has_a_right_already_is_not_invited(world: ConsoleWorld, ada: User, account: Account) -> None:
    await person(world.database, "op@example.net", is_operator=True)
    for email, why in ((ada.email, "is a user of this account already"), ("op@example.net", "is an operator")):
        with pytest.raises(RefusedError, match=why) as refused:
            await world.invitations.invite(COMMAND, account.id, email, Role.USER)
        assert refused.value.field == "email"


async def test_a_refused_password_leaves_the_invitation_open(world: ConsoleWorld, ada: User, account: Account) -> None:
    await world.invitations.invite(acting_as(ada, account), account.id, NEW, Role.USER)
    token = world.post.last_token()
    with pytest.raises(RefusedError, match="at least 12 characters"):
        await world.invitations.accept_as_new(token, "New", Secret("short"), HERE)

    await world.invitations.accept_as_new(token, "New", PASSWORD, HERE)


async def test_an_invitation_into_a_suspended_account_waits_until_the_account_is_resumed(
    world: ConsoleWorld, ada: User, eve: User, account: Account
) -> None:
    tokens = []
    for email in (eve.email, NEW):
        await world.invitations.invite(acting_as(ada, account), account.id, email, Role.USER)
        tokens.append(world.post.last_token())
    signed_in = await world.signs_in(eve)
    await world.database.write(accounts.set_suspended, account.id, 1)

    for attempt in (
        world.invitations.offer(tokens[0]),
        world.invitations.accept_as(signed_in, tokens[0], HERE),
        world.invitations.accept_as_new(tokens[1], "New", PASSWORD, HERE),
    ):
        with pytest.raises(RefusedError) as refused:
            await attempt
        assert type(refused.value) is RefusedError
        assert str(refused.value) == "This account is suspended: ask its operator."
    assert len(await world.invitations.all(COMMAND, account.id)) == 2
    assert [one.user.email for one in await world.people.members(COMMAND, account.id)] == [ada.email]
    assert await world.entries("invitation.accepted") == []

    await world.database.write(accounts.set_suspended, account.id, None)
    await world.invitations.accept_as(signed_in, tokens[0], HERE)
    await world.invitations.accept_as_new(tokens[1], "New", PASSWORD, HERE)

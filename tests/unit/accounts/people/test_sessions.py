import pytest

from postroad.accounts.people.sessions import Sessions, SignedIn
from postroad.accounts.settings import AccountsSettings
from postroad.model.account import Account
from postroad.model.refused import MissingError
from postroad.model.user import Role, User
from postroad.storage import accounts, audit, memberships, users
from postroad.storage.audit import AuditSelector
from postroad.storage.database import Database
from tests.unit.accounts.conftest import ManualClock
from tests.unit.accounts.people_rows import HERE, join, person

HOUR = 3_600_000


@pytest.fixture
def sessions(database: Database, clock: ManualClock) -> Sessions:
    return Sessions(database, clock, AccountsSettings())


@pytest.fixture
async def ada(database: Database, account: Account) -> User:
    return await person(database, "ada@acme.example", account)


async def opened(sessions: Sessions, user: User, account_id: int | None = None, address: str = HERE) -> str:
    return await sessions.open(
        user, account_id or user.account_id, method="password", client_address=address, user_agent="Firefox"
    )


async def found(sessions: Sessions, token: str, address: str = HERE) -> SignedIn:
    signed_in = await sessions.find(token, address)
    assert signed_in is not None
    return signed_in


async def test_a_session_says_who_acts_where_and_as_what(sessions: Sessions, ada: User, account: Account) -> None:
    signed_in = await found(sessions, await opened(sessions, ada))

    actor = signed_in.actor("2001:db8::1")
    assert (actor.id, actor.name, actor.account_id, actor.role) == (ada.id, "ada@acme.example", account.id, Role.ADMIN)
    assert (actor.client_address, actor.is_operator) == ("2001:db8::1", False)
    assert [seat.account.name for seat in signed_in.seats] == ["acme"]
    assert signed_in.user.last_signed_in_at == signed_in.session.created_at


async def test_every_sign_in_has_a_token_of_its_own_and_none_is_stored(
    sessions: Sessions, ada: User, database: Database
) -> None:
    tokens = {await opened(sessions, ada) for _ in range(3)}

    assert len(tokens) == 3
    assert all(len(token) >= 43 for token in tokens)
    assert await sessions.find("made up", HERE) is None
    assert "Secret('…')" in repr(min(tokens))


async def test_a_session_that_is_only_looked_at_grows_idle(sessions: Sessions, ada: User, clock: ManualClock) -> None:
    """A window that follows what happens keeps nobody signed in."""
    token = await opened(sessions, ada)
    for _ in range(2):
        clock.advance(5 * HOUR)
        assert await sessions.find(token, HERE, is_use=False) is not None
    clock.advance(5 * HOUR)
    assert await sessions.find(token, HERE, is_use=False) is None


async def test_an_idle_session_ends_and_a_used_one_goes_on(sessions: Sessions, ada: User, clock: ManualClock) -> None:
    idle, used = await opened(sessions, ada), await opened(sessions, ada)

    for _ in range(3):
        clock.advance(5 * HOUR)
        assert await sessions.find(used, HERE) is not None

    assert await sessions.find(idle, HERE) is None
    assert len(await sessions.of(ada)) == 1


async def test_no_session_outlives_its_days_however_much_it_is_used(
    sessions: Sessions, ada: User, clock: ManualClock
) -> None:
    token = await opened(sessions, ada)

    for _ in range(14 * 24 - 1):
        clock.advance(HOUR)
        assert await sessions.find(token, HERE) is not None
    clock.advance(HOUR)
    assert await sessions.find(token, HERE) is None


async def test_being_seen_is_written_once_a_minute(sessions: Sessions, ada: User, clock: ManualClock) -> None:
    token = await opened(sessions, ada)
    start = clock.now
    seen = []
    for seconds in (30, 29, 1, 30, 30):
        clock.advance(seconds * 1000)
        await sessions.find(token, HERE)
        seen.append((await sessions.of(ada))[0].last_seen_at - start)

    assert seen == [0, 0, 60_000, 60_000, 120_000]


async def test_a_disabled_person_has_no_session_at_the_next_look(
    sessions: Sessions, ada: User, database: Database
) -> None:
    token = await opened(sessions, ada)
    await database.write(users.set_disabled, ada.id, 5)

    assert await sessions.find(token, HERE) is None


async def test_a_session_holds_only_within_the_persons_networks(
    sessions: Sessions, ada: User, database: Database
) -> None:
    token = await opened(sessions, ada)
    await database.write(users.set_networks, ada.id, ("198.51.100.0/24", "2001:db8::/32"))

    assert await sessions.find(token, HERE) is None
    assert await sessions.find(token, "") is None
    assert await sessions.find(token, "198.51.100.9") is not None
    assert await sessions.find(token, "2001:db8::9") is not None


async def test_a_right_that_is_taken_away_ends_the_session_in_that_account(
    sessions: Sessions, ada: User, database: Database
) -> None:
    other = await database.write(accounts.add, "beta", 1)
    await join(database, ada, other, Role.USER)
    token, kept = await opened(sessions, ada), await opened(sessions, ada)
    await sessions.switch(await found(sessions, token), other.id)
    assert (await found(sessions, token)).actor(HERE).role is Role.USER

    await database.write(memberships.remove, ada.id, other.id)

    assert await sessions.find(token, HERE) is None
    assert [seat.account.name for seat in (await found(sessions, kept)).seats] == ["acme"]


async def test_a_suspended_account_is_nobodys_but_the_operators(
    sessions: Sessions, ada: User, account: Account, database: Database
) -> None:
    operator = await person(database, "op@example.net", is_operator=True)
    token, theirs = await opened(sessions, ada), await opened(sessions, operator, account.id)
    await database.write(accounts.set_suspended, account.id, 5)

    assert await sessions.find(token, HERE) is None
    assert (await found(sessions, theirs)).actor(HERE).account_id == account.id


async def test_an_operator_looks_at_the_installation_or_at_any_account(
    sessions: Sessions, account: Account, database: Database
) -> None:
    operator = await person(database, "op@example.net", is_operator=True)
    token = await opened(sessions, operator)
    whole = await found(sessions, token)
    assert whole.seat is None
    assert whole.actor(HERE).sees(None)

    await sessions.switch(whole, account.id)
    within = (await found(sessions, token)).actor(HERE)

    assert (within.account_id, within.may_change, within.sees(account.id)) == (account.id, True, True)
    assert not within.sees(account.id + 1)


@pytest.mark.parametrize("where", [None, 99])
async def test_nobody_switches_to_where_it_has_no_right(sessions: Sessions, ada: User, where: int | None) -> None:
    signed_in = await found(sessions, await opened(sessions, ada))

    with pytest.raises(MissingError, match="There is no such account"):
        await sessions.switch(signed_in, where)


async def test_sessions_are_ended_by_their_person_alone(
    sessions: Sessions, ada: User, account: Account, database: Database
) -> None:
    bob = await person(database, "bob@acme.example", account)
    tokens = [await opened(sessions, ada) for _ in range(3)]
    bobs = await opened(sessions, bob)
    mine = await found(sessions, tokens[0])
    with pytest.raises(MissingError):
        await sessions.end_one(mine, (await found(sessions, bobs)).session.id, HERE)

    await sessions.end_one(mine, (await found(sessions, tokens[1])).session.id, HERE)
    assert [await sessions.find(token, HERE) is not None for token in tokens] == [True, False, True]
    assert await sessions.end_others(mine, HERE) == 1
    assert [await sessions.find(token, HERE) is not None for token in tokens] == [True, False, False]
    await sessions.end(mine, HERE)
    assert await sessions.find(tokens[0], HERE) is None
    assert await sessions.find(bobs, HERE) is not None


async def test_every_end_of_a_session_is_recorded_with_how_many_and_by_whom(
    sessions: Sessions, ada: User, database: Database
) -> None:
    tokens = [await opened(sessions, ada) for _ in range(4)]
    mine = await found(sessions, tokens[0])

    with pytest.raises(MissingError):
        await sessions.end_one(mine, 9_999, HERE)
    await sessions.end_one(mine, (await found(sessions, tokens[1])).session.id, HERE)
    assert await sessions.end_others(mine, HERE) == 2
    assert await sessions.end_others(mine, HERE) == 0
    await sessions.end(mine, HERE)

    entries = await database.read(audit.search, AuditSelector(action="session.ended"), 10)
    assert [one.after for one in reversed(entries)] == [{"sessions": 1}, {"sessions": 2}, {"sessions": 1}]
    assert {(one.actor_id, one.actor_name, one.client_address, one.target) for one in entries} == {
        (ada.id, ada.email, HERE, ada.email)
    }
    assert {one.account_id for one in entries} == {ada.account_id}

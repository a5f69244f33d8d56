import asyncio
from typing import Any

import pytest
import structlog.testing

from postroad.accounts.people.sign_in import Granted, Refused, SecondFactorNeeded
from postroad.model.account import Account
from postroad.model.credential import Secret
from postroad.model.user import Role, User
from postroad.storage import accounts, users
from postroad.storage.database import Database
from tests.unit.accounts.console_world import PASSWORD, STEP_MS, ConsoleWorld
from tests.unit.accounts.people_rows import HERE, join, person

MINUTE = 60_000
ELSEWHERE = "203.0.113.9"


@pytest.fixture
async def ada(world: ConsoleWorld, account: Account) -> User:
    user = await person(world.database, "ada@acme.example", account)
    await world.give_password(user)
    return user


async def test_the_right_password_signs_in_and_is_recorded(world: ConsoleWorld, ada: User, account: Account) -> None:
    signed_in = await world.signs_in(ada)

    assert (signed_in.user.email, signed_in.session.account_id) == ("ada@acme.example", account.id)
    (entry,) = await world.entries("user.signed_in")
    assert (entry.actor_name, entry.client_address, entry.account_id) == (ada.email, HERE, account.id)
    assert entry.after == {"method": "password"}


async def test_the_address_is_read_as_people_type_it(world: ConsoleWorld, ada: User) -> None:
    assert isinstance(await world.tries(" Ada@ACME.example "), Granted)


async def test_unknown_addresses_and_wrong_passwords_are_told_the_same(world: ConsoleWorld, ada: User) -> None:
    never_set = await person(world.database, "new@acme.example", None)

    answers = [
        await world.tries("ada@acme.example", "wrong"),
        await world.tries("nobody@acme.example", "wrong"),
        await world.tries(never_set.email, ""),
        await world.tries("ada@acme.example", "x" * 5000),
        await world.tries("not an address", "\0\ud800"),
    ]

    assert answers == [Refused("wrong")] * 5


async def test_unknown_addresses_cost_one_hashing_too(
    world: ConsoleWorld, ada: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    hashed: list[str] = []
    matches = world.passwords._hasher.matches

    async def counted(stored: str, password: Secret, **turn: Any) -> bool:
        hashed.append(stored)
        return await matches(stored, password, **turn)

    monkeypatch.setattr(world.passwords._hasher, "matches", counted)
    for email in ("ada@acme.example", "nobody@acme.example"):
        await world.tries(email, "wrong")

    assert len(hashed) == 2
    assert all(one.startswith("$argon2id$v=19$m=19456,t=2,p=1$") for one in hashed)


async def test_a_flood_of_strangers_leaves_who_is_known_its_turn(world: ConsoleWorld, ada: User) -> None:
    await world.signs_in(ada)

    *strangers, known = await asyncio.gather(
        *(world.tries(f"guess{number}@acme.example", "wrong", address=f"203.0.{number}.1") for number in range(60)),
        world.tries(ada.email),
    )

    assert Refused("busy") in strangers
    assert isinstance(known, Granted)


async def test_whoever_keeps_guessing_is_locked_out_for_longer_and_longer(world: ConsoleWorld, ada: User) -> None:
    locks = []
    for _ in range(3):
        while not isinstance(result := await world.tries(ada.email, "wrong"), Refused) or result.reason == "wrong":
            pass
        assert result.until is not None
        locks.append((result.until - world.clock()) // MINUTE)
        assert await world.tries(ada.email) == Refused("locked", result.until)
        world.clock.advance(result.until - world.clock())

    assert locks == [1, 5, 15]
    assert isinstance(await world.tries(ada.email), Granted)


async def test_a_lock_spares_the_place_where_the_person_is_signed_in(world: ConsoleWorld, ada: User) -> None:
    await world.signs_in(ada)
    for _ in range(9):
        last = await world.tries(ada.email, "wrong", ELSEWHERE)

    assert isinstance(last, Refused)
    assert last.reason == "locked"
    assert isinstance(await world.tries(ada.email, PASSWORD, HERE), Granted)


async def test_a_table_that_strangers_have_filled_is_no_way_to_guess_for_ever(
    world: ConsoleWorld, ada: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("postroad.storage.lockouts.MOST_ROWS", 0)

    reasons = [one.reason for _ in range(9) if isinstance(one := await world.tries(ada.email, "wrong"), Refused)]
    assert reasons == ["wrong"] * 8 + ["locked"]
    world.clock.advance(MINUTE)
    assert isinstance(await world.tries(ada.email), Granted)


async def test_a_network_that_tries_many_addresses_is_locked_whoever_it_tries(world: ConsoleWorld, ada: User) -> None:
    for number in range(40):
        await world.tries(f"user{number}@acme.example", "wrong", f"203.0.113.{number}")

    result = await world.tries(ada.email, PASSWORD, ELSEWHERE)
    assert isinstance(result, Refused)
    assert result.reason == "locked"
    assert isinstance(await world.tries(ada.email, PASSWORD, HERE), Granted)


async def test_signing_in_forgets_what_was_mistyped(world: ConsoleWorld, ada: User) -> None:
    for _ in range(3):
        for _ in range(6):
            await world.tries(ada.email, "wrong")
        assert isinstance(await world.tries(ada.email), Granted)


async def test_who_may_not_come_in_is_told_why_once_it_is_proven(
    world: ConsoleWorld, ada: User, account: Account, database: Database
) -> None:
    await database.write(users.set_networks, ada.id, ("198.51.100.0/24",))
    assert await world.tries(ada.email) == Refused("network")
    assert await world.tries(ada.email, "wrong") == Refused("wrong")
    await database.write(users.set_networks, ada.id, ())
    await database.write(accounts.set_suspended, account.id, 5)
    assert await world.tries(ada.email) == Refused("no_account")
    await database.write(users.set_disabled, ada.id, 5)
    assert await world.tries(ada.email) == Refused("disabled")
    assert await world.entries("user.signed_in") == []


async def test_a_person_of_a_suspended_account_comes_in_where_it_is_external(
    world: ConsoleWorld, ada: User, account: Account, database: Database
) -> None:
    other = await database.write(accounts.add, "beta", 1)
    await join(database, ada, other, Role.USER)
    await database.write(accounts.set_suspended, account.id, 5)

    assert (await world.signs_in(ada)).session.account_id == other.id


async def test_the_second_factor_is_asked_for_and_lets_in(world: ConsoleWorld, ada: User) -> None:
    app, _codes = await world.has_second_factor(ada)
    ticket = await world.ticket(ada)

    signed_in = await world.signed_in(
        await world.code(ticket, f" {world.shown_by(app)[:3]} {world.shown_by(app)[3:]} ")
    )

    assert signed_in.session.method == "password+totp"
    assert await world.code(ticket, world.shown_by(app, 1)) == Refused("expired")


@pytest.mark.parametrize(("steps", "is_right"), [(-2, False), (-1, True), (0, True), (1, True), (2, False)])
async def test_a_clock_may_differ_by_one_step(world: ConsoleWorld, ada: User, steps: int, is_right: bool) -> None:
    app, _codes = await world.has_second_factor(ada)
    world.clock.advance(5 * STEP_MS)

    result = await world.code(await world.ticket(ada), world.shown_by(app, steps))

    assert isinstance(result, Granted) is is_right


async def test_a_code_is_used_once_even_by_whoever_saw_it(world: ConsoleWorld, ada: User) -> None:
    app, _codes = await world.has_second_factor(ada)
    code = world.shown_by(app)
    assert isinstance(await world.code(await world.ticket(ada), code), Granted)

    assert await world.code(await world.ticket(ada), code) == Refused("wrong_code")
    assert await world.code(await world.ticket(ada), world.shown_by(app, -1)) == Refused("wrong_code")
    world.clock.advance(STEP_MS)
    assert isinstance(await world.code(await world.ticket(ada), world.shown_by(app)), Granted)


async def test_the_code_that_confirmed_the_app_does_not_sign_in(world: ConsoleWorld, ada: User) -> None:
    app, _codes = await world.has_second_factor(ada)
    world.clock.advance(-STEP_MS)

    assert await world.code(await world.ticket(ada), world.shown_by(app)) == Refused("wrong_code")


async def test_each_recovery_code_signs_in_once_however_it_is_typed(world: ConsoleWorld, ada: User) -> None:
    _app, codes = await world.has_second_factor(ada)
    assert len(set(codes)) == 10

    signed_in = await world.signed_in(await world.code(await world.ticket(ada), codes[0].upper().replace("-", " ")))
    assert (signed_in.session.method, signed_in.user.recovery_codes_left) == ("password+recovery", 9)
    assert await world.code(await world.ticket(ada), codes[0]) == Refused("wrong_code")
    assert isinstance(await world.code(await world.ticket(ada), codes[1]), Granted)


async def test_codes_cannot_be_guessed_for_long(world: ConsoleWorld, ada: User) -> None:
    app, _codes = await world.has_second_factor(ada)
    ticket = await world.ticket(ada)

    reasons = []
    for number in range(9):
        result = await world.code(ticket, f"{number:06}", ELSEWHERE)
        assert isinstance(result, Refused)
        reasons.append(result.reason)

    assert reasons[:8] == ["wrong_code"] * 8
    assert reasons[8] == "locked"
    locked = await world.code(ticket, world.shown_by(app), ELSEWHERE)
    assert isinstance(locked, Refused)


async def _reasons_of_many_codes_at_once(world: ConsoleWorld, ada: User, address: str) -> list[str]:
    app, _codes = await world.has_second_factor(ada)
    ticket = await world.ticket(ada)
    tries = [*(f"{number:06}" for number in range(60)), world.shown_by(app)]

    results = await asyncio.gather(*(world.code(ticket, code, address) for code in tries))
    return [one.reason if isinstance(one, Refused) else "granted" for one in results]


@pytest.mark.parametrize(("address", "most"), [(ELSEWHERE, 8), (HERE, 40)])
async def test_many_codes_at_once_are_counted_before_they_are_looked_at(
    world: ConsoleWorld, ada: User, address: str, most: int
) -> None:
    reasons = await _reasons_of_many_codes_at_once(world, ada, address)

    assert reasons == ["wrong_code"] * most + ["locked"] * (61 - most)


async def test_many_codes_at_once_are_counted_where_strangers_have_filled_the_table(
    world: ConsoleWorld, ada: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("postroad.storage.lockouts.MOST_ROWS", 0)

    reasons = await _reasons_of_many_codes_at_once(world, ada, ELSEWHERE)

    assert sorted(reasons) == ["locked"] * 53 + ["wrong_code"] * 8


@pytest.mark.parametrize("rows", [50_000, 0])
async def test_right_codes_use_up_no_tries_of_anybody(
    world: ConsoleWorld, ada: User, monkeypatch: pytest.MonkeyPatch, rows: int
) -> None:
    monkeypatch.setattr("postroad.storage.lockouts.MOST_ROWS", rows)
    for _ in range(7):
        world.attempts.was_wrong(await world.attempts.begin(ada.email, ELSEWHERE))

    # The eighth would lock the person, and the fortieth the network.
    for _ in range(50):
        begun = await world.attempts.begin(ada.email, ELSEWHERE)
        assert begun.locked_until is None
        await world.attempts.was_right(begun)

    world.attempts.was_wrong(await world.attempts.begin(ada.email, ELSEWHERE))
    assert (await world.attempts.begin(ada.email, ELSEWHERE)).locked_until == world.clock() + MINUTE


async def test_a_ticket_ends_and_made_up_ones_are_none(world: ConsoleWorld, ada: User) -> None:
    app, _codes = await world.has_second_factor(ada)
    ticket = await world.ticket(ada)
    world.clock.advance(10 * MINUTE)

    assert await world.code(ticket, world.shown_by(app)) == Refused("expired")
    assert await world.code("made up", world.shown_by(app)) == Refused("expired")


async def test_a_disabled_person_does_not_come_in_by_the_second_step(world: ConsoleWorld, ada: User) -> None:
    app, _codes = await world.has_second_factor(ada)
    ticket = await world.ticket(ada)
    await world.database.write(users.set_disabled, ada.id, 5)

    assert await world.code(ticket, world.shown_by(app)) == Refused("disabled")


async def test_a_sign_in_link_works_once_and_does_not_get_round_the_second_factor(world: ConsoleWorld) -> None:
    link = await world.first_operator.sign_in_link()
    token = link.url.rpartition("/")[2]
    operator = await world.sign_in.person_of_link(token)
    assert operator is not None

    first = await world.sign_in.with_link(token, client_address=HERE, user_agent="Firefox")
    assert (await world.signed_in(first)).session.method == "link"
    assert await world.sign_in.person_of_link(token) is None
    assert await world.sign_in.with_link(token, client_address=HERE, user_agent="Firefox") == Refused("expired")

    await world.give_password(operator)
    await world.has_second_factor(operator)
    again = (await world.first_operator.sign_in_link()).url.rpartition("/")[2]
    result = await world.sign_in.with_link(again, client_address=HERE, user_agent="Firefox")
    assert isinstance(result, SecondFactorNeeded)


async def test_no_secret_reaches_logs_audit_log_or_database(world: ConsoleWorld, ada: User) -> None:
    with structlog.testing.capture_logs() as logs:
        app, codes = await world.has_second_factor(ada)
        await world.tries(ada.email, "wrong horse battery")
        ticket = await world.ticket(ada)
        await world.code(ticket, "000000")
        result = await world.code(ticket, world.shown_by(app))
    assert isinstance(result, Granted)

    entries = repr(await world.entries())
    kept = b"".join(path.read_bytes() for path in world.database_files())
    for secret in (PASSWORD, "wrong horse battery", ticket, app.secret, codes[0], result.token):
        assert secret not in repr(logs), secret
        assert secret not in entries
        assert str(secret).encode() not in kept
    assert "Secret('…')" in repr(result)

import base64
from urllib.parse import unquote

import pyotp
import pytest

from postroad.accounts.people.second_factor import code_hash, matching_step
from postroad.accounts.people.sign_in import Granted
from postroad.model.account import Account
from postroad.model.credential import Secret
from postroad.model.refused import MissingError, RefusedError
from postroad.model.user import User
from tests.unit.accounts.console_world import PASSWORD, ConsoleWorld
from tests.unit.accounts.people_rows import HERE, person


@pytest.fixture
async def ada(world: ConsoleWorld, account: Account) -> User:
    user = await person(world.database, "ada@acme.example", account)
    await world.give_password(user)
    return user


async def test_an_app_reads_the_secret_from_the_picture_the_link_or_the_text(world: ConsoleWorld, ada: User) -> None:
    enrolment = await world.second_factor.begin(await world.signs_in(ada))

    read = pyotp.parse_uri(enrolment.uri)
    assert isinstance(read, pyotp.TOTP)
    assert (read.secret, read.name, read.issuer) == (enrolment.secret, ada.email, "Postroad mail.example.com")
    assert (read.digits, read.interval) == (6, 30)
    assert enrolment.picture.startswith("data:image/svg+xml")
    assert "<svg" in unquote(enrolment.picture)
    assert str(enrolment.secret) not in repr(enrolment)


async def test_nothing_is_on_before_a_code_confirms_it(world: ConsoleWorld, ada: User) -> None:
    signed_in = await world.signs_in(ada)
    enrolment = await world.second_factor.begin(signed_in)
    with pytest.raises(RefusedError, match="not the code") as refused:
        await world.second_factor.confirm(signed_in, enrolment.ticket, "000000", HERE, password=PASSWORD)
    assert refused.value.field == "code"
    again = await world.second_factor.resume(signed_in, enrolment.ticket)
    assert again.secret == enrolment.secret
    assert not (await world.signs_in(ada)).user.has_totp

    codes = await world.second_factor.confirm(
        signed_in, enrolment.ticket, world.shown_by(pyotp.TOTP(again.secret)), HERE, password=PASSWORD
    )

    assert len(codes) == 10
    assert [one.id for one in await world.sessions.of(ada)] == [signed_in.session.id]
    with pytest.raises(MissingError, match="begin again"):
        await world.second_factor.resume(signed_in, enrolment.ticket)


async def test_a_stolen_session_cannot_turn_it_on(world: ConsoleWorld, ada: User) -> None:
    signed_in = await world.signs_in(ada)
    enrolment = await world.second_factor.begin(signed_in)

    async def confirm(password: Secret) -> None:
        code = world.shown_by(pyotp.TOTP(enrolment.secret))
        await world.second_factor.confirm(signed_in, enrolment.ticket, code, HERE, password=password)

    for _ in range(5):
        with pytest.raises(RefusedError, match="not your password") as refused:
            await confirm(Secret("a guess"))
        assert refused.value.field == "password"
    with pytest.raises(RefusedError, match="Too many wrong attempts"):
        await confirm(PASSWORD)
    assert not (await world.signs_in(ada)).user.has_totp

    world.clock.advance(15 * 60_000)
    await confirm(PASSWORD)


async def test_an_enrolment_is_its_persons_alone_and_ends(world: ConsoleWorld, ada: User, account: Account) -> None:
    bob = await person(world.database, "bob@acme.example", account)
    await world.give_password(bob)
    mine, theirs = await world.signs_in(ada), await world.signs_in(bob)
    enrolment = await world.second_factor.begin(mine)

    with pytest.raises(MissingError):
        await world.second_factor.resume(theirs, enrolment.ticket)
    world.clock.advance(31 * 60_000)
    with pytest.raises(MissingError):
        await world.second_factor.resume(mine, enrolment.ticket)


async def test_it_is_on_once(world: ConsoleWorld, ada: User) -> None:
    app, _codes = await world.has_second_factor(ada)
    signed_in = await world.signed_in(await world.code(await world.ticket(ada), world.shown_by(app)))

    with pytest.raises(RefusedError, match="on already"):
        await world.second_factor.begin(signed_in)


async def test_turning_it_off_and_new_recovery_codes_need_the_password(world: ConsoleWorld, ada: User) -> None:
    app, old = await world.has_second_factor(ada)
    signed_in = await world.signed_in(await world.code(await world.ticket(ada), world.shown_by(app)))
    for attempt in (
        world.second_factor.new_recovery_codes(signed_in, Secret("wrong"), HERE),
        world.second_factor.turn_off(signed_in, Secret("wrong"), HERE),
    ):
        with pytest.raises(RefusedError, match="not your password") as refused:
            await attempt
        assert refused.value.field == "password"

    fresh = await world.second_factor.new_recovery_codes(signed_in, PASSWORD, HERE)
    assert not set(fresh) & set(old)
    assert not isinstance(await world.code(await world.ticket(ada), old[0]), Granted)
    assert isinstance(await world.code(await world.ticket(ada), fresh[0]), Granted)

    await world.second_factor.turn_off(signed_in, PASSWORD, HERE)
    after = await world.signs_in(ada)
    assert (after.user.has_totp, after.user.recovery_codes_left) == (False, 0)
    with pytest.raises(RefusedError, match="is off"):
        await world.second_factor.turn_off(after, PASSWORD, HERE)
    actions = [one.action for one in await world.entries() if "factor" in one.action or "codes" in one.action]
    assert actions == ["user.second_factor_removed", "user.recovery_codes_renewed", "user.second_factor_added"]


def test_codes_are_those_of_the_standard() -> None:
    """RFC 6238 appendix B, in six digits."""
    secret = base64.b32encode(b"12345678901234567890").decode()

    assert matching_step(secret, "287082", 59_000) == 1
    assert matching_step(secret, "081 804", 1_111_111_109_000) == 1_111_111_109 // 30
    assert matching_step(secret, "287083", 59_000) is None
    assert matching_step(secret, "٢٨٧٠٨٢", 59_000) is None
    assert matching_step(secret, "", 59_000) is None


def test_a_recovery_code_is_the_same_however_it_is_spaced() -> None:
    assert code_hash("ABCD-efgh 2345") == code_hash("abcdefgh2345")
    assert code_hash("abcdefgh2345") != code_hash("abcdefgh2346")

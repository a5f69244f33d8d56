"""What people see of lock-outs, and what they may let go."""

import pytest

from postroad.accounts.logins.lockout_notices import LockoutNotices
from postroad.accounts.logins.lockouts import Lockouts
from postroad.model.account import Account
from postroad.model.actor import Actor, ActorKind, command_actor
from postroad.model.credential import CredentialKind, SmtpUser
from postroad.model.domain import SendingDomain
from postroad.model.refused import ForbiddenError, MissingError
from postroad.model.user import Membership, Role, User
from postroad.policy.lockout import CLIENT, CREDENTIAL, NETWORK, LockoutRule
from postroad.storage import audit, lockouts, memberships, smtp_users, users
from postroad.storage.audit import AuditSelector
from postroad.storage.database import Database
from postroad.storage.lockouts import Failures, Lockout
from tests.unit.accounts.conftest import ManualClock

MINUTE = 60_000
RULE = LockoutRule(
    failures=5, locks_ms=(MINUTE,), failures_forgotten_after_ms=60 * MINUTE, locks_forgotten_after_ms=60 * MINUTE
)
RULES = {CREDENTIAL: RULE, CLIENT: RULE, NETWORK: RULE}
NAME = "app@news.example.com"
OPERATOR = command_actor("command line (root)")


def _person(account_id: int, role: Role = Role.ADMIN) -> Actor:
    return Actor(kind=ActorKind.USER, id=3, name="ann@example.com", account_id=account_id, role=role)


@pytest.fixture
def service(database: Database, clock: ManualClock) -> Lockouts:
    return Lockouts(database, clock)


async def _fail(
    database: Database, clock: ManualClock, scope: str, subject: str, account_id: int | None = None, *, times: int = 5
) -> Lockout:
    failures = Failures(
        scope=scope, subject=subject, account_id=account_id, times=times, address="198.51.100.1", username=NAME
    )
    (noted,) = await database.write(lockouts.note_failures, [failures], RULES, clock.now)
    return noted.lockout


@pytest.fixture
async def locked(database: Database, clock: ManualClock, account: Account) -> None:
    await _fail(database, clock, CREDENTIAL, NAME, account.id)
    await _fail(database, clock, CREDENTIAL, "counted@news.example.com", account.id, times=1)
    await _fail(database, clock, CREDENTIAL, "foreign@example.net", account.id + 1)
    await _fail(database, clock, CREDENTIAL, "nobody@example.net")
    await _fail(database, clock, CLIENT, "198.51.100.1")
    await _fail(database, clock, NETWORK, "198.51.100.0/24")


async def _subjects(service: Lockouts, actor: Actor, *, counting: bool = False) -> set[str]:
    return {one.subject for one in await service.all(actor, counting=counting)}


@pytest.mark.usefixtures("locked")
async def test_account_sees_its_own_names_and_operators_all(service: Lockouts, account: Account) -> None:
    assert await _subjects(service, _person(account.id)) == {NAME}
    assert await _subjects(service, _person(account.id), counting=True) == {NAME, "counted@news.example.com"}
    assert await _subjects(service, OPERATOR) == {
        NAME,
        "foreign@example.net",
        "nobody@example.net",
        "198.51.100.1",
        "198.51.100.0/24",
    }


@pytest.mark.usefixtures("locked")
async def test_lock_that_is_over_is_not_shown(service: Lockouts, clock: ManualClock) -> None:
    clock.advance(MINUTE)

    assert await _subjects(service, OPERATOR) == set()


@pytest.mark.usefixtures("locked")
async def test_locks_are_found_by_the_name_of_their_user(service: Lockouts, account: Account) -> None:
    assert set(await service.of_users(_person(account.id))) == {NAME}
    assert set(await service.of_users(OPERATOR)) == {NAME, "foreign@example.net"}


@pytest.mark.usefixtures("locked")
async def test_release_forgets_the_failures_and_is_in_the_audit_log(
    service: Lockouts, database: Database, clock: ManualClock, account: Account
) -> None:
    await service.release(_person(account.id), " APP@news.example.com ")

    assert await _subjects(service, _person(account.id)) == set()
    (entry,) = await database.read(audit.search, AuditSelector(account_id=account.id), 10)
    assert (entry.action, entry.target, entry.actor_name) == (
        "lockout.released",
        f"credential {NAME}",
        "ann@example.com",
    )
    assert entry.before == {"failures": 5, "times_locked": 1, "locked_until": clock.now + MINUTE}


@pytest.mark.usefixtures("locked")
@pytest.mark.parametrize("subject", ["foreign@example.net", "nobody@example.net", "198.51.100.1", "made-up"])
async def test_what_is_not_the_account_s_own_does_not_exist(service: Lockouts, account: Account, subject: str) -> None:
    with pytest.raises(MissingError, match=rf"^There is no lock-out of {subject}\.$"):
        await service.release(_person(account.id), subject)


@pytest.mark.usefixtures("locked")
async def test_whoever_may_only_look_releases_nothing(
    service: Lockouts, account: Account, domain: SendingDomain, database: Database
) -> None:
    looker = _person(account.id, Role.USER)
    user = await _add_user(database, domain)

    with pytest.raises(ForbiddenError):
        await service.release(looker, NAME)
    with pytest.raises(ForbiddenError):
        await service.unlock(looker, user)
    assert await _subjects(service, looker) == {NAME}


@pytest.mark.usefixtures("locked")
async def test_operator_releases_networks_by_the_address_of_a_host(
    service: Lockouts, database: Database, clock: ManualClock
) -> None:
    await _fail(database, clock, CLIENT, "2001:db8::/64")

    await service.release(OPERATOR, "198.51.100.0/24")
    (released,) = await service.release(OPERATOR, "2001:DB8::77")

    assert released.subject == "2001:db8::/64"
    assert "198.51.100.0/24" not in await _subjects(service, OPERATOR)


@pytest.mark.usefixtures("locked")
async def test_user_is_unlocked_by_its_account_only(
    service: Lockouts, database: Database, account: Account, domain: SendingDomain
) -> None:
    user = await _add_user(database, domain)

    with pytest.raises(MissingError):
        await service.unlock(_person(account.id + 1), user)
    await service.unlock(_person(account.id), user)

    assert await service.of_users(_person(account.id)) == {}
    with pytest.raises(MissingError, match=f"{NAME} is not locked"):
        await service.unlock(_person(account.id), user)


class Outbox:
    def __init__(self) -> None:
        self.sent: list[tuple[str, str, str]] = []

    async def send(self, *, to: str, subject: str, text: str) -> bool:
        self.sent.append((to, subject, text))
        return True


async def test_admins_are_told_which_of_their_users_is_locked_until_when(
    database: Database, clock: ManualClock, account: Account
) -> None:
    for email, role, disabled_at in (
        ("ann@example.com", Role.ADMIN, None),
        ("bob@example.com", Role.USER, None),
        ("gone@example.com", Role.ADMIN, 1),
    ):
        person = User(id=0, account_id=account.id, email=email, created_at=1, disabled_at=disabled_at)
        added = await database.write(users.add, person)
        if disabled_at is not None:
            await database.write(users.set_disabled, added.id, disabled_at)
        await database.write(
            memberships.add, Membership(user_id=added.id, account_id=account.id, role=role, created_at=1)
        )
    outbox = Outbox()
    one = await _fail(database, clock, CREDENTIAL, NAME, account.id)
    other = await _fail(database, clock, CREDENTIAL, "other@news.example.com", account.id)
    network = await _fail(database, clock, CLIENT, "198.51.100.1")
    unknown = await _fail(database, clock, CREDENTIAL, "nobody@example.net")

    await LockoutNotices(database, outbox).locked([one, network, unknown])
    await LockoutNotices(database, outbox).locked([one, other])

    assert [(to, subject) for to, subject, _ in outbox.sent] == [
        ("ann@example.com", f"Too many failed log-ins: {NAME} is locked for a while"),
        ("ann@example.com", "Too many failed log-ins: 2 SMTP users are locked for a while"),
    ]
    assert f"{NAME} until 2026-05-28 20:27 UTC; last tried from 198.51.100.1" in outbox.sent[0][2]


async def test_notice_that_cannot_be_written_stops_nothing(
    database: Database, clock: ManualClock, account: Account
) -> None:
    one = await _fail(database, clock, CREDENTIAL, NAME, account.id)
    await database.close()

    await LockoutNotices(database, Outbox()).locked([one])


async def _add_user(database: Database, domain: SendingDomain) -> SmtpUser:
    user = SmtpUser(
        id=0,
        account_id=domain.account_id,
        domain_id=domain.id,
        username=NAME,
        kind=CredentialKind.PASSWORD,
        created_at=1,
    )
    return await database.write(smtp_users.add, user)

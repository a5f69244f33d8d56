import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
from structlog.testing import capture_logs

from postroad.accounts.accounts import Accounts
from postroad.accounts.logins import authentication
from postroad.accounts.logins.authentication import Authenticator, AuthRefused, Reason
from postroad.accounts.password_hashing import Turn
from postroad.accounts.settings import AccountsSettings
from postroad.accounts.smtp_user_changes import SmtpUserChange
from postroad.accounts.smtp_users import SmtpUsers
from postroad.model.account import Account
from postroad.model.actor import SYSTEM
from postroad.model.credential import CredentialKind, Principal, Secret, SmtpUser
from postroad.model.domain import DomainSettings, SendingDomain
from postroad.storage import accounts, domains
from postroad.storage.database import Database
from postroad.storage.errors import StorageUnavailable
from postroad.storage.secrets import Vault
from tests.unit.accounts.conftest import ManualClock

NAME = "app@news.example.com"
PASSWORD = "Right-password"


class CountingMeter:
    def __init__(self) -> None:
        self.results: Counter[str] = Counter()

    def login(self, result: str) -> None:
        self.results[result] += 1


@pytest.fixture
def meter() -> CountingMeter:
    return CountingMeter()


@pytest.fixture
def users(database: Database, clock: ManualClock, domain: SendingDomain) -> SmtpUsers:
    return SmtpUsers(database, clock)


@pytest.fixture
async def authenticator(
    database: Database, clock: ManualClock, meter: CountingMeter, users: SmtpUsers
) -> AsyncIterator[Authenticator]:
    await users.add(SYSTEM, NAME, password=Secret(PASSWORD))
    made = Authenticator(database, clock, settings=AccountsSettings(), meter=meter, process_key=b"k" * 32)
    await made.refresh()
    yield made
    made.close()


async def _log_in(authenticator: Authenticator, password: str = PASSWORD, name: str = NAME) -> Principal | AuthRefused:
    return await authenticator.verify(name, password, "192.0.2.1", over_tls=True)


async def test_right_password_gives_the_principal_of_its_domain(
    authenticator: Authenticator, domain: SendingDomain
) -> None:
    principal = await _log_in(authenticator, name=" APP@news.example.com")

    assert isinstance(principal, Principal)
    assert (principal.sending_domain, principal.domain_id, principal.username, principal.kind) == (
        "news.example.com",
        domain.id,
        NAME,
        CredentialKind.PASSWORD,
    )


INTERNATIONAL = "app@münchen.example"


@pytest.mark.parametrize(
    "typed", [INTERNATIONAL, "App@MÜNCHEN.example", "app@mu\u0308nchen.example", "app@xn--mnchen-3ya.example"]
)
async def test_an_international_name_logs_in_as_it_is_typed_and_has_one_lock_out(
    authenticator: Authenticator, users: SmtpUsers, monkeypatch: pytest.MonkeyPatch, typed: str
) -> None:
    added = await users.add(SYSTEM, INTERNATIONAL, domain_name="news.example.com", password=Secret(PASSWORD))
    await authenticator.refresh()
    hashed = _count_hashings(monkeypatch)
    failures = AccountsSettings().lockout.failures

    principal = await _log_in(authenticator, name=typed)

    assert isinstance(principal, Principal)
    assert principal.username == added.user.username == "app@xn--mnchen-3ya.example"
    assert await users.find(SYSTEM, typed) == added.user
    for number in range(failures):
        spelling = typed if number % 2 else INTERNATIONAL
        client = f"203.0.{number}.1"
        assert await authenticator.verify(spelling, "wrong", client, over_tls=True) == AuthRefused("wrong")
    assert len(hashed) == 1 + failures
    assert await authenticator.verify(typed, PASSWORD, "203.0.200.1", over_tls=True) == AuthRefused("locked")


async def _id(users: SmtpUsers) -> int:
    return (await users.find(SYSTEM, NAME)).id


async def _add_network(users: SmtpUsers, name: str, networks: list[str]) -> SmtpUser:
    choices = SmtpUserChange(networks=networks)
    return (await users.add(SYSTEM, name, kind=CredentialKind.ADDRESS, choices=choices)).user


def _goes_on(authenticator: Authenticator, principal: Principal) -> bool:
    return isinstance(authenticator.goes_on(principal, "192.0.2.1", over_tls=True), Principal)


@pytest.mark.parametrize(
    ("name", "password"),
    [(NAME, "right-password"), (NAME, ""), ("nobody@news.example.com", PASSWORD), ("", ""), (NAME, "x" * 300)],
)
async def test_anything_else_is_wrong_and_says_no_more(authenticator: Authenticator, name: str, password: str) -> None:
    refused = await _log_in(authenticator, password, name)

    assert refused == AuthRefused("wrong")
    assert isinstance(refused, AuthRefused)
    assert not refused.is_temporary


async def test_unknown_names_cost_a_hashing_too(authenticator: Authenticator, monkeypatch: pytest.MonkeyPatch) -> None:
    hashed = _count_hashings(monkeypatch)

    await _log_in(authenticator, name="nobody@news.example.com")
    await _log_in(authenticator, "wrong")

    assert len(hashed) == 2
    assert {stored[:31] for stored in hashed} == {"$argon2id$v=19$m=19456,t=2,p=1$"}


async def test_second_log_in_is_not_hashed(
    authenticator: Authenticator, meter: CountingMeter, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    hashed = _count_hashings(monkeypatch)

    await _log_in(authenticator)
    await _log_in(authenticator)
    clock.advance(300_000)
    await _log_in(authenticator)

    assert len(hashed) == 2
    assert meter.results == {"ok": 2, "cached": 1}


async def test_what_was_proven_a_short_while_ago_is_told_at_once(
    authenticator: Authenticator, users: SmtpUsers, clock: ManualClock, meter: CountingMeter
) -> None:
    def at_once(password: str = PASSWORD, *, over_tls: bool = True) -> Principal | AuthRefused | None:
        return authenticator.at_once(NAME, password, "192.0.2.1", over_tls=over_tls)

    assert at_once() is None
    proven = await _log_in(authenticator)

    assert at_once() == proven
    assert at_once("wrong") is None
    await users.edit(SYSTEM, await _id(users), SmtpUserChange(requires_tls=True))
    await authenticator.refresh()
    await _log_in(authenticator)
    assert at_once(over_tls=False) == AuthRefused("tls")
    clock.advance(300_000)
    assert at_once() is None
    await _log_in(authenticator)
    await users.disable(SYSTEM, await _id(users))
    await authenticator.refresh()
    assert at_once() is None
    assert meter.results == {"ok": 2, "cached": 2, "tls": 1}


async def test_a_change_of_something_else_voids_no_proof(
    authenticator: Authenticator, database: Database, meter: CountingMeter
) -> None:
    await _log_in(authenticator)

    await database.write(accounts.add, "stranger", 1)
    await authenticator.refresh()

    assert isinstance(await _log_in(authenticator), Principal)
    assert meter.results == {"ok": 1, "cached": 1}


async def test_a_proof_ends_with_the_password_and_while_its_user_may_not_act(
    authenticator: Authenticator, users: SmtpUsers, meter: CountingMeter
) -> None:
    async def log_in_again() -> Principal | AuthRefused | None:
        await authenticator.refresh()
        told = authenticator.at_once(NAME, PASSWORD, "192.0.2.1", over_tls=True)
        return await _log_in(authenticator) if told is None else told

    wrong = AuthRefused("wrong")
    user_id = (await users.find(SYSTEM, NAME)).id
    await _log_in(authenticator)

    await users.disable(SYSTEM, user_id)
    assert await log_in_again() == wrong
    await users.enable(SYSTEM, user_id)
    assert isinstance(await log_in_again(), Principal)
    await users.set_password(SYSTEM, user_id, Secret("Other-password"))
    assert await log_in_again() == wrong
    await users.set_password(SYSTEM, user_id, Secret(PASSWORD))
    assert isinstance(await log_in_again(), Principal)
    await users.remove(SYSTEM, user_id)
    assert await log_in_again() == wrong
    await users.add(SYSTEM, NAME, password=Secret("Other-password"))
    assert await log_in_again() == wrong
    # Enabled again, it had its password of before; set again, the same password was one to be hashed.
    assert meter.results == {"ok": 2, "cached": 1, "wrong": 4}


async def test_wrong_password_is_never_remembered(
    authenticator: Authenticator, meter: CountingMeter, monkeypatch: pytest.MonkeyPatch
) -> None:
    hashed = _count_hashings(monkeypatch)

    await _log_in(authenticator, "wrong")
    await _log_in(authenticator, "wrong")

    assert len(hashed) == 2
    assert meter.results == {"wrong": 2}


async def test_equal_log_ins_at_once_are_hashed_once(
    authenticator: Authenticator, monkeypatch: pytest.MonkeyPatch
) -> None:
    hashed = _count_hashings(monkeypatch)

    results = await asyncio.gather(*(_log_in(authenticator) for _ in range(100)))

    assert len(hashed) == 1
    assert all(isinstance(result, Principal) for result in results)


async def test_one_client_that_hangs_up_does_not_cancel_the_others(authenticator: Authenticator) -> None:
    first = asyncio.ensure_future(_log_in(authenticator))
    second = asyncio.ensure_future(_log_in(authenticator))
    while not authenticator._under_way:
        await asyncio.sleep(0)
    first.cancel()

    assert isinstance(await second, Principal)
    assert first.cancelled()


async def test_more_log_ins_than_the_queue_holds_are_shed(
    database: Database, clock: ManualClock, meter: CountingMeter, users: SmtpUsers
) -> None:
    settings = AccountsSettings(hash_queue=1)
    authenticator = Authenticator(database, clock, settings=settings, meter=meter, process_key=b"k" * 32)

    results = await asyncio.gather(
        *(authenticator.verify(NAME, f"Guess-{number}", f"198.51.100.{number}", over_tls=True) for number in range(5))
    )
    authenticator.close()

    assert Counter(result.reason for result in results if isinstance(result, AuthRefused)) == {"wrong": 2, "shed": 3}
    assert meter.results == {"wrong": 2, "shed": 3}
    assert AuthRefused("shed").is_temporary


async def test_storage_that_cannot_be_read_is_busy_and_not_wrong(
    authenticator: Authenticator, database: Database
) -> None:
    await database.close()

    assert await _log_in(authenticator) == AuthRefused("busy")


async def test_disabled_user_is_refused_and_its_session_ends(authenticator: Authenticator, users: SmtpUsers) -> None:
    principal = await _log_in(authenticator)
    assert isinstance(principal, Principal)

    await users.disable(SYSTEM, await _id(users))
    await authenticator.refresh()

    assert not _goes_on(authenticator, principal)
    assert await _log_in(authenticator) == AuthRefused("wrong")

    await users.enable(SYSTEM, await _id(users))
    await authenticator.refresh()

    assert _goes_on(authenticator, principal)
    assert isinstance(await _log_in(authenticator), Principal)


async def test_another_password_ends_the_sessions_of_the_one_before(
    authenticator: Authenticator, users: SmtpUsers
) -> None:
    before = await _log_in(authenticator)
    await users.set_password(SYSTEM, await _id(users), Secret("Another-orchard-17-bridges"))
    await authenticator.refresh()
    after = await _log_in(authenticator, password="Another-orchard-17-bridges")
    await authenticator.refresh()

    assert isinstance(before, Principal)
    assert isinstance(after, Principal)
    assert (_goes_on(authenticator, before), _goes_on(authenticator, after)) == (False, True)


async def test_removed_user_and_suspended_account_end_sessions(
    authenticator: Authenticator, users: SmtpUsers, database: Database, clock: ManualClock, account: Account
) -> None:
    await users.add(SYSTEM, "other@news.example.com", password=Secret(PASSWORD))
    one, other = await _log_in(authenticator), await _log_in(authenticator, name="other@news.example.com")
    assert isinstance(one, Principal)
    assert isinstance(other, Principal)

    await users.remove(SYSTEM, await _id(users))
    await authenticator.refresh()
    assert (_goes_on(authenticator, one), _goes_on(authenticator, other)) == (False, True)

    await Accounts(database, clock).suspend(SYSTEM, account.name)
    await authenticator.refresh()
    assert not _goes_on(authenticator, other)
    assert await _log_in(authenticator, name="other@news.example.com") == AuthRefused("wrong")


async def test_old_password_ends_when_another_is_set(authenticator: Authenticator, users: SmtpUsers) -> None:
    await _log_in(authenticator)

    await users.set_password(SYSTEM, await _id(users), Secret("Other-password"))
    await authenticator.refresh()

    assert await _log_in(authenticator) == AuthRefused("wrong")
    assert isinstance(await _log_in(authenticator, "Other-password"), Principal)


async def test_smallest_matching_network_proves_an_address(authenticator: Authenticator, users: SmtpUsers) -> None:
    await _add_network(users, "wide@news.example.com", ["192.0.2.0/24"])
    await _add_network(users, "narrow@news.example.com", ["192.0.2.128/25", "2001:db8::/64"])
    await authenticator.refresh()

    def named(address: str) -> str | None:
        principal = authenticator.principal_for_address(address, over_tls=False)
        return None if principal is None else principal.username

    assert named("192.0.2.7") == "wide@news.example.com"
    assert named("192.0.2.200") == "narrow@news.example.com"
    assert named("::ffff:192.0.2.200") == "narrow@news.example.com"
    assert named("2001:db8::9") == "narrow@news.example.com"
    assert named("198.51.100.1") is None
    assert named("unknown") is None


async def test_a_device_whose_user_may_not_act_is_not_taken_for_the_user_of_a_wider_network(
    authenticator: Authenticator, users: SmtpUsers
) -> None:
    await _add_network(users, "lan@news.example.com", ["192.0.2.0/24"])
    printer = await _add_network(users, "printer@news.example.com", ["192.0.2.5"])

    async def named(address: str) -> str | None:
        await authenticator.refresh()
        principal = authenticator.principal_for_address(address, over_tls=False)
        return None if principal is None else principal.username

    await users.disable(SYSTEM, printer.id)
    assert await named("192.0.2.5") is None
    assert await named("192.0.2.6") == "lan@news.example.com"

    await users.enable(SYSTEM, printer.id)
    assert await named("192.0.2.5") == "printer@news.example.com"

    await users.remove(SYSTEM, printer.id)
    assert await named("192.0.2.5") == "lan@news.example.com"


async def test_a_user_of_a_suspended_account_is_not_proven_by_its_address(
    authenticator: Authenticator, users: SmtpUsers, database: Database, clock: ManualClock, account: Account
) -> None:
    await _add_network(users, "printer@news.example.com", ["192.0.2.5"])
    await Accounts(database, clock).suspend(SYSTEM, account.name)
    await authenticator.refresh()

    assert authenticator.principal_for_address("192.0.2.5", over_tls=False) is None


async def test_a_network_proves_nobody_by_password(authenticator: Authenticator, users: SmtpUsers) -> None:
    await _add_network(users, "printer@news.example.com", ["192.0.2.0/24"])

    assert await _log_in(authenticator, "", "printer@news.example.com") == AuthRefused("wrong")


async def _set(users: SmtpUsers, authenticator: Authenticator, **choices: object) -> None:
    await users.edit(SYSTEM, await _id(users), SmtpUserChange(**choices))  # type: ignore[arg-type]
    await authenticator.refresh()


async def test_a_log_in_from_outside_the_networks_is_wrong_at_the_same_cost(
    authenticator: Authenticator, users: SmtpUsers, meter: CountingMeter, monkeypatch: pytest.MonkeyPatch
) -> None:
    await _set(users, authenticator, networks=["198.51.100.0/24"])
    hashed = _count_hashings(monkeypatch)

    refused = await _log_in(authenticator)

    assert isinstance(refused, AuthRefused)
    assert (refused.reason, refused.is_temporary, refused.needs_tls) == ("network", False, False)
    assert await _log_in(authenticator, "wrong") == AuthRefused("wrong")
    assert len(hashed) == 2
    assert meter.results == {"network": 1, "wrong": 1}
    assert isinstance(await authenticator.verify(NAME, PASSWORD, "198.51.100.7", over_tls=True), Principal)


@pytest.mark.parametrize("is_disabled", [False, True], ids=["network", "disabled"])
async def test_a_right_password_that_may_not_be_used_costs_and_locks_like_a_wrong_one(
    authenticator: Authenticator, users: SmtpUsers, monkeypatch: pytest.MonkeyPatch, *, is_disabled: bool
) -> None:
    await _set(users, authenticator, networks=["198.51.100.0/24"])
    # What its owner proved elsewhere a moment ago must not answer a guesser either.
    assert isinstance(await authenticator.verify(NAME, PASSWORD, "198.51.100.7", over_tls=True), Principal)
    if is_disabled:
        await users.disable(SYSTEM, await _id(users))
        await authenticator.refresh()
    hashed = _count_hashings(monkeypatch)
    failures = AccountsSettings().lockout.failures

    results = [await _log_in(authenticator) for _ in range(failures + 1)]

    reason: Reason = "wrong" if is_disabled else "network"
    assert results == [AuthRefused(reason)] * failures + [AuthRefused("locked")]
    assert len(hashed) == failures


async def test_only_a_proven_password_is_told_that_it_needs_tls(authenticator: Authenticator, users: SmtpUsers) -> None:
    await _set(users, authenticator, requires_tls=True)

    refused = await authenticator.verify(NAME, PASSWORD, "192.0.2.1", over_tls=False)

    assert refused == AuthRefused("tls")
    assert isinstance(refused, AuthRefused)
    assert refused.needs_tls
    assert await authenticator.verify(NAME, "wrong", "192.0.2.1", over_tls=False) == AuthRefused("wrong")
    assert isinstance(await _log_in(authenticator), Principal)


@pytest.mark.parametrize(
    ("choices", "reason"), [({"networks": ["198.51.100.0/24"]}, "network"), ({"requires_tls": True}, "tls")]
)
async def test_a_new_restriction_ends_the_sessions_that_break_it(
    authenticator: Authenticator, users: SmtpUsers, choices: dict[str, object], reason: str
) -> None:
    principal = await authenticator.verify(NAME, PASSWORD, "192.0.2.1", over_tls=False)
    assert isinstance(principal, Principal)
    await _set(users, authenticator, **choices)

    assert authenticator.goes_on(principal, "192.0.2.1", over_tls=False) == AuthRefused(reason)  # type: ignore[arg-type]
    assert isinstance(authenticator.goes_on(principal, "198.51.100.1", over_tls=True), Principal)


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        (DomainSettings(submission_networks="198.51.100.0/24, 2001:db8::/32"), "network"),
        (DomainSettings(submission_requires_tls=True), "tls"),
    ],
)
async def test_what_a_domain_asks_of_log_ins_holds_for_each_of_its_users(
    authenticator: Authenticator, database: Database, settings: DomainSettings, reason: str
) -> None:
    principal = await authenticator.verify(NAME, PASSWORD, "192.0.2.1", over_tls=False)
    assert isinstance(principal, Principal)
    domain = await database.read(domains.get, principal.domain_id)
    assert domain is not None
    after = msgspec.structs.replace(domain, settings=settings)
    await database.write(domains.change, Vault(bytes(32)), domain, after)
    await authenticator.refresh()

    # An open session ends as a new log-in is refused.
    assert authenticator.goes_on(principal, "192.0.2.1", over_tls=False) == AuthRefused(reason)  # type: ignore[arg-type]
    assert await authenticator.verify(NAME, PASSWORD, "192.0.2.1", over_tls=False) == AuthRefused(reason)  # type: ignore[arg-type]
    assert isinstance(await authenticator.verify(NAME, PASSWORD, "198.51.100.1", over_tls=True), Principal)


async def test_a_principal_of_an_open_session_follows_what_it_may(
    authenticator: Authenticator, users: SmtpUsers
) -> None:
    principal = await _log_in(authenticator)
    assert isinstance(principal, Principal)
    assert authenticator.goes_on(principal, "192.0.2.1", over_tls=True) is principal
    await _set(users, authenticator, hourly_limit=5, daily_limit=50, allowed_from=["@example.com"])

    now = authenticator.goes_on(principal, "192.0.2.1", over_tls=True)

    assert isinstance(now, Principal)
    assert (now.hourly_limit, now.daily_limit, now.allowed_from) == (5, 50, ("@example.com",))
    assert authenticator.goes_on(now, "192.0.2.1", over_tls=True) is now
    assert now == await _log_in(authenticator)


async def test_an_address_that_proves_its_user_no_longer_ends_its_sessions(
    authenticator: Authenticator, users: SmtpUsers
) -> None:
    printer = await _add_network(users, "printer@news.example.com", ["192.0.2.0/24"])
    await authenticator.refresh()
    principal = authenticator.principal_for_address("192.0.2.1", over_tls=False)
    assert principal is not None
    await users.edit(SYSTEM, printer.id, SmtpUserChange(networks=["192.0.2.2", "192.0.2.3"]))
    await authenticator.refresh()

    assert authenticator.goes_on(principal, "192.0.2.1", over_tls=False) == AuthRefused("network")
    assert isinstance(authenticator.goes_on(principal, "192.0.2.2", over_tls=False), Principal)


async def test_a_user_that_is_touched_while_its_password_is_hashed_is_not_refused(
    authenticator: Authenticator, users: SmtpUsers, monkeypatch: pytest.MonkeyPatch
) -> None:
    matches = Turn.matches

    async def with_a_change_meanwhile(turn: Turn, stored: str, password: Secret) -> bool:
        await _set(users, authenticator, note="changed meanwhile", hourly_limit=7)
        return await matches(turn, stored, password)

    monkeypatch.setattr(Turn, "matches", with_a_change_meanwhile)
    principal = await _log_in(authenticator)

    assert isinstance(principal, Principal)
    assert principal.hourly_limit == 7


async def test_who_logs_in_while_changes_are_read_goes_on(
    authenticator: Authenticator, users: SmtpUsers, monkeypatch: pytest.MonkeyPatch
) -> None:
    look_at = authenticator._credentials._look_at
    principals: list[object] = []

    async def with_a_log_in_meanwhile(acted: Any) -> Any:
        found = await look_at(acted)
        principals.append(await _log_in(authenticator))
        return found

    monkeypatch.setattr(authenticator._credentials, "_look_at", with_a_log_in_meanwhile)
    await _set(users, authenticator, note="changed")

    (principal,) = principals
    assert isinstance(principal, Principal)
    assert _goes_on(authenticator, principal)


async def test_last_use_says_when_from_where_and_how(
    authenticator: Authenticator, users: SmtpUsers, clock: ManualClock
) -> None:
    principal = await authenticator.verify(NAME, PASSWORD, "2001:db8::7", over_tls=False)
    await authenticator.share()
    user = await users.find(SYSTEM, NAME)
    assert (user.last_used_at, user.last_used_address, user.last_used_tls) == (clock.now, "2001:db8::7", False)

    assert isinstance(principal, Principal)
    clock.advance(60_000)
    authenticator.note_use(principal, "192.0.2.1", over_tls=True)
    await authenticator.share()
    user = await users.find(SYSTEM, NAME)
    assert (user.last_used_at, user.last_used_address, user.last_used_tls) == (clock.now, "192.0.2.1", True)


async def test_last_use_is_written_at_most_once_a_minute(
    authenticator: Authenticator, users: SmtpUsers, clock: ManualClock
) -> None:
    first = clock.now
    await _log_in(authenticator)
    await authenticator.share()
    clock.advance(59_999)
    await _log_in(authenticator)
    await authenticator.share()
    assert (await users.find(SYSTEM, NAME)).last_used_at == first

    clock.advance(1)
    await _log_in(authenticator)
    await authenticator.share()
    assert (await users.find(SYSTEM, NAME)).last_used_at == clock.now


async def test_writing_the_last_use_does_not_void_proofs(authenticator: Authenticator, meter: CountingMeter) -> None:
    await _log_in(authenticator)
    await authenticator.share()
    await authenticator.refresh()
    await _log_in(authenticator)

    assert meter.results["cached"] == 1


async def test_run_goes_on_when_storage_fails_for_a_moment(
    database: Database, clock: ManualClock, meter: CountingMeter, users: SmtpUsers, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = AccountsSettings(poll_s=0.001)
    authenticator = Authenticator(database, clock, settings=settings, meter=meter, process_key=b"k" * 32)
    calls = []

    async def failing_once() -> None:
        calls.append(1)
        if len(calls) == 1:
            raise StorageUnavailable("gone for a moment")

    monkeypatch.setattr(authenticator._guard, "refresh", failing_once)
    running = asyncio.ensure_future(authenticator.run())
    while len(calls) < 3:
        await asyncio.sleep(0)
    running.cancel()
    authenticator.close()

    assert not running.done() or running.cancelled()


async def test_a_log_in_that_cannot_be_shared_is_told_once_though_nothing_is_written_in_between(
    database: Database, clock: ManualClock, meter: CountingMeter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(authentication, "_GATHER_S", 0.001)
    settings = AccountsSettings(poll_s=0.003)
    authenticator = Authenticator(database, clock, settings=settings, meter=meter, process_key=b"k" * 32)
    calls = []

    async def failing() -> None:
        calls.append(1)
        raise StorageUnavailable("gone for a while")

    monkeypatch.setattr(authenticator._guard, "refresh", failing)
    with capture_logs() as lines:
        running = asyncio.ensure_future(authenticator.run())
        while len(calls) < 10:
            await asyncio.sleep(0.001)
        running.cancel()
    authenticator.close()

    assert [line["event"] for line in lines] == ["logins_not_shared"]


async def test_what_cannot_be_written_is_not_tried_without_a_pause(
    database: Database, clock: ManualClock, meter: CountingMeter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(authentication, "_GATHER_S", 0.05)
    settings = AccountsSettings(poll_s=0.1)
    authenticator = Authenticator(database, clock, settings=settings, meter=meter, process_key=b"k" * 32)
    tries = []

    async def failing() -> None:
        tries.append(1)
        raise StorageUnavailable("gone for a while")

    monkeypatch.setattr(authenticator._guard, "write", failing)
    running = asyncio.ensure_future(authenticator.run())
    await asyncio.sleep(0.5)
    running.cancel()
    authenticator.close()

    assert 2 <= len(tries) <= 11


def _count_hashings(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    hashed: list[str] = []
    matches = Turn._matches

    def counting(turn: Turn, stored: str, password: Secret) -> bool:
        hashed.append(stored)
        return matches(turn, stored, password)

    monkeypatch.setattr(Turn, "_matches", counting)
    return hashed

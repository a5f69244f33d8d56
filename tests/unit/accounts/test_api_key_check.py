"""Which keys are let in from where, and how soon a worker notices that one no longer is."""

from collections import Counter

import msgspec
import pytest
from structlog.testing import capture_logs

from postroad.accounts.api_key_check import ApiKeyCheck, KeyRefused, Refusal
from postroad.accounts.api_keys import AddedKey, ApiKeys
from postroad.accounts.refusal_log import WINDOW_MS
from postroad.accounts.settings import AccountsSettings
from postroad.model.account import Account
from postroad.model.actor import SYSTEM
from postroad.model.credential import KeyPrincipal
from postroad.model.domain import DomainSettings, DomainState, SendingDomain
from postroad.policy.key_text import RANDOM_BYTES, KeyTextKind, key_text
from postroad.storage import accounts, domains
from postroad.storage.database import Database
from postroad.storage.secrets import Vault

from .conftest import ManualClock

CLIENT = "192.0.2.9"


class Counting:
    """A meter that keeps what it is told."""

    def __init__(self) -> None:
        self.results: Counter[str] = Counter()

    def api_key_checked(self, result: str) -> None:
        self.results[result] += 1


@pytest.fixture
def keys(database: Database, clock: ManualClock) -> ApiKeys:
    return ApiKeys(database, clock)


@pytest.fixture
def meter() -> Counting:
    return Counting()


@pytest.fixture
async def check(database: Database, clock: ManualClock, meter: Counting) -> ApiKeyCheck:
    made = ApiKeyCheck(database, clock, settings=AccountsSettings(), meter=meter)
    await made.refresh()
    return made


@pytest.fixture
async def added(keys: ApiKeys, domain: SendingDomain, check: ApiKeyCheck) -> AddedKey:
    return await keys.add_for_domain(SYSTEM, domain.name)


async def test_a_key_stands_for_its_domain_and_account(
    check: ApiKeyCheck, added: AddedKey, account: Account, domain: SendingDomain, meter: Counting
) -> None:
    principal = await check.verify(added.text, CLIENT)

    assert principal == KeyPrincipal(added.key, account.name, domain.name)
    assert meter.results == {"ok": 1}


async def test_an_account_key_has_no_domain(check: ApiKeyCheck, keys: ApiKeys, account: Account) -> None:
    added = await keys.add_for_account(SYSTEM, account.id)

    assert await check.verify(added.text, CLIENT) == KeyPrincipal(added.key, account.name, None)


async def test_what_is_no_key_is_unknown_and_costs_no_look_up(
    check: ApiKeyCheck, added: AddedKey, meter: Counting, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def read(*_arguments: object) -> None:
        raise AssertionError("it was looked up")

    monkeypatch.setattr(database, "read", read)
    signing = key_text(KeyTextKind.SIGNING, bytes(RANDOM_BYTES))
    for text in ("", "prd_", added.text[:-1], added.text.swapcase(), f"{added.text} ", signing):
        assert await check.verify(text, CLIENT) == KeyRefused(Refusal.UNKNOWN)
    assert meter.results == {"unknown": 6}


async def test_a_key_with_the_same_beginning_is_not_the_key(
    check: ApiKeyCheck, keys: ApiKeys, domain: SendingDomain, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.urandom", lambda length: b"\1" * length)
    added = await keys.add_for_domain(SYSTEM, domain.name)
    other = key_text(KeyTextKind.DOMAIN, b"\1" * 24 + b"\2" * 8)

    assert other[:10] == added.text[:10]
    assert await check.verify(other, CLIENT) == KeyRefused(Refusal.UNKNOWN)
    assert isinstance(await check.verify(added.text, CLIENT), KeyPrincipal)
    assert await check.verify(other, CLIENT) == KeyRefused(Refusal.UNKNOWN)


@pytest.mark.parametrize(
    ("client", "is_let_in"),
    [
        ("192.0.2.1", True),
        ("192.0.2.2", False),
        ("198.51.100.77", True),
        ("::ffff:198.51.100.77", True),
        ("2001:db8:1::9", True),
        ("2001:db8:2::9", False),
        ("", False),
        ("unix", False),
    ],
)
async def test_a_key_with_networks_is_let_in_from_them_alone(
    check: ApiKeyCheck, keys: ApiKeys, domain: SendingDomain, client: str, is_let_in: bool
) -> None:
    added = await keys.add_for_domain(SYSTEM, domain.name, networks="192.0.2.1, 198.51.100.0/24, 2001:db8:1::/48")

    with capture_logs() as logs:
        result = await check.verify(added.text, client)

    assert isinstance(result, KeyPrincipal) is is_let_in
    if not is_let_in:
        assert result == KeyRefused(Refusal.ADDRESS)
        [line] = logs
        assert (line["event"], line["reason"], line["prefix"]) == ("api_key_refused", "address", added.key.prefix)
        assert added.text[10:] not in str(logs)


async def test_refused_keys_of_one_network_take_two_lines_however_often_they_come(
    check: ApiKeyCheck, added: AddedKey, clock: ManualClock
) -> None:
    with capture_logs() as logs:
        for number in range(200):
            await check.verify(f"{added.text[:-1]}!", f"192.0.2.{number}")
        clock.advance(WINDOW_MS)
        await check.write()

    assert [(line["event"], line.get("count")) for line in logs] == [
        ("api_key_refused", None),
        ("api_keys_refused", 199),
    ]


async def test_a_removed_key_is_refused_after_the_next_look_at_the_revision(
    check: ApiKeyCheck, keys: ApiKeys, added: AddedKey
) -> None:
    assert isinstance(await check.verify(added.text, CLIENT), KeyPrincipal)
    await keys.remove(SYSTEM, added.key.id)
    await check.refresh()

    assert await check.verify(added.text, CLIENT) == KeyRefused(Refusal.UNKNOWN)


async def test_changed_networks_and_a_suspended_account_hold_after_it_too(
    check: ApiKeyCheck, keys: ApiKeys, added: AddedKey, database: Database, meter: Counting
) -> None:
    assert isinstance(await check.verify(added.text, CLIENT), KeyPrincipal)
    await keys.set_networks(SYSTEM, added.key.id, "2001:db8::/32")
    await check.refresh()
    assert await check.verify(added.text, CLIENT) == KeyRefused(Refusal.ADDRESS)

    await keys.set_networks(SYSTEM, added.key.id, "")
    await database.write(accounts.set_suspended, added.key.account_id, 5)
    await check.refresh()
    assert await check.verify(added.text, CLIENT) == KeyRefused(Refusal.SUSPENDED)
    assert meter.results == {"ok": 1, "address": 1, "suspended": 1}


async def test_a_domains_networks_hold_for_its_keys_too(
    check: ApiKeyCheck, added: AddedKey, database: Database, domain: SendingDomain
) -> None:
    after = msgspec.structs.replace(domain, settings=DomainSettings(submission_networks="203.0.113.0/24"))
    await database.write(domains.change, Vault(bytes(32)), domain, after)
    await check.refresh()

    assert await check.verify(added.text, CLIENT) == KeyRefused(Refusal.ADDRESS)
    assert isinstance(await check.verify(added.text, "203.0.113.9"), KeyPrincipal)


@pytest.mark.parametrize(("state", "is_let_in"), [(DomainState.DISABLED, True), (DomainState.REJECTED, False)])
async def test_a_key_of_a_rejected_domain_is_refused(
    check: ApiKeyCheck,
    added: AddedKey,
    database: Database,
    *,
    domain: SendingDomain,
    state: DomainState,
    is_let_in: bool,
) -> None:
    after = msgspec.structs.replace(domain, state=state)
    await database.write(domains.change, Vault(bytes(32)), domain, after)
    result = await check.verify(added.text, CLIENT)

    assert isinstance(result, KeyPrincipal) is is_let_in
    assert is_let_in or result == KeyRefused(Refusal.DOMAIN_GONE)


async def test_the_last_use_and_refusal_are_written_at_most_once_a_minute(
    check: ApiKeyCheck, keys: ApiKeys, added: AddedKey, clock: ManualClock
) -> None:
    first = clock.now
    await check.verify(added.text, CLIENT)
    await check.write()
    clock.advance(59_000)
    await check.verify(added.text, "192.0.2.10")
    await check.write()
    key = await keys.get(SYSTEM, added.key.id)
    assert (key.last_used_at, key.last_used_address, key.last_refused_at) == (first, CLIENT, None)

    clock.advance(1_000)
    await check.verify(added.text, "::ffff:192.0.2.10")
    await keys.set_networks(SYSTEM, added.key.id, "10.0.0.1")
    await check.write()
    await check.refresh()
    await check.verify(added.text, "2001:DB8::1")
    await check.write()
    key = await keys.get(SYSTEM, added.key.id)

    assert (key.last_used_at, key.last_used_address) == (first + 60_000, "192.0.2.10")
    assert (key.last_refused_at, key.last_refused_address) == (first + 60_000, "2001:db8::1")


async def test_a_key_that_is_used_no_more_is_forgotten(
    check: ApiKeyCheck, keys: ApiKeys, added: AddedKey, domain: SendingDomain, clock: ManualClock
) -> None:
    await check.verify(added.text, CLIENT)
    clock.advance(60_000)
    other = await keys.add_for_domain(SYSTEM, domain.name)
    await check.verify(other.text, CLIENT)
    await check.write()

    assert list(check._noted) == [(other.key.id, False)]

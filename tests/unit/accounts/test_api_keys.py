"""Who makes, sees and changes API keys, and what the audit log keeps of it."""

from collections.abc import Awaitable, Callable

import msgspec
import pytest

from postroad.accounts.api_keys import ApiKeys
from postroad.model.account import Account
from postroad.model.actor import SYSTEM, Actor, ActorKind
from postroad.model.credential import ApiKey
from postroad.model.domain import SendingDomain
from postroad.model.refused import ForbiddenError, MissingError, RefusedError
from postroad.model.user import Role
from postroad.storage import accounts, audit
from postroad.storage.audit import AuditSelector
from postroad.storage.database import Database

from .conftest import ManualClock


def person(account_id: int | None, role: Role = Role.ADMIN) -> Actor:
    return Actor(kind=ActorKind.USER, name="ann@example.com", account_id=account_id, role=role)


@pytest.fixture
def keys(database: Database, clock: ManualClock) -> ApiKeys:
    return ApiKeys(database, clock)


@pytest.fixture
def admin(account: Account) -> Actor:
    return person(account.id)


async def test_a_domain_key_is_shown_once_and_known_by_its_first_characters(
    keys: ApiKeys, admin: Actor, domain: SendingDomain
) -> None:
    added = await keys.add_for_domain(admin, "News.Example.com.", note=" shop ", networks="192.0.2.0/24 2001:db8::1")

    assert added.text.startswith("prd_")
    assert added.key.prefix == added.text[:10]
    assert (added.key.domain_id, added.key.account_id) == (domain.id, domain.account_id)
    assert (added.key.note, added.key.networks) == ("shop", ("192.0.2.0/24", "2001:db8::1/128"))
    assert await keys.all(admin, domain_id=domain.id) == [added.key]
    assert await keys.find(admin, added.text) == added.key
    assert added.text[10:] not in repr(added)


async def test_an_account_key_belongs_to_no_domain(keys: ApiKeys, admin: Actor, account: Account) -> None:
    added = await keys.add_for_account(admin, account.id)

    assert added.text.startswith("pra_")
    assert (added.key.account_id, added.key.domain_id) == (account.id, None)


async def test_the_audit_log_has_every_change_and_no_key(
    keys: ApiKeys, admin: Actor, database: Database, domain: SendingDomain
) -> None:
    added = await keys.add_for_domain(admin, domain.name, note="shop")
    await keys.edit(admin, added.key.id, "the shop")
    await keys.edit(admin, added.key.id, "the shop")
    await keys.set_networks(admin, added.key.id, "192.0.2.1")
    await keys.remove(admin, added.key.id)
    entries = await database.read(audit.search, AuditSelector(account_id=domain.account_id), 50)

    assert [(entry.action, entry.before, entry.after) for entry in reversed(entries)] == [
        ("api_key.added", None, {"domain": domain.name, "note": "shop", "networks": []}),
        ("api_key.changed", {"note": "shop"}, {"note": "the shop"}),
        ("api_key.changed", {"networks": []}, {"networks": ["192.0.2.1/32"]}),
        ("api_key.removed", {"domain": domain.name, "note": "the shop", "networks": ["192.0.2.1/32"]}, None),
    ]
    assert {entry.target for entry in entries} == {added.key.prefix}
    assert added.text[10:] not in msgspec.json.encode(entries).decode()


Change = Callable[[ApiKeys, Actor, int], Awaitable[object]]


def edit(note: str) -> Change:
    return lambda keys, actor, key_id: keys.edit(actor, key_id, note)


def set_networks(networks: str) -> Change:
    return lambda keys, actor, key_id: keys.set_networks(actor, key_id, networks)


def allow(networks: str) -> Change:
    return lambda keys, actor, key_id: keys.allow(actor, key_id, networks)


CHANGES: list[Change] = [
    edit("mine"),
    set_networks("192.0.2.1"),
    allow("192.0.2.1"),
    lambda keys, actor, key_id: keys.remove(actor, key_id),
]


@pytest.mark.parametrize("change", CHANGES)
async def test_others_keys_do_not_exist_and_lookers_change_none(
    keys: ApiKeys,
    admin: Actor,
    database: Database,
    domain: SendingDomain,
    change: Change,
) -> None:
    added = await keys.add_for_domain(admin, domain.name)
    other = await database.write(accounts.add, "other", 1)

    for key_id in (added.key.id, added.key.id + 4711):
        with pytest.raises(MissingError, match=r"^There is no such API key\.$"):
            await change(keys, person(other.id), key_id)
    with pytest.raises(ForbiddenError):
        await change(keys, person(domain.account_id, Role.USER), added.key.id)
    assert await keys.all(person(other.id)) == []
    assert await keys.all(person(other.id), account_id=domain.account_id) == []
    assert await keys.all(person(domain.account_id, Role.USER)) == [added.key]


async def test_a_key_for_others_is_not_made(
    keys: ApiKeys, admin: Actor, database: Database, account: Account, domain: SendingDomain
) -> None:
    other = await database.write(accounts.add, "other", 1)

    for name in (domain.name, "none.example"):
        with pytest.raises(MissingError, match=f"^There is no sending domain {name}.$"):
            await keys.add_for_domain(person(other.id), name)
    with pytest.raises(MissingError):
        await keys.add_for_account(person(other.id), account.id)
    with pytest.raises(ForbiddenError):
        await keys.add_for_domain(person(account.id, Role.USER), domain.name)
    with pytest.raises(ForbiddenError):
        await keys.add_for_account(person(account.id, Role.USER), account.id)


async def test_wrong_entries_are_named_with_their_field(keys: ApiKeys, domain: SendingDomain) -> None:
    with pytest.raises(RefusedError, match=r"(?s)office is not an address.* did you mean 192\.0\.2\.0/24") as refused:
        await keys.add_for_domain(SYSTEM, domain.name, networks="office, 192.0.2.7/24")
    assert refused.value.field == "networks"
    with pytest.raises(RefusedError) as refused:
        await keys.add_for_domain(SYSTEM, domain.name, note="n" * 501)
    assert refused.value.field == "note"
    assert await keys.all(SYSTEM) == []


async def test_allowing_adds_to_the_list_and_setting_replaces_it(keys: ApiKeys, domain: SendingDomain) -> None:
    key = (await keys.add_for_domain(SYSTEM, domain.name, networks="192.0.2.1")).key

    assert (await keys.allow(SYSTEM, key.id, "2001:db8::/32")).networks == ("192.0.2.1/32", "2001:db8::/32")
    assert (await keys.set_networks(SYSTEM, key.id, "10.0.0.0/8")).networks == ("10.0.0.0/8",)
    assert (await keys.set_networks(SYSTEM, key.id, " ")).networks == ()
    with pytest.raises(RefusedError, match="at least one"):
        await keys.allow(SYSTEM, key.id, "")


EDITED, BOUND, FURTHER = edit("shop"), set_networks("192.0.2.1"), allow("192.0.2.1")
MEANWHILE: list[tuple[tuple[Change, Change], tuple[str, tuple[str, ...]]]] = [
    ((EDITED, BOUND), ("shop", ("192.0.2.1/32",))),
    ((BOUND, EDITED), ("shop", ("192.0.2.1/32",))),
    ((FURTHER, allow("192.0.2.2")), ("", ("10.0.0.0/8", "192.0.2.2/32", "192.0.2.1/32"))),
]


def make_meanwhile(monkeypatch: pytest.MonkeyPatch, other_change: Change) -> None:
    """Have the next change of a key find it as it was before another one."""
    find = ApiKeys._find_to_change

    async def found_before(self: ApiKeys, actor: Actor, key_id: int) -> ApiKey:
        found = await find(self, actor, key_id)
        monkeypatch.setattr(ApiKeys, "_find_to_change", find)
        await other_change(self, actor, key_id)
        return found

    monkeypatch.setattr(ApiKeys, "_find_to_change", found_before)


@pytest.mark.parametrize(("changes", "expected"), MEANWHILE)
async def test_what_two_change_of_a_key_at_once_is_both_kept(
    keys: ApiKeys,
    domain: SendingDomain,
    monkeypatch: pytest.MonkeyPatch,
    changes: tuple[Change, Change],
    expected: tuple[str, tuple[str, ...]],
) -> None:
    key_id = (await keys.add_for_domain(SYSTEM, domain.name, networks="10.0.0.0/8")).key.id
    make_meanwhile(monkeypatch, changes[1])
    await changes[0](keys, SYSTEM, key_id)
    kept = await keys.get(SYSTEM, key_id)
    assert (kept.note, kept.networks) == expected


async def test_the_audit_log_has_what_a_change_added_to_though_it_was_changed_meanwhile(
    keys: ApiKeys, database: Database, domain: SendingDomain, monkeypatch: pytest.MonkeyPatch
) -> None:
    key_id = (await keys.add_for_domain(SYSTEM, domain.name, networks="10.0.0.0/8")).key.id
    make_meanwhile(monkeypatch, BOUND)
    await keys.allow(SYSTEM, key_id, "192.0.2.2")
    latest = (await database.read(audit.search, AuditSelector(), 1))[0]
    assert (latest.before, latest.after) == (
        {"networks": ["192.0.2.1/32"]},
        {"networks": ["192.0.2.1/32", "192.0.2.2/32"]},
    )

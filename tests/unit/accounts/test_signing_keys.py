"""The key that signs webhook calls: one per account, for its admins' eyes."""

from typing import Any

import msgspec
import pytest

from postroad.accounts.signing_keys import WebhookSigning
from postroad.model.account import Account
from postroad.model.actor import Actor, ActorKind
from postroad.model.credential import SigningKeys
from postroad.model.refused import ForbiddenError, MissingError, RefusedError
from postroad.model.user import Role
from postroad.policy.key_text import KeyTextKind, kind_of
from postroad.storage import accounts, audit
from postroad.storage.audit import AuditSelector
from postroad.storage.database import Database
from postroad.storage.secrets import Vault

from .conftest import ManualClock

HOUR = 3_600_000


@pytest.fixture
def signing(database: Database, clock: ManualClock) -> WebhookSigning:
    return WebhookSigning(database, Vault(bytes(32)), clock)


@pytest.fixture
def admin(account: Account) -> Actor:
    return Actor(kind=ActorKind.USER, name="ann@example.com", account_id=account.id, role=Role.ADMIN)


async def test_the_key_is_made_when_first_asked_for_and_stays(
    signing: WebhookSigning, admin: Actor, account: Account
) -> None:
    first = await signing.keys_of(admin, account.id)

    assert kind_of(first.key) is KeyTextKind.SIGNING
    assert (first.previous_key, first.previous_until) == (None, None)
    assert await signing.keys_of(admin, account.id) == first
    assert first.key not in repr(first)


async def test_an_update_without_overlap_ends_the_key_at_once(
    signing: WebhookSigning, admin: Actor, account: Account
) -> None:
    first = await signing.keys_of(admin, account.id)
    second = await signing.update(admin, account.id)

    assert second.key != first.key
    assert second.previous_key is None
    assert await signing.keys_of(admin, account.id) == second


async def test_with_an_overlap_the_previous_key_counts_for_its_hours(
    signing: WebhookSigning, admin: Actor, account: Account, clock: ManualClock
) -> None:
    first = await signing.keys_of(admin, account.id)
    second = await signing.update(admin, account.id, overlap_hours=24)
    assert (second.previous_key, second.previous_until) == (first.key, clock.now + 24 * HOUR)

    clock.advance(24 * HOUR - 1)
    assert await signing.keys_of(admin, account.id) == second
    clock.advance(1)
    later = await signing.keys_of(admin, account.id)
    assert (later.key, later.previous_key, later.previous_until) == (second.key, None, None)


async def test_of_two_updates_at_once_both_keys_count_while_they_overlap(
    signing: WebhookSigning, admin: Actor, account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    find, made = WebhookSigning.keys_of, []

    async def meanwhile(*arguments: Any) -> SigningKeys:
        found = await find(*arguments)
        monkeypatch.setattr(WebhookSigning, "keys_of", find)
        made.append(await signing.update(admin, account.id, overlap_hours=24))
        return found

    monkeypatch.setattr(WebhookSigning, "keys_of", meanwhile)
    last = await signing.update(admin, account.id, overlap_hours=24)
    assert (await signing.keys_of(admin, account.id)).counting == (last.key, made[0].key)


async def test_the_audit_log_tells_of_an_update_without_the_keys(
    signing: WebhookSigning, admin: Actor, account: Account, database: Database
) -> None:
    first = await signing.keys_of(admin, account.id)
    second = await signing.update(admin, account.id, overlap_hours=2)
    entries = await database.read(audit.search, AuditSelector(), 10)
    text = msgspec.json.encode(entries).decode()

    assert [(entry.action, entry.after) for entry in entries] == [("signing_key.updated", {"overlap_hours": 2})]
    assert first.key not in text
    assert second.key not in text


async def test_neither_lookers_nor_others_see_or_change_it(
    signing: WebhookSigning, admin: Actor, account: Account, database: Database
) -> None:
    looker = msgspec.structs.replace(admin, role=Role.USER)
    other = await database.write(accounts.add, "other", 1)
    stranger = msgspec.structs.replace(admin, account_id=other.id)

    for actor, error in ((looker, ForbiddenError), (stranger, MissingError)):
        with pytest.raises(error):
            await signing.keys_of(actor, account.id)
        with pytest.raises(error):
            await signing.update(actor, account.id)
    with pytest.raises(RefusedError) as refused:
        await signing.update(admin, account.id, overlap_hours=721)
    assert refused.value.field == "overlap_hours"

"""SMTP users that are proven by their networks: no network proves two accounts, however close they come."""

import asyncio

import pytest

from postroad.accounts.smtp_user_changes import SmtpUserChange
from postroad.accounts.smtp_users import SmtpUsers
from postroad.model.actor import SYSTEM
from postroad.model.credential import CredentialKind, Secret
from postroad.model.domain import DomainState, SendingDomain
from postroad.model.refused import RefusedError
from postroad.storage import accounts, domains, smtp_users
from postroad.storage.database import Database

_TRIES = 10


@pytest.mark.parametrize("is_edit", [False, True], ids=["add", "edit"])
async def test_accounts_that_claim_a_network_at_once_do_not_both_get_it(database: Database, *, is_edit: bool) -> None:
    users = SmtpUsers(database, lambda: 1)
    names = ("one.example", "two.example")
    for name in names:
        account = await database.write(accounts.add, name, 1)
        domain = SendingDomain(id=0, account_id=account.id, name=name, state=DomainState.ACTIVE, created_at=1)
        await database.write(domains.add, domain)

    async def claim(number: int, place: int, domain: str) -> None:
        username, network = f"p{number}@{domain}", SmtpUserChange(networks=[f"192.0.2.{number}"])
        if not is_edit:
            await users.add(SYSTEM, username, kind=CredentialKind.ADDRESS, choices=network)
            return
        own = SmtpUserChange(networks=[f"198.51.{place}.{number}"])
        added = await users.add(SYSTEM, username, kind=CredentialKind.ADDRESS, choices=own)
        await users.edit(SYSTEM, added.user.id, network)

    for number in range(_TRIES):
        claims = (claim(number, place, domain) for place, domain in enumerate(names))
        results = await asyncio.gather(*claims, return_exceptions=True)
        refusals = [result for result in results if isinstance(result, RefusedError)]
        assert [refusal.field for refusal in refusals] == ["networks"], results
        assert results.count(None) == 1

    stored = await database.read(smtp_users.list_of_kind, CredentialKind.ADDRESS)
    taken = [network for user in stored for network in user.networks if network.startswith("192.0.2.")]
    assert len(taken) == len(set(taken)) == _TRIES


async def test_a_note_holds_what_the_database_can(database: Database) -> None:
    users = SmtpUsers(database, lambda: 1)
    account = await database.write(accounts.add, "one", 1)
    domain = SendingDomain(id=0, account_id=account.id, name="one.example", state=DomainState.ACTIVE, created_at=1)
    await database.write(domains.add, domain)
    password, chosen = Secret("Xr7-kl2.Pq9-vb4"), SmtpUserChange(note="a\0b")
    added = await users.add(SYSTEM, "app@one.example", password=password, choices=chosen)
    await users.edit(SYSTEM, added.user.id, SmtpUserChange(note="c\0d"))
    notes = added.user.note, (await users.get(SYSTEM, added.user.id)).note
    assert notes == ("a\N{REPLACEMENT CHARACTER}b", "c\N{REPLACEMENT CHARACTER}d")

import pytest

from postroad.model.account import Account
from postroad.model.actor import SYSTEM, command_actor
from postroad.model.audit import entry_of
from postroad.model.refused import MissingError
from postroad.model.user import Role
from postroad.storage import accounts, audit
from postroad.storage.audit import AuditSelector

from .console_world import ConsoleWorld
from .people_rows import acting_as, person


async def written(world: ConsoleWorld, action: str, target: str, account_id: int | None) -> None:
    entry = entry_of(SYSTEM, action, target, at=world.clock(), account_id=account_id)
    world.clock.advance(1000)
    await world.database.write(audit.record, entry)


async def test_each_account_sees_its_own_entries_and_an_operator_all(world: ConsoleWorld, account: Account) -> None:
    beta = await world.database.write(accounts.add, "beta", 1)
    ada = await person(world.database, "ada@acme.example", account)
    operator = await person(world.database, "op@example.net", is_operator=True)
    await written(world, "smtp_user.added", "app@acme.example", account.id)
    await written(world, "smtp_user.added", "app@beta.example", beta.id)
    await written(world, "account.added", "beta", None)

    async def seen_by(actor_account: Account | None, is_operator: bool = False) -> list[str]:
        actor = acting_as(operator if is_operator else ada, actor_account, Role.USER)
        return [one.target for one in (await world.audit.search(actor, AuditSelector())).entries]

    assert await seen_by(account) == ["app@acme.example"]
    assert await seen_by(None, is_operator=True) == ["beta", "app@beta.example", "app@acme.example"]
    assert await seen_by(beta, is_operator=True) == ["app@beta.example"]
    with pytest.raises(MissingError):
        await seen_by(None)
    with pytest.raises(MissingError):
        await world.audit.search(acting_as(ada, account), AuditSelector(account_id=beta.id))


async def test_pages_follow_one_another_without_gaps(world: ConsoleWorld, account: Account) -> None:
    for number in range(7):
        await written(world, "domain.added", f"d{number}.example", account.id)
    targets, before = [], None
    for _ in range(3):
        page = await world.audit.search(command_actor("x"), AuditSelector(), limit=3, before=before)
        targets.append([one.target[1] for one in page.entries])
        before = page.before

    assert targets == [["6", "5", "4"], ["3", "2", "1"], ["0"]]
    assert before is None


async def test_entries_are_found_by_what_they_say(world: ConsoleWorld, account: Account) -> None:
    await written(world, "smtp_user.added", "app@acme.example", account.id)
    await written(world, "smtp_user.removed", "app@acme.example", account.id)
    await written(world, "domain.added", "Acme_1.example", account.id)

    async def found(**wish: object) -> list[str]:
        page = await world.audit.search(SYSTEM, AuditSelector(**wish))  # type: ignore[arg-type]
        return [one.action for one in page.entries]

    assert await found(action="smtp_user") == ["smtp_user.removed", "smtp_user.added"]
    assert await found(action="smtp_user.added") == ["smtp_user.added"]
    assert await found(action="smtp") == []
    assert await found(target_contains="ACME_1") == ["domain.added"]
    assert await found(target_contains="acme%") == []
    assert await found(actor="postroad", until=world.clock() - 2000) == ["smtp_user.added"]

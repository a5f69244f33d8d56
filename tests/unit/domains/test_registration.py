"""Who may do what to a sending domain, what of it is recorded, and when one may be removed."""

import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from sqlalchemy import Connection, update

from postroad.dns.answer import Answer, AnswerStatus, RecordType
from postroad.domains.registration import Registration
from postroad.domains.settings import DomainsSettings, installation_names
from postroad.domains.verification import Verification
from postroad.model.actor import Actor, ActorKind
from postroad.model.credential import CredentialKind, SmtpUser
from postroad.model.domain import DomainSettings, DomainState
from postroad.model.refused import ForbiddenError, MissingError, RefusedError
from postroad.model.user import Role
from postroad.policy.alignment import OrganisationalDomains
from postroad.storage import accounts, audit, domains, smtp_users
from postroad.storage.audit import AuditSelector
from postroad.storage.database import Database
from postroad.storage.engine import open_database
from postroad.storage.schema.data_plane import deliveries
from postroad.storage.secrets import Vault
from tests.storage.samples import accepted

NAME = "news.example.com"
ORGANISATIONAL = OrganisationalDomains()
NOW = 1_800_000_000_000


def person(account_id: int | None, role: Role = Role.ADMIN, *, is_operator: bool = False) -> Actor:
    return Actor(
        kind=ActorKind.USER,
        id=7,
        name="ann@example.com",
        client_address="192.0.2.9",
        account_id=account_id,
        role=role,
        is_operator=is_operator,
    )


@pytest.fixture
async def database(migrated_file: Path, tmp_path: Path) -> AsyncIterator[Database]:
    shutil.copy(migrated_file, tmp_path)
    opened = await open_database("", data_dir=tmp_path, clock=lambda: NOW, read_connections=1)
    yield opened
    await opened.close()


@pytest.fixture
def registration(database: Database) -> Registration:
    return Registration(
        database,
        Vault(bytes(32)),
        DomainsSettings(vetting="manual"),
        ORGANISATIONAL,
        lambda: NOW,
        console_host="Console.example.net",
    )


@pytest.fixture
async def owner(database: Database, registration: Registration) -> Actor:
    """An admin of the account that has the domain."""
    account = await database.write(accounts.add, "customer", NOW)
    await registration.add(person(account.id), account.id, NAME)
    return person(account.id)


async def actions(database: Database) -> list[str]:
    return [entry.action for entry in reversed(await database.read(audit.search, AuditSelector(), 50))]


CHANGES: list[Callable[[Registration, Actor], Awaitable[object]]] = [
    lambda registration, actor: registration.approve(actor, NAME),
    lambda registration, actor: registration.reject(actor, NAME),
    lambda registration, actor: registration.disable(actor, NAME),
    lambda registration, actor: registration.enable(actor, NAME),
    lambda registration, actor: registration.pause(actor, NAME, "Too old a list"),
    lambda registration, actor: registration.resume(actor, NAME),
    lambda registration, actor: registration.change_settings(actor, NAME, DomainSettings()),
    lambda registration, actor: registration.rotate_dkim(actor, NAME),
    lambda registration, actor: registration.remove(actor, NAME),
]


@pytest.mark.parametrize("change", CHANGES)
async def test_a_domain_of_others_does_not_exist(
    registration: Registration,
    database: Database,
    owner: Actor,
    change: Callable[[Registration, Actor], Awaitable[object]],
) -> None:
    other = await database.write(accounts.add, "other", NOW)

    with pytest.raises(MissingError, match=f"^There is no sending domain {NAME}.$"):
        await change(registration, person(other.id))
    with pytest.raises(MissingError, match=f"^There is no sending domain {NAME}.$"):
        await registration.find(person(other.id), NAME)
    assert await registration.all(person(other.id)) == []
    assert await registration.all(person(other.id), owner.account_id) == []
    assert await actions(database) == ["domain.added"]


@pytest.mark.parametrize("change", CHANGES)
async def test_a_person_who_may_only_look_changes_nothing(
    registration: Registration,
    database: Database,
    owner: Actor,
    change: Callable[[Registration, Actor], Awaitable[object]],
) -> None:
    with pytest.raises(ForbiddenError):
        await change(registration, person(owner.account_id, Role.USER))
    assert await actions(database) == ["domain.added"]


async def test_only_an_operator_decides_on_a_domain(
    registration: Registration, database: Database, owner: Actor
) -> None:
    with pytest.raises(ForbiddenError, match="Only an operator"):
        await registration.approve(owner, NAME)
    with pytest.raises(ForbiddenError, match="Only an operator"):
        await registration.reject(owner, NAME)

    operator = person(None, is_operator=True)
    assert (await registration.approve(operator, NAME)).state is DomainState.UNVERIFIED
    assert (await registration.reject(operator, NAME)).state is DomainState.REJECTED
    assert await actions(database) == ["domain.added", "domain.approved", "domain.rejected"]


async def test_what_an_operator_rejected_its_account_does_not_bring_back(
    registration: Registration, owner: Actor
) -> None:
    operator = person(None, is_operator=True)
    await registration.approve(operator, NAME)
    await registration.disable(owner, NAME)
    await registration.reject(operator, NAME)

    with pytest.raises(RefusedError):
        await registration.enable(owner, NAME)
    with pytest.raises(ForbiddenError, match="was rejected"):
        await registration.remove(owner, NAME)
    await registration.remove(operator, NAME)


async def test_a_change_records_old_and_new_values(
    registration: Registration, database: Database, owner: Actor
) -> None:
    await registration.change_settings(owner, NAME, DomainSettings(keep_content_days=3))
    await registration.change_settings(owner, NAME, DomainSettings(keep_content_days=3))
    [entry, _added] = await database.read(audit.search, AuditSelector(account_id=owner.account_id), 50)

    assert (entry.action, entry.target) == ("domain.changed", NAME)
    assert (entry.actor_name, entry.client_address) == ("ann@example.com", "192.0.2.9")
    assert (entry.before, entry.after) == ({"keep_content_days": 0}, {"keep_content_days": 3})


@pytest.mark.parametrize("given", ["imap", "-.example", "https://imap.example.com", "imap.example.com:993", "a b.c"])
async def test_a_host_of_mailboxes_has_a_whole_name(registration: Registration, owner: Actor, given: str) -> None:
    with pytest.raises(RefusedError) as refused:
        await registration.change_settings(owner, NAME, DomainSettings(imap_host=given))
    assert refused.value.field == "imap_host"

    changed = await registration.change_settings(owner, NAME, DomainSettings(imap_host=" IMAP.Example.com "))
    assert changed.settings.imap_host == "imap.example.com"
    assert (await registration.change_settings(owner, NAME, DomainSettings())).settings.imap_host == ""


async def test_a_tracking_host_has_a_whole_name(registration: Registration, owner: Actor) -> None:
    with pytest.raises(RefusedError, match="tracking") as refused:
        await registration.change_settings(owner, NAME, DomainSettings(tracking_host="t"))
    assert refused.value.field == "tracking_host"

    changed = await registration.change_settings(owner, NAME, DomainSettings(tracking_host=" T.Example.com "))
    assert changed.settings.tracking_host == "t.example.com"


async def test_a_tracking_host_is_not_where_others_are_reached(
    registration: Registration, database: Database, owner: Actor
) -> None:
    other = await database.write(accounts.add, "other", NOW)
    await registration.add(person(other.id), other.id, "other.example.com")
    await registration.change_settings(
        person(other.id), "other.example.com", DomainSettings(tracking_host="t.other.example.com")
    )
    for host in ("console.example.net", "Other.example.com", "t.other.example.com"):
        with pytest.raises(RefusedError, match=r"console is at|another account") as refused:
            await registration.change_settings(owner, NAME, DomainSettings(tracking_host=host))
        assert refused.value.field == "tracking_host"

    assert owner.account_id is not None
    await registration.add(owner, owner.account_id, "second.example.com")
    for name in (NAME, "second.example.com"):
        await registration.change_settings(owner, name, DomainSettings(tracking_host="t.example.com"))


async def test_a_domain_goes_when_nothing_is_bound_to_it(
    registration: Registration, database: Database, owner: Actor
) -> None:
    domain = await registration.find(owner, NAME)
    user = await database.write(
        smtp_users.add,
        SmtpUser(
            id=0,
            account_id=domain.account_id,
            domain_id=domain.id,
            username=f"app@{NAME}",
            kind=CredentialKind.PASSWORD,
            created_at=NOW,
        ),
    )
    message = accepted("you@example.net", domain_id=domain.id)
    await database.accept(message)

    with pytest.raises(RefusedError, match="still has 1 SMTP user and 1 delivery"):
        await registration.remove(owner, NAME)

    await database.write(smtp_users.remove, user.id)
    await database.write(_finish, message.deliveries[0].id)
    await registration.remove(owner, NAME)

    assert await database.read(domains.list_all) == []
    assert "domain.removed" in await actions(database)


def _finish(connection: Connection, delivery_id: int) -> None:
    connection.execute(update(deliveries).where(deliveries.c.id == delivery_id).values(state="delivered"))


class NoAnswers:
    """A resolver that finds nothing."""

    async def resolve(self, name: str, record_type: RecordType) -> Answer:
        return Answer(status=AnswerStatus.NO_DATA)


async def test_without_verification_a_check_stops_nothing(database: Database, owner: Actor) -> None:
    settings = DomainsSettings(verification="off", grace_s=0)
    registration = Registration(database, Vault(bytes(32)), settings, ORGANISATIONAL, lambda: NOW)
    verification = Verification(
        database,
        Vault(bytes(32)),
        NoAnswers(),
        settings=settings,
        names=installation_names(settings),
        organisational_domain_of=ORGANISATIONAL,
        clock=lambda: NOW,
    )
    assert owner.account_id is not None
    added = await registration.add(owner, owner.account_id, "shop.example.com")
    verdicts = await verification.verify(owner, added.id)
    found = await registration.find(owner, "shop.example.com")

    assert {verdict.status.value for verdict in verdicts} == {"missing"}
    assert (found.state, found.failing_since, found.checked_at) == (DomainState.ACTIVE, None, NOW)


async def test_a_second_check_waits_for_a_pause(registration: Registration, database: Database, owner: Actor) -> None:
    now = NOW
    verification = Verification(
        database,
        Vault(bytes(32)),
        NoAnswers(),
        settings=DomainsSettings(),
        names=installation_names(DomainsSettings()),
        organisational_domain_of=ORGANISATIONAL,
        clock=lambda: now,
    )
    domain = await registration.find(owner, NAME)
    assert await verification.verify(owner, domain.id, at_most_every_s=10)
    now += 4_000

    with pytest.raises(RefusedError, match="wait another 6 s"):
        await verification.verify(owner, domain.id, at_most_every_s=10)
    assert await verification.verify(owner, domain.id)
    now += 10_000
    assert await verification.verify(owner, domain.id, at_most_every_s=10)
    with pytest.raises(MissingError):
        await verification.verify(person(4711), domain.id)
    with pytest.raises(ForbiddenError):
        await verification.verify(person(owner.account_id, Role.USER), domain.id)

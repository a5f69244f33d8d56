from collections.abc import Awaitable, Callable

import msgspec
import pytest

from postroad.accounts.smtp_user_changes import SmtpUserChange
from postroad.accounts.smtp_users import SmtpUsers, generated_password
from postroad.model.account import Account
from postroad.model.actor import SYSTEM, Actor, ActorKind
from postroad.model.audit import AuditEntry
from postroad.model.credential import CredentialKind, Secret, SmtpUser
from postroad.model.domain import DomainState, SendingDomain
from postroad.model.refused import ForbiddenError, MissingError, RefusedError
from postroad.model.user import Role
from postroad.policy.password import password_refusal
from postroad.policy.quota import Period
from postroad.storage import accounts, audit, domains, quotas
from postroad.storage.audit import AuditSelector
from postroad.storage.database import Database

from .conftest import ManualClock

PASSWORD = Secret("Right-password")
NAME = "app@news.example.com"


@pytest.fixture
def users(database: Database, clock: ManualClock, domain: SendingDomain) -> SmtpUsers:
    return SmtpUsers(database, clock)


@pytest.fixture
async def stranger(database: Database) -> Actor:
    """An admin of another account."""
    other = await database.write(accounts.add, "other", 1)
    return Actor(kind=ActorKind.USER, id=9, name="eve@other.example", account_id=other.id, role=Role.ADMIN)


def member(account: Account, role: Role = Role.ADMIN) -> Actor:
    return Actor(kind=ActorKind.USER, id=7, name="ann@example.com", account_id=account.id, role=role)


async def added(users: SmtpUsers, name: str = NAME, *, domain_name: str | None = None, **choices: object) -> SmtpUser:
    change = SmtpUserChange(**choices)  # type: ignore[arg-type]
    return (await users.add(SYSTEM, name, domain_name=domain_name, password=PASSWORD, choices=change)).user


async def entries(database: Database) -> list[AuditEntry]:
    return await database.read(audit.search, AuditSelector(action="smtp_user"), 20)


async def test_user_belongs_to_the_domain_its_name_is_at(users: SmtpUsers, domain: SendingDomain) -> None:
    result = await users.add(
        SYSTEM, " App@News.Example.COM ", password=PASSWORD, choices=SmtpUserChange(note=" the shop ")
    )

    assert (result.user.username, result.user.domain_id, result.user.account_id, result.user.note, result.warning) == (
        NAME,
        domain.id,
        domain.account_id,
        "the shop",
        None,
    )
    assert result.user.password_hash.startswith("$argon2id$")
    assert "Right" not in repr(result)


async def test_a_name_at_another_domain_is_taken_with_a_warning(users: SmtpUsers, domain: SendingDomain) -> None:
    result = await users.add(SYSTEM, "app@elsewhere.example", domain_name="news.example.com", password=PASSWORD)

    assert result.user.domain_id == domain.id
    assert result.warning is not None
    assert "elsewhere.example is not a sending domain of this account" in result.warning


async def test_user_of_a_network_has_no_password(users: SmtpUsers) -> None:
    user = (
        await users.add(
            SYSTEM,
            "printer@news.example.com",
            kind=CredentialKind.ADDRESS,
            choices=SmtpUserChange(networks=["192.0.2.0/24", "2001:db8::1", "192.0.2.0/24"]),
        )
    ).user

    assert (user.kind, user.networks, user.password_hash) == (
        CredentialKind.ADDRESS,
        ("192.0.2.0/24", "2001:db8::1/128"),
        "",
    )
    with pytest.raises(RefusedError, match="has no password") as refused:
        await users.set_password(SYSTEM, user.id, PASSWORD)
    assert refused.value.field == "password"


@pytest.mark.parametrize(
    ("username", "arguments", "sentence", "field"),
    [
        ("app", {"password": PASSWORD}, "in the form of an address", "username"),
        ("", {"password": PASSWORD}, "form of an address", "username"),
        ("app@other.example", {"password": PASSWORD}, "There is no sending domain other.example", "domain"),
        (NAME, {"password": PASSWORD, "domain_name": "not a domain"}, "not a domain name", "domain"),
        (NAME, {"password": Secret("short")}, "at least 8 characters .* capital letter and a special", "password"),
        (NAME, {}, "needs a password", "password"),
        (NAME, {"kind": CredentialKind.ADDRESS}, "needs the networks", "networks"),
        (
            NAME,
            {"kind": CredentialKind.ADDRESS, "password": PASSWORD, "choices": SmtpUserChange(networks=["192.0.2.1"])},
            "not by both",
            "password",
        ),
    ],
)
async def test_what_breaks_a_rule_is_refused_with_a_sentence_and_its_field(
    users: SmtpUsers, username: str, arguments: dict[str, object], sentence: str, field: str
) -> None:
    with pytest.raises(RefusedError, match=sentence) as refused:
        await users.add(SYSTEM, username, **arguments)  # type: ignore[arg-type]

    assert refused.value.field == field
    assert await users.all(SYSTEM) == []


@pytest.mark.parametrize(
    ("choices", "sentence", "field"),
    [
        ({"note": "x" * 501}, "at most 500", "note"),
        ({"networks": ["nowhere", "192.0.2.1/24"]}, "^nowhere is not an address.*\n192.0.2.1/24 names an", "networks"),
        ({"networks": [f"192.0.2.{n}" for n in range(101)]}, "101 networks: 100 at most", "networks"),
        ({"hourly_limit": 0}, "number of recipients", "hourly_limit"),
        ({"daily_limit": 2**31}, "number of recipients from 1 to 2147483647", "daily_limit"),
        ({"allowed_from": ["shop"]}, "neither an address nor @", "allowed_from"),
        ({"allowed_from": ["@"]}, "neither an address nor @", "allowed_from"),
        ({"allowed_from": [""]}, "can never be in From", "allowed_from"),
        ({"allowed_from": ["a@other.example"]}, "can never be in From", "allowed_from"),
        ({"allowed_from": ["@sub.news.example.com"]}, "can never be in From", "allowed_from"),
    ],
)
async def test_a_restriction_that_makes_no_sense_is_refused_at_its_field(
    users: SmtpUsers, choices: dict[str, object], sentence: str, field: str
) -> None:
    user = await added(users)

    with pytest.raises(RefusedError, match=sentence) as refused:
        await users.edit(SYSTEM, user.id, SmtpUserChange(**choices))  # type: ignore[arg-type]

    assert refused.value.field == field
    assert await users.get(SYSTEM, user.id) == user


@pytest.mark.parametrize("network", ["0.0.0.0/0", "2000::/3"])
async def test_a_network_that_is_everybody_proves_nobody(users: SmtpUsers, network: str) -> None:
    with pytest.raises(RefusedError, match="too wide"):
        await users.add(SYSTEM, NAME, kind=CredentialKind.ADDRESS, choices=SmtpUserChange(networks=[network]))


async def test_a_user_without_a_password_cannot_be_held_to_tls(users: SmtpUsers) -> None:
    choices = SmtpUserChange(networks=["192.0.2.1"], requires_tls=True)
    with pytest.raises(RefusedError, match="cannot be held to TLS") as refused:
        await users.add(SYSTEM, NAME, kind=CredentialKind.ADDRESS, choices=choices)

    assert refused.value.field == "requires_tls"


async def test_networks_that_prove_another_account_are_not_taken_from_it(
    users: SmtpUsers, database: Database, stranger: Actor
) -> None:
    await users.add(SYSTEM, NAME, kind=CredentialKind.ADDRESS, choices=SmtpUserChange(networks=["192.0.2.0/24"]))
    assert stranger.account_id is not None
    of_theirs = msgspec.structs.replace(SYSTEM, account_id=stranger.account_id)
    theirs = SendingDomain(
        id=0, account_id=stranger.account_id, name="other.example", state=DomainState.ACTIVE, created_at=1
    )
    await database.write(domains.add, theirs)

    for network in ("192.0.2.7", "192.0.0.0/16"):
        choices = SmtpUserChange(networks=[network])
        with pytest.raises(RefusedError, match="proves another account") as refused:
            await users.add(of_theirs, "a@other.example", kind=CredentialKind.ADDRESS, choices=choices)
        assert refused.value.field == "networks"
    # To log in from there is no proof, and harms nobody.
    kept = await users.add(stranger, "a@other.example", password=PASSWORD, choices=choices)
    assert kept.user.networks == ("192.0.0.0/16",)


async def test_two_users_of_an_account_are_not_proven_by_the_same_network(users: SmtpUsers) -> None:
    by_address = CredentialKind.ADDRESS
    both = SmtpUserChange(networks=["192.0.2.7", "2001:db8::/48"])
    first = await users.add(SYSTEM, NAME, kind=by_address, choices=both)
    wider = SmtpUserChange(networks=["192.0.2.0/24"])
    second = await users.add(SYSTEM, "hall@news.example.com", kind=by_address, choices=wider)

    for again in ("192.0.2.7/32", "2001:DB8:0::/48"):
        choices = SmtpUserChange(networks=["198.51.100.1", again])
        with pytest.raises(RefusedError, match=rf" proves {NAME} already") as refused:
            await users.add(SYSTEM, "other@news.example.com", kind=by_address, choices=choices)
        assert refused.value.field == "networks"
        with pytest.raises(RefusedError, match=rf" proves {NAME} already"):
            await users.edit(SYSTEM, second.user.id, choices)
    kept = await users.edit(SYSTEM, first.user.id, SmtpUserChange(note="Printer", networks=["192.0.2.7"]))
    assert kept.networks == ("192.0.2.7/32",)


async def test_only_an_operator_says_which_networks_prove_a_user(
    users: SmtpUsers, database: Database, account: Account, stranger: Actor
) -> None:
    admin = member(account)
    by_address = CredentialKind.ADDRESS
    # A free network and a taken one are refused alike: an admin must not learn which are taken.
    for network in ("192.0.2.0/24", "198.51.100.0/24"):
        with pytest.raises(ForbiddenError, match="Only an operator"):
            await users.add(admin, NAME, kind=by_address, choices=SmtpUserChange(networks=[network]))
        choices = SmtpUserChange(networks=[network])
        await users.add(SYSTEM, f"a{network[:3]}@news.example.com", kind=by_address, choices=choices)
    user = (await users.all(SYSTEM))[0]
    with pytest.raises(ForbiddenError, match="Only an operator"):
        await users.edit(admin, user.id, SmtpUserChange(networks=["203.0.113.0/24"]))
    assert await users.get(SYSTEM, user.id) == user

    noted = await users.edit(admin, user.id, SmtpUserChange(note="The printer", networks=user.networks))
    assert (noted.note, noted.networks) == ("The printer", user.networks)
    await users.disable(admin, user.id)
    await users.remove(admin, user.id)
    with pytest.raises(MissingError):
        await users.get(SYSTEM, user.id)


async def test_a_name_is_taken_once(users: SmtpUsers) -> None:
    await added(users)

    with pytest.raises(RefusedError, match="There is an SMTP user app@") as refused:
        await added(users, "APP@news.example.com")

    assert refused.value.field == "username"


async def test_a_name_of_another_account_is_refused_without_telling_of_it(
    users: SmtpUsers, database: Database, stranger: Actor
) -> None:
    account_id = stranger.account_id
    assert account_id is not None
    theirs = SendingDomain(id=0, account_id=account_id, name="other.example", state=DomainState.ACTIVE, created_at=1)
    await database.write(domains.add, theirs)
    await added(users, "app@nowhere.example", domain_name="news.example.com")
    sentences = set()
    for name in ("squat@news.example.com", "app@nowhere.example"):
        with pytest.raises(RefusedError) as refused:
            await users.add(stranger, name, domain_name="other.example", password=PASSWORD)
        assert refused.value.field == "username"
        sentences.add(str(refused.value).replace(name, "it"))

    assert sentences == {"it cannot be used here: choose a name at a domain of your own."}


@pytest.mark.parametrize("state", [one for one in DomainState if one is not DomainState.ACTIVE])
async def test_a_domain_that_another_account_has_not_proven_keeps_no_name_from_anybody(
    state: DomainState, users: SmtpUsers, database: Database, stranger: Actor
) -> None:
    account_id = stranger.account_id
    assert account_id is not None
    unproven = SendingDomain(id=0, account_id=account_id, name="claimed.example", state=state, created_at=1)
    await database.write(domains.add, unproven)

    result = await users.add(SYSTEM, "app@claimed.example", domain_name="news.example.com", password=PASSWORD)

    assert result.warning is not None


async def test_restrictions_are_stored_in_one_spelling(users: SmtpUsers) -> None:
    user = await added(
        users,
        networks=[" 192.0.2.0/24"],
        requires_tls=True,
        hourly_limit=10,
        daily_limit=100,
        allowed_from=[
            "Shop@News.Example.com",
            "@EXAMPLE.com ",
            "shop@news.example.com",
            "jo\u0308@example.com",
            "J\xd6@example.com",
        ],
    )

    assert (user.networks, user.requires_tls, user.hourly_limit, user.daily_limit, user.allowed_from) == (
        ("192.0.2.0/24",),
        True,
        10,
        100,
        ("shop@news.example.com", "@example.com", "j\xf6@example.com"),
    )
    assert await users.find(SYSTEM, NAME.upper()) == user


async def test_an_edit_changes_what_it_names_and_nothing_else(users: SmtpUsers, database: Database) -> None:
    before = await added(users, note="shop", hourly_limit=10)

    after = await users.edit(SYSTEM, before.id, SmtpUserChange(hourly_limit=None, networks=["192.0.2.1"]))

    assert after == msgspec.structs.replace(before, hourly_limit=None, networks=("192.0.2.1/32",))
    assert await users.get(SYSTEM, before.id) == after
    entry = (await entries(database))[0]
    assert (entry.action, entry.target) == ("smtp_user.changed", NAME)
    assert entry.before == {"hourly_limit": 10, "networks": []}
    assert entry.after == {"hourly_limit": None, "networks": ["192.0.2.1/32"]}


async def test_an_edit_that_changes_nothing_is_not_recorded(users: SmtpUsers, database: Database) -> None:
    user = await added(users, note="shop")

    await users.edit(SYSTEM, user.id, SmtpUserChange(note="shop "))

    assert [entry.action for entry in await entries(database)] == ["smtp_user.added"]


async def test_every_change_is_made_and_recorded_without_a_secret(
    users: SmtpUsers, database: Database, clock: ManualClock, account: Account
) -> None:
    ann = member(account)
    before = (await users.add(ann, NAME, password=PASSWORD)).user

    await users.set_password(ann, before.id, Secret("Other-password"))
    assert (await users.get(ann, before.id)).password_hash != before.password_hash
    await users.disable(ann, before.id)
    await users.disable(ann, before.id)
    assert (await users.get(ann, before.id)).disabled_at == clock.now
    await users.enable(ann, before.id)
    await users.enable(ann, before.id)
    assert (await users.get(ann, before.id)).disabled_at is None
    assert [one.username for one in await users.all(ann, "news.example.com")] == [NAME]
    await users.remove(ann, before.id)
    with pytest.raises(MissingError, match="There is no SMTP user app@"):
        await users.find(ann, NAME)

    log = await entries(database)
    assert [entry.action.removeprefix("smtp_user.") for entry in reversed(log)] == [
        "added",
        "password_changed",
        "disabled",
        "enabled",
        "removed",
    ]
    assert {(entry.target, entry.actor_name, entry.account_id, entry.at) for entry in log} == {
        (NAME, "ann@example.com", account.id, clock.now)
    }
    assert not any(word in repr(log) for word in ("Right", "Other", "argon2"))


async def test_who_may_only_look_changes_nothing(users: SmtpUsers, account: Account, database: Database) -> None:
    looker = member(account, Role.USER)
    user = await added(users)

    assert await users.find(looker, NAME) == user
    for change in (
        users.add(looker, "more@news.example.com", password=PASSWORD),
        users.edit(looker, user.id, SmtpUserChange(note="mine")),
        users.set_password(looker, user.id, Secret("Other-password")),
        users.disable(looker, user.id),
        users.enable(looker, user.id),
        users.remove(looker, user.id),
    ):
        with pytest.raises(ForbiddenError):
            await change
    assert await users.all(SYSTEM) == [user]
    assert len(await entries(database)) == 1


async def test_another_accounts_user_is_as_missing_as_one_that_never_was(
    users: SmtpUsers, stranger: Actor, database: Database
) -> None:
    user = await added(users)

    assert await users.all(stranger) == []
    for number in (user.id, user.id + 1):
        for attempt in (
            users.get(stranger, number),
            users.edit(stranger, number, SmtpUserChange(note="mine")),
            users.set_password(stranger, number, Secret("Other-password")),
            users.disable(stranger, number),
            users.enable(stranger, number),
            users.remove(stranger, number),
            users.usage(stranger, number),
        ):
            with pytest.raises(MissingError, match=r"^There is no such SMTP user\.$"):
                await attempt
    with pytest.raises(MissingError, match="There is no SMTP user app@"):
        await users.find(stranger, NAME)
    with pytest.raises(MissingError, match="There is no sending domain news"):
        await users.all(stranger, "news.example.com")
    with pytest.raises(MissingError, match="There is no sending domain news"):
        await users.add(stranger, "b@news.example.com", password=PASSWORD)
    assert await users.all(SYSTEM) == [user]
    assert len(await entries(database)) == 1


DEEDS: dict[str, Callable[[SmtpUsers, int], Awaitable[object]]] = {
    "edit": lambda users, user_id: users.edit(SYSTEM, user_id, SmtpUserChange(note="mine")),
    "set_password": lambda users, user_id: users.set_password(SYSTEM, user_id, Secret("Other-password")),
    "disable": lambda users, user_id: users.disable(SYSTEM, user_id),
    "enable": lambda users, user_id: users.enable(SYSTEM, user_id),
    "remove": lambda users, user_id: users.remove(SYSTEM, user_id),
}


@pytest.mark.parametrize("deed", DEEDS)
async def test_what_is_done_to_a_user_that_was_removed_meanwhile_is_no_success(
    deed: str, users: SmtpUsers, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    user, find = await added(users), SmtpUsers._for_change
    if deed == "enable":
        await users.disable(SYSTEM, user.id)

    async def found_before(self: SmtpUsers, actor: Actor, user_id: int) -> SmtpUser:
        found = await find(self, actor, user_id)
        monkeypatch.setattr(SmtpUsers, "_for_change", find)
        await self.remove(actor, user_id)
        return found

    monkeypatch.setattr(SmtpUsers, "_for_change", found_before)
    with pytest.raises(MissingError, match=r"^There is no such SMTP user\.$"):
        await DEEDS[deed](users, user.id)
    latest, earlier, *_ = await entries(database)
    assert (latest.action, earlier.action) == (
        "smtp_user.removed",
        "smtp_user.disabled" if deed == "enable" else "smtp_user.added",
    )


async def test_what_is_used_of_limits_is_told(users: SmtpUsers, database: Database) -> None:
    user = await added(users, hourly_limit=10)
    ((demand, nothing),) = await users.usage(SYSTEM, user.id)
    await database.write(quotas.take, [demand], 4)

    assert (demand.period, nothing) == (Period.HOUR, 0)
    assert await users.usage(SYSTEM, user.id) == [(demand, 4)]
    assert await users.usage(SYSTEM, (await added(users, "free@news.example.com")).id) == []


def test_generated_passwords_keep_the_rule_and_differ() -> None:
    made = {generated_password() for _ in range(50)}

    assert len(made) == 50
    assert all(password_refusal(password) is None for password in made)

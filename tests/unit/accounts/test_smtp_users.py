import pytest

from postroad.accounts.smtp_users import SmtpUsers
from postroad.model.credential import CredentialKind, Secret
from postroad.model.domain import SendingDomain
from postroad.model.refused import RefusedError
from postroad.storage.database import Database

from .conftest import ManualClock

PASSWORD = Secret("Right-password")


@pytest.fixture
def users(database: Database, clock: ManualClock, domain: SendingDomain) -> SmtpUsers:
    return SmtpUsers(database, clock)


async def test_user_belongs_to_the_domain_its_name_is_at(users: SmtpUsers, domain: SendingDomain) -> None:
    added = await users.add(" App@News.Example.COM ", password=PASSWORD, note=" the shop ")

    assert (added.user.username, added.user.domain_id, added.user.account_id, added.user.note, added.warning) == (
        "app@news.example.com",
        domain.id,
        domain.account_id,
        "the shop",
        None,
    )
    assert added.user.password_hash.startswith("$argon2id$")
    assert "Right" not in repr(added)


async def test_a_name_at_another_domain_is_taken_with_a_warning(users: SmtpUsers, domain: SendingDomain) -> None:
    added = await users.add("app@elsewhere.example", domain_name="news.example.com", password=PASSWORD)

    assert added.user.domain_id == domain.id
    assert added.warning is not None
    assert "elsewhere.example is not a sending domain of this account" in added.warning


async def test_user_of_a_network_has_no_password(users: SmtpUsers) -> None:
    added = await users.add("printer@news.example.com", networks=["192.0.2.0/24", "2001:db8::1"])

    assert (added.user.kind, added.user.networks, added.user.password_hash) == (
        CredentialKind.ADDRESS,
        ("192.0.2.0/24", "2001:db8::1/128"),
        "",
    )
    with pytest.raises(RefusedError, match="has no password"):
        await users.set_password("printer@news.example.com", PASSWORD)


@pytest.mark.parametrize(
    ("username", "changes", "sentence"),
    [
        ("app", {"password": PASSWORD}, "in the form of an address"),
        ("", {"password": PASSWORD}, "form of an address"),
        ("app@other.example", {"password": PASSWORD}, "There is no sending domain other.example"),
        ("app@news.example.com", {"password": Secret("short")}, "a capital letter"),
        ("app@news.example.com", {}, "needs a password"),
        ("app@news.example.com", {"networks": ["0.0.0.0/0"]}, "too wide"),
        ("app@news.example.com", {"networks": ["2000::/3"]}, "too wide"),
        ("app@news.example.com", {"networks": ["nowhere"]}, "is not a network"),
        ("app@news.example.com", {"networks": ["192.0.2.1"], "password": PASSWORD}, "not by both"),
        ("app@news.example.com", {"password": PASSWORD, "note": "x" * 501}, "at most 500"),
    ],
)
async def test_what_breaks_a_rule_is_refused_with_a_sentence(
    users: SmtpUsers, username: str, changes: dict[str, object], sentence: str
) -> None:
    with pytest.raises(RefusedError, match=sentence):
        await users.add(username, **changes)  # type: ignore[arg-type]

    assert await users.all() == []


async def test_a_name_is_taken_once(users: SmtpUsers) -> None:
    await users.add("app@news.example.com", password=PASSWORD)

    with pytest.raises(RefusedError, match="There is an SMTP user app@"):
        await users.add("APP@news.example.com", password=PASSWORD)


async def test_users_are_changed_and_removed(users: SmtpUsers, clock: ManualClock) -> None:
    before = (await users.add("app@news.example.com", password=PASSWORD)).user

    await users.set_password("app@news.example.com", Secret("Other-password"))
    assert (await users.find("app@news.example.com")).password_hash != before.password_hash
    await users.disable("app@news.example.com")
    assert (await users.find("app@news.example.com")).disabled_at == clock.now
    await users.enable("app@news.example.com")
    assert (await users.find("app@news.example.com")).disabled_at is None
    assert [one.username for one in await users.all("news.example.com")] == ["app@news.example.com"]
    await users.remove("app@news.example.com")
    with pytest.raises(RefusedError, match="There is no SMTP user app@"):
        await users.find("app@news.example.com")

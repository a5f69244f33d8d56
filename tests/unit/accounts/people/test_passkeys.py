"""Passkeys: made, used, listed and removed, with a device in software; and what proves nothing."""

import asyncio
import json

import pytest
from sqlalchemy import Connection, func, select

from postroad.accounts.people.challenges import Challenges
from postroad.accounts.people.own_password import Proven
from postroad.accounts.people.passkeys import MOST_PASSKEYS, Passkeys
from postroad.accounts.people.relying_party import RelyingParty, relying_party
from postroad.accounts.people.sessions import Seat, SignedIn
from postroad.model.account import Account
from postroad.model.actor import command_actor
from postroad.model.identity import Passkey
from postroad.model.refused import MissingError, RefusedError
from postroad.model.user import Role, User, WebSession
from postroad.storage import audit, passkeys
from postroad.storage.audit import AuditSelector
from postroad.storage.database import Database
from postroad.storage.schema import control_plane
from tests.unit.accounts.authenticator import Authenticator
from tests.unit.accounts.conftest import ManualClock
from tests.unit.accounts.people_rows import HERE, acting_as, person

PARTY = RelyingParty("mail.example.com", "https://mail.example.com")
MINUTE = 60_000


@pytest.fixture
def service(database: Database, clock: ManualClock) -> Passkeys:
    return Passkeys(database, clock, "https://mail.example.com", Challenges(database, clock, b"a key"))


@pytest.fixture
async def ada(database: Database, account: Account) -> SignedIn:
    return signed_in(await person(database, "ada@acme.example", account), account)


def signed_in(user: User, account: Account) -> SignedIn:
    session = WebSession(
        id=1,
        user_id=user.id,
        account_id=account.id,
        method="password",
        client_address=HERE,
        user_agent="",
        created_at=1,
        last_seen_at=1,
        expires_at=2,
    )
    return SignedIn(user, session, (Seat(account, Role.ADMIN),))


async def makes(service: Passkeys, who: SignedIn, device: Authenticator, name: str = "Laptop") -> Passkey:
    answer = device.makes(await service.creation_options(Proven(who), PARTY), PARTY.origin)
    return await service.add(who, PARTY, answer, name, HERE)


async def uses(service: Passkeys, device: Authenticator) -> User:
    return await service.proven(PARTY, device.uses(await service.request_options(PARTY), PARTY.origin), HERE)


async def test_a_passkey_proves_who_made_it(
    service: Passkeys, ada: SignedIn, database: Database, clock: ManualClock
) -> None:
    device = Authenticator()
    made = await makes(service, ada, device)
    clock.advance(MINUTE)

    assert await uses(service, device) == ada.user
    assert await uses(service, device) == ada.user

    [stored] = await service.of(ada.actor(HERE), ada.user.id)
    assert (stored.id, stored.name, stored.sign_count, stored.last_used_at) == (made.id, "Laptop", 2, clock())
    [entry] = await database.read(audit.search, AuditSelector(), 10)
    assert (entry.action, entry.target, entry.after) == ("passkey.added", "ada@acme.example", {"passkey": "Laptop"})


async def test_the_device_is_asked_to_verify_the_person_and_to_know_the_passkey_by_itself(
    service: Passkeys, ada: SignedIn
) -> None:
    device = Authenticator()
    await makes(service, ada, device)
    options = json.loads(await service.creation_options(Proven(ada), PARTY))

    assert options["authenticatorSelection"]["userVerification"] == "required"
    assert options["authenticatorSelection"]["residentKey"] == "required"
    assert options["rp"] == {"id": "mail.example.com", "name": "Postroad mail.example.com"}
    assert len(options["excludeCredentials"]) == 1
    assert json.loads(await service.request_options(PARTY))["userVerification"] == "required"


async def test_a_device_that_does_not_count_may_sign_in_again(service: Passkeys, ada: SignedIn) -> None:
    device = Authenticator(count=None)
    await makes(service, ada, device)

    assert await uses(service, device) == ada.user
    assert await uses(service, device) == ada.user


async def test_a_count_that_does_not_grow_is_a_copys(service: Passkeys, ada: SignedIn) -> None:
    device = Authenticator()
    await makes(service, ada, device)
    await uses(service, device)
    device.count = 0

    with pytest.raises(RefusedError, match="could not be verified"):
        await uses(service, device)


async def test_a_device_that_did_not_verify_the_person_proves_nothing(service: Passkeys, ada: SignedIn) -> None:
    with pytest.raises(RefusedError, match="could not be verified"):
        await makes(service, ada, Authenticator(verifies=False))

    device = Authenticator()
    await makes(service, ada, device)
    device.verifies = False
    with pytest.raises(RefusedError, match="could not be verified"):
        await uses(service, device)


async def test_a_page_of_somebody_else_gets_nobody_in(service: Passkeys, ada: SignedIn) -> None:
    device = Authenticator()
    await makes(service, ada, device)
    answer = device.uses(await service.request_options(PARTY), "https://mail.example.com.evil.example")

    with pytest.raises(RefusedError, match="could not be verified"):
        await service.proven(PARTY, answer, HERE)


async def test_an_answer_counts_once_and_in_time(service: Passkeys, ada: SignedIn, clock: ManualClock) -> None:
    device = Authenticator()
    await makes(service, ada, device)
    answer = device.uses(await service.request_options(PARTY), PARTY.origin)
    await service.proven(PARTY, answer, HERE)
    with pytest.raises(RefusedError, match="took too long"):
        await service.proven(PARTY, answer, HERE)

    late = device.uses(await service.request_options(PARTY), PARTY.origin)
    clock.advance(6 * MINUTE)
    with pytest.raises(RefusedError, match="took too long"):
        await service.proven(PARTY, late, HERE)


async def test_an_answer_that_is_given_twice_at_once_counts_once(service: Passkeys, ada: SignedIn) -> None:
    device = Authenticator(count=None)
    await makes(service, ada, device)
    answer = device.uses(await service.request_options(PARTY), PARTY.origin)

    results = await asyncio.gather(*(service.proven(PARTY, answer, HERE) for _ in range(5)), return_exceptions=True)

    assert sum(one == ada.user for one in results) == 1
    assert sum("took too long" in str(one) for one in results) == 4


async def test_strangers_who_ask_and_prove_nothing_leave_nothing_behind(
    service: Passkeys, ada: SignedIn, database: Database
) -> None:
    device, thief = Authenticator(), Authenticator()
    await makes(service, ada, device)
    thief.makes(await service.creation_options(Proven(ada), PARTY), PARTY.origin)
    before = await database.read(_tokens)

    for _ in range(5):
        with pytest.raises(RefusedError, match="is not known here"):
            await uses(service, thief)

    assert await database.read(_tokens) == before


def _tokens(connection: Connection) -> int:
    return connection.execute(select(func.count()).select_from(control_plane.one_time_tokens)).scalar_one()


async def test_a_challenge_of_one_ceremony_is_none_of_the_other(service: Passkeys, ada: SignedIn) -> None:
    device = Authenticator()
    await makes(service, ada, device)
    creation = json.loads(await service.creation_options(Proven(ada), PARTY))
    options = json.dumps({"challenge": creation["challenge"], "rpId": PARTY.id})

    with pytest.raises(RefusedError, match="took too long"):
        await service.proven(PARTY, device.uses(options, PARTY.origin), HERE)


async def test_a_challenge_is_for_the_person_it_was_made_for(
    service: Passkeys, ada: SignedIn, database: Database, account: Account
) -> None:
    bob = signed_in(await person(database, "bob@acme.example", account), account)
    answer = Authenticator().makes(await service.creation_options(Proven(bob), PARTY), PARTY.origin)

    with pytest.raises(RefusedError, match="took too long"):
        await service.add(ada, PARTY, answer, "Planted", HERE)


async def test_a_signature_of_another_key_proves_nothing(service: Passkeys, ada: SignedIn) -> None:
    device, thief = Authenticator(), Authenticator()
    await makes(service, ada, device)
    thief.credential_id = device.credential_id
    thief.makes(await service.creation_options(Proven(ada), PARTY), PARTY.origin)

    with pytest.raises(RefusedError, match="could not be verified"):
        await uses(service, thief)


async def test_a_passkey_that_names_another_person_proves_nothing(service: Passkeys, ada: SignedIn) -> None:
    device = Authenticator()
    await makes(service, ada, device)
    answer = device.uses(await service.request_options(PARTY), PARTY.origin, userHandle="OTk5")

    with pytest.raises(RefusedError, match="could not be verified"):
        await service.proven(PARTY, answer, HERE)


async def test_a_removed_passkey_signs_in_no_more(service: Passkeys, ada: SignedIn, database: Database) -> None:
    device = Authenticator()
    made = await makes(service, ada, device)

    await service.remove(ada.actor(HERE), ada.user.id, made.id)

    with pytest.raises(RefusedError, match="is not known here"):
        await uses(service, device)
    newest = (await database.read(audit.search, AuditSelector(), 10))[0]
    assert (newest.action, newest.before) == ("passkey.removed", {"passkey": "Laptop"})
    with pytest.raises(MissingError):
        await service.remove(ada.actor(HERE), ada.user.id, made.id)


async def test_passkeys_of_others_do_not_exist(
    service: Passkeys, ada: SignedIn, database: Database, account: Account
) -> None:
    made = await makes(service, ada, Authenticator())
    other_admin = acting_as(await person(database, "bob@acme.example", account), account)

    with pytest.raises(MissingError):
        await service.of(other_admin, ada.user.id)
    with pytest.raises(MissingError):
        await service.remove(other_admin, ada.user.id, made.id)
    with pytest.raises(MissingError):
        await service.remove(other_admin, other_admin.id or 0, made.id)
    assert await service.of(command_actor("root"), ada.user.id) == [made]


async def test_a_name_is_one_line_and_never_empty(service: Passkeys, ada: SignedIn) -> None:
    assert (await makes(service, ada, Authenticator(), "  ")).name == "Passkey"
    assert (await makes(service, ada, Authenticator(), "a\nb")).name == "a b"
    with pytest.raises(RefusedError) as refused:
        await makes(service, ada, Authenticator(), "x" * 101)
    assert refused.value.field == "name"


async def test_there_is_a_most(service: Passkeys, ada: SignedIn, database: Database) -> None:
    for number in range(MOST_PASSKEYS):
        made = Passkey(
            id=0,
            user_id=ada.user.id,
            credential_id=bytes([number]),
            public_key=b"",
            sign_count=0,
            name="",
            created_at=1,
        )
        await database.write(passkeys.add, made)

    with pytest.raises(RefusedError, match="remove one first"):
        await service.creation_options(Proven(ada), PARTY)


@pytest.mark.parametrize("credential", ["", "{}", "[]", '{"rawId": "x"}', "\0", '{"rawId": "é", "response": 7}'])
async def test_what_is_no_answer_is_refused(credential: str, service: Passkeys, ada: SignedIn) -> None:
    with pytest.raises(RefusedError):
        await service.proven(PARTY, credential, HERE)
    with pytest.raises(RefusedError):
        await service.add(ada, PARTY, credential, "", HERE)


@pytest.mark.parametrize("name", ["attestationObject", "authenticatorData", "signature", "userHandle"])
@pytest.mark.parametrize("value", ["", "AAAA", "é", "o2NmbXQ", "/////w"])
async def test_a_broken_answer_is_refused(name: str, value: str, service: Passkeys, ada: SignedIn) -> None:
    device = Authenticator()
    await makes(service, ada, device)
    with pytest.raises(RefusedError):
        answer = device.uses(await service.request_options(PARTY), PARTY.origin, **{name: value})
        await service.proven(PARTY, answer if name != "attestationObject" else "{", HERE)

    options = await service.creation_options(Proven(ada), PARTY)
    document = json.loads(Authenticator().makes(options, PARTY.origin))
    document["response"]["attestationObject"] = value
    with pytest.raises(RefusedError):
        await service.add(ada, PARTY, json.dumps(document), "", HERE)


@pytest.mark.parametrize(
    ("public_url", "scheme", "host", "expected"),
    [
        ("https://mail.example.com", "https", "mail.example.com", ("mail.example.com", "https://mail.example.com")),
        ("https://Mail.example.com/", "https", "MAIL.example.com", ("mail.example.com", "https://mail.example.com")),
        ("https://m.example.com:8443", "https", "m.example.com:8443", ("m.example.com", "https://m.example.com:8443")),
        ("https://m.example.com:443", "https", "m.example.com", ("m.example.com", "https://m.example.com")),
        ("https://m.example.com", "http", "m.example.com", ("m.example.com", "https://m.example.com")),
        ("", "http", "localhost:8025", ("localhost", "http://localhost:8025")),
        ("https://m.example.com", "http", "localhost:8025", ("localhost", "http://localhost:8025")),
        ("https://m.example.com", "https", "other.example.com", None),
        ("https://m.example.com", "https", "m.example.com.evil.example", None),
        ("https://m.example.com", "https", "192.0.2.7", None),
        ("https://192.0.2.7", "https", "192.0.2.7", None),
        ("http://m.example.com", "http", "m.example.com", None),
        ("", "http", "127.0.0.1:8025", None),
        ("", "http", "localhost.evil.example", None),
        ("", "http", "[::1]:8025", None),
        ("", "http", "", None),
    ],
)
def test_passkeys_belong_to_the_configured_name_or_to_this_machine(
    public_url: str, scheme: str, host: str, expected: tuple[str, str] | None
) -> None:
    found = relying_party(public_url, scheme, host)

    assert (None if found is None else (found.id, found.origin)) == expected

"""The console over a real database, with two accounts, their people, and clients that are signed in as each of them."""

import html
import re
import shutil
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import msgspec
import pytest
from prometheus_client import CollectorRegistry
from starlette.responses import PlainTextResponse

from postroad.accounts.api_key_check import ApiKeyCheck
from postroad.accounts.people.person_passwords import PersonPasswords
from postroad.config import Settings
from postroad.dns.answer import Answer, AnswerStatus, RecordType
from postroad.httpd.apps import web_app
from postroad.httpd.console.console import Console
from postroad.model.account import Account
from postroad.model.domain import DomainState, SendingDomain
from postroad.model.ids import IdSource, text_of
from postroad.model.user import Membership, Role, User
from postroad.model.webhook import Call
from postroad.node.console import console_of
from postroad.policy.alignment import OrganisationalDomains
from postroad.storage import accounts, domains, memberships, users
from postroad.storage.database import Database
from postroad.storage.engine import open_database
from postroad.storage.secrets import Vault
from postroad.telemetry.metrics import Meter
from postroad.webhooks.post import Answer as Reply
from tests.api.services import api_services
from tests.storage import samples

NOW = 1_780_000_000_000
ORGANISATIONAL = OrganisationalDomains()
"""Read once: each of a thousand tests would take longer over it than over all else."""
METER = Meter(CollectorRegistry())


class NoRecords:
    """A resolver that finds nothing."""

    async def resolve(self, name: str, record_type: RecordType) -> Answer:
        return Answer(status=AnswerStatus.NO_DATA)


class World(msgspec.Struct, frozen=True, kw_only=True):
    """What is there before a test begins."""

    ours: Account
    theirs: Account
    domain: SendingDomain
    their_domain: SendingDomain
    admin: User
    user: User
    stranger: User
    """The admin of the other account."""
    operator: User


class Client(httpx2.AsyncClient):
    """A browser's requests as one person; ``post`` sends forms with what our own pages put into them."""

    csrf = ""

    async def send_form(self, path: str, **fields: Any) -> httpx2.Response:
        """Send a form as a page of ours would."""
        return await self.post(path, data={"csrf": self.csrf} | fields, headers={"Sec-Fetch-Site": "same-origin"})

    async def shown_by(self, path: str) -> str:
        """Open a page and return what the fields of its form hold, as the form brings it back."""
        return shown_in((await self.get(path)).text)


def shown_in(page: str) -> str:
    """Return what the fields of a page's form held at first."""
    found = re.search(r'name="shown" value="([^"]*)"', page)
    assert found is not None, "the page has a form that can be stale"
    return html.unescape(found[1])


@pytest.fixture
async def database(migrated_file: Path, tmp_path: Path) -> AsyncIterator[Database]:
    shutil.copy(migrated_file, tmp_path / "postroad.sqlite")
    opened = await open_database("", data_dir=tmp_path, clock=lambda: NOW, read_connections=1)
    yield opened
    await opened.close()


@pytest.fixture
async def world(database: Database) -> World:
    ours = await database.write(accounts.add, "acme", NOW)
    theirs = await database.write(accounts.add, "globex", NOW)
    return World(
        ours=ours,
        theirs=theirs,
        domain=await _domain(database, ours, "news.acme.example"),
        their_domain=await _domain(database, theirs, "news.globex.example"),
        admin=await _person(database, "ada@acme.example", ours, Role.ADMIN),
        user=await _person(database, "uma@acme.example", ours, Role.USER),
        stranger=await _person(database, "stan@globex.example", theirs, Role.ADMIN),
        operator=await _person(database, "olga@host.example", None, Role.ADMIN),
    )


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=str(tmp_path))


class Postman:
    """Keeps the mail that Postroad writes itself, or loses it while ``works`` is false."""

    def __init__(self) -> None:
        self.works = True
        self.sent: list[tuple[str, str, str]] = []

    async def send(self, *, to: str, subject: str, text: str) -> bool:
        if self.works:
            self.sent.append((to, subject, text))
        return self.works


@pytest.fixture
def post() -> Postman:
    return Postman()


@pytest.fixture(scope="session")
def passwords() -> Iterator[PersonPasswords]:
    made = PersonPasswords(queue=50, strangers_per_s=1000)
    yield made
    made.close()


class Receiver:
    """Takes webhook calls, or answers them with what a test wants."""

    def __init__(self) -> None:
        self.answer = Reply(status=200, reply="thanks", duration_ms=12)
        self.calls: list[tuple[str, Call]] = []

    async def post(self, url: str, call: Call, now: int) -> Reply:
        self.calls.append((url, call))
        return self.answer


@pytest.fixture
def receiver() -> Receiver:
    return Receiver()


@pytest.fixture
async def console(
    database: Database, settings: Settings, post: Postman, passwords: PersonPasswords, receiver: Receiver
) -> Console:
    ids = IdSource(1)
    return console_of(
        settings,
        database,
        Vault(bytes(32)),
        ORGANISATIONAL,
        NoRecords(),
        notices=post,
        passwords=passwords,
        poster=receiver,
        new_id=lambda partition: ids.next(NOW, partition),
        has_inbox=False,
    )


@pytest.fixture
async def api_keys(database: Database, settings: Settings) -> ApiKeyCheck:
    return ApiKeyCheck(database, lambda: NOW, settings=settings.accounts, meter=METER)


@pytest.fixture
async def app(console: Console, api_keys: ApiKeyCheck, database: Database) -> Any:
    return web_app(console, api_services(api_keys), database, tracker=PlainTextResponse("tracker"))


SignIn = Callable[..., Any]


@pytest.fixture
async def sign_in(app: Any, console: Console) -> AsyncIterator[SignIn]:
    """Return a function that gives a client signed in as a person, or as nobody."""
    opened: list[Client] = []

    async def signed_in(user: User | None, account: Account | None = None) -> Client:
        transport = httpx2.ASGITransport(app=app, client=("127.0.0.1", 50000))
        client = Client(transport=transport, base_url="http://localhost", headers={"Accept": "text/html"})
        opened.append(client)
        if user is not None:
            token = await console.sessions.open(
                user,
                account.id if account else user.account_id,
                method="password",
                client_address="127.0.0.1",
                user_agent="tests",
            )
            client.cookies.set("postroad", str(token))
            client.csrf = csrf_of(str(token))
        return client

    yield signed_in
    for client in opened:
        await client.aclose()


@pytest.fixture
async def admin(sign_in: SignIn, world: World) -> Client:
    found: Client = await sign_in(world.admin)
    return found


@pytest.fixture
async def user(sign_in: SignIn, world: World) -> Client:
    found: Client = await sign_in(world.user)
    return found


@pytest.fixture
async def operator(sign_in: SignIn, world: World) -> Client:
    found: Client = await sign_in(world.operator)
    return found


@pytest.fixture
async def nobody(sign_in: SignIn) -> Client:
    found: Client = await sign_in(None)
    return found


def csrf_of(token: str) -> str:
    """Return what the forms of a session carry."""
    from postroad.httpd.console.cookies import keyed_digest

    return keyed_digest(token, "csrf")


async def _domain(database: Database, account: Account, name: str) -> SendingDomain:
    wanted = SendingDomain(id=0, account_id=account.id, name=name, state=DomainState.ACTIVE, created_at=NOW)
    return await database.write(domains.add, wanted)


async def _person(database: Database, email: str, account: Account | None, role: Role) -> User:
    wanted = User(
        id=0,
        account_id=account.id if account else None,
        email=email,
        password_hash="never matches",
        is_operator=account is None,
        created_at=NOW,
    )
    added = await database.write(users.add, wanted)
    if account is not None:
        await database.write(
            memberships.add, Membership(user_id=added.id, account_id=account.id, role=role, created_at=NOW)
        )
    return added


async def message_of(
    database: Database, account: Account, domain: SendingDomain, *recipients: str, **facts: Any
) -> str:
    """Store a message of an account that waits to be delivered, and return its id as people see it."""
    one = samples.accepted(*recipients, account_id=account.id, domain_id=domain.id, **facts)
    await database.accept(one)
    return text_of(one.message.id)

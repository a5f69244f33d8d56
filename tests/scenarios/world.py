"""A node in a small Internet of its own: a name server, and receiving hosts on loopback addresses, one for each test.

``to23.field.test`` has one MX, ``mx23.field.test`` at 127.0.0.23; further zones say what else a test needs. Each test
takes a number that no other one has, so that all of them share one running node.
"""

import asyncio
import base64
import contextlib
import smtplib
import socket
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from postroad.accounts.accounts import Accounts
from postroad.accounts.smtp_users import SmtpUsers
from postroad.config import Settings, load
from postroad.domains.registration import Registration
from postroad.model.actor import SYSTEM
from postroad.model.credential import Secret
from postroad.model.delivery import Delivery
from postroad.model.event import Event, EventType
from postroad.model.ids import from_text
from postroad.net.clock import now_ms
from postroad.node.installation import migrate_schema
from postroad.node.keys import open_vault
from postroad.policy.alignment import OrganisationalDomains
from postroad.storage import events, messages
from postroad.storage.database import Database
from postroad.storage.engine import open_database
from postroad.storage.events import EventSelector
from postroad.storage.messages import Story
from tests.peers.nameserver import Authority
from tests.peers.ports import LOOPBACK, free_port
from tests.scenarios.product import DOMAIN, PASSWORD, USERNAME, Product
from tests.scenarios.receiver import Receiver, Script

FIELD = "field.test"
QUICK = {
    "delivery": {
        "retry_schedule": "1s",
        "queue": {"poll_ms": 100, "first_pause_s": 1, "longest_pause_s": 1},
        "timeouts": {"connect_s": 5, "greeting_s": 5},
    },
    "dns": {"attempt_timeout_ms": 500, "lifetime_ms": 1000, "minimum_ttl_s": 0},
}
"""Settings under which what usually takes minutes takes a second."""

_NUMBERS = range(10, 100)
_UNTIL_S = 20.0


def host_of(number: int) -> str:
    """Return the loopback address of a numbered host."""
    return f"127.0.0.{number}"


def destination(number: int) -> str:
    """Return the domain whose mail a numbered host takes."""
    return f"to{number}.{FIELD}"


def _numbered_records() -> str:
    lines = [f"to{number} MX 10 mx{number}\nmx{number} A {host_of(number)}" for number in _NUMBERS]
    return "\n".join(lines)


class World:
    """A running node, the name server it asks, and what tests do with them."""

    def __init__(self, product: Product, authority: Authority, port: int) -> None:
        self.product = product
        self.authority = authority
        self.port = port
        """Where every receiving host listens."""
        self.database_url = ""

    # -- submitting ----------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def client(self, username: str = USERNAME, password: str = PASSWORD) -> Iterator[smtplib.SMTP]:
        """Connect to the submission port and log in."""
        with smtplib.SMTP(LOOPBACK, self.product.submission_port, timeout=30) as client:
            client.login(username, password)
            yield client

    def dialogue(self, port: int | None = None) -> "Dialogue":
        """Connect to the submission port without any manners of a library."""
        return Dialogue(port or self.product.submission_port)

    def submit(
        self,
        *recipients: str,
        content: bytes | None = None,
        mail_options: Sequence[str] = (),
        rcpt_options: Sequence[str] = (),
        sender: str = USERNAME,
    ) -> int:
        """Submit one message and return the id of the reply; raises SMTPException where it is refused."""
        if content is None:
            content = letter(to=recipients[0])
        with self.client() as client:
            return submit_over(
                client, recipients, content, mail_options=mail_options, rcpt_options=rcpt_options, sender=sender
            )

    # -- receiving -----------------------------------------------------------------------------------------------

    def receiver(self, number: int, *, replies: Mapping[str, Script] | None = None, **options: Any) -> Receiver:
        """Return the scripted host with a number, not yet listening."""
        return Receiver(host=host_of(number), port=self.port, replies=replies, **options)

    # -- looking -------------------------------------------------------------------------------------------------

    @contextlib.asynccontextmanager
    async def database(self) -> Any:
        """Open the node's database beside it."""
        opened = await open_database(
            self.database_url,
            data_dir=self.product.data_dir,
            clock=now_ms,
            read_connections=1,
            is_checkpointer=False,
        )
        try:
            yield opened
        finally:
            await opened.close()

    async def story(self, message_id: int) -> Story:
        """Return all that is known of a message."""
        async with self.database() as database:
            return await _story(database, message_id)

    async def story_when(
        self, message_id: int, condition: Callable[[Story], bool], timeout_s: float = _UNTIL_S
    ) -> Story:
        """Return a message's story once it fulfils a condition."""
        deadline = time.monotonic() + timeout_s
        async with self.database() as database:
            while not condition(story := await _story(database, message_id)):
                if time.monotonic() > deadline:
                    told = "\n".join(map(repr, [*story.deliveries, *story.events]))
                    raise AssertionError(f"not within {timeout_s} s; the story so far:\n{told}")
                await asyncio.sleep(0.05)
        return story

    async def finished(self, message_id: int, timeout_s: float = _UNTIL_S) -> Story:
        """Return a message's story once each of its deliveries has ended."""
        return await self.story_when(
            message_id, lambda story: all(one.state.is_final for one in story.deliveries), timeout_s
        )

    async def events_since(self, instant: int, *types: EventType) -> list[Event]:
        """Return the events of some types since an instant, oldest first."""
        async with self.database() as database:
            found: list[Event] = await database.read(events.search, EventSelector(types=types, since=instant), 1000, 0)
        return found

    async def refused_with(self, rule: str, since: int) -> Event:
        """Return the one ``rejected`` event with a rule, once it is there: some are written beside the dialogue."""
        deadline = time.monotonic() + _UNTIL_S
        while not (found := await self._rejected_with(rule, since)) and time.monotonic() < deadline:
            await asyncio.sleep(0.05)
        assert len(found) == 1, found
        return found[0]

    async def _rejected_with(self, rule: str, since: int) -> list[Event]:
        return [one for one in await self.events_since(since, EventType.REJECTED) if one.data["rule"] == rule]


async def _story(database: Database, message_id: int) -> Story:
    story: Story | None = await database.read(messages.show, message_id)
    assert story is not None, f"there is no message {message_id}"
    return story


@contextlib.contextmanager
def running_world(
    directory: Path,
    *,
    settings: Mapping[str, Any] | None = None,
    zones: Mapping[str, str] | None = None,
    database_url: str = "",
    workers: int = 1,
) -> Iterator[World]:
    """Start a name server and a prepared node."""
    prepared = prepared_world(directory, settings=settings, zones=zones, database_url=database_url, workers=workers)
    with prepared as world, world.product:
        yield world


@contextlib.contextmanager
def prepared_world(
    directory: Path,
    *,
    settings: Mapping[str, Any] | None = None,
    zones: Mapping[str, str] | None = None,
    database_url: str = "",
    workers: int = 1,
) -> Iterator[World]:
    """Start a name server, and make a node that can be started."""
    own = dict(zones or {})
    field = _numbered_records() + "\n" + own.pop(FIELD, "")
    with Authority({FIELD: field} | own) as authority:
        port = free_port()
        product = Product(directory, smarthost_port=None, database_url=database_url, workers=workers, settings=QUICK)
        product.configure({"delivery": {"port": port}, "dns": {"resolvers": [authority.resolver]}})
        product.configure(settings or {})
        prepare(product)
        world = World(product, authority, port)
        world.database_url = database_url
        yield world


def prepare(product: Product) -> None:
    """Do what ``Product.prepare`` does by commands, without starting Python three times."""
    settings = load(product.configuration, {})
    migrate_schema(settings)
    asyncio.run(_fill(settings))


async def _fill(settings: Settings) -> None:
    data_dir = Path(settings.data_dir)
    database = await open_database(
        settings.database.url, data_dir=data_dir, clock=now_ms, read_connections=1, is_checkpointer=False
    )
    try:
        account = await Accounts(database, now_ms).ensure_default(SYSTEM)
        vault = await open_vault(database, data_dir)
        registration = Registration(database, vault, settings.domains, OrganisationalDomains(), now_ms)
        await registration.add(SYSTEM, account.id, DOMAIN)
        await SmtpUsers(database, now_ms).add(SYSTEM, USERNAME, password=Secret(PASSWORD))
    finally:
        await database.close()


def letter(
    *,
    to: str = f"you@{FIELD}",
    subject: str = "A letter",
    header_from: str = USERNAME,
    extra: str = "",
    body: bytes = b"Hello.\r\n",
) -> bytes:
    """Return a small message; ``extra`` are further header lines."""
    return f"From: {header_from}\r\nTo: {to}\r\nSubject: {subject}\r\n{extra}\r\n".encode() + body


def submit_over(
    client: smtplib.SMTP,
    recipients: Sequence[str],
    content: bytes,
    *,
    mail_options: Sequence[str] = (),
    rcpt_options: Sequence[str] = (),
    sender: str = USERNAME,
) -> int:
    """Submit one message over a logged-in client and return the id of the reply."""
    client.ehlo_or_helo_if_needed()
    for step in (
        client.mail(sender, list(mail_options)),
        *(client.rcpt(recipient, list(rcpt_options)) for recipient in recipients),
    ):
        if step[0] != 250:
            raise smtplib.SMTPResponseException(*step)
    code, text = client.data(content)
    if code != 250:
        raise smtplib.SMTPDataError(code, text)
    return from_text(text.decode().rpartition(" ")[2])


def refusal_of(client: smtplib.SMTP, content: bytes, recipient: str = f"you@{FIELD}") -> str:
    """Offer content that is to be refused at its end, octet for octet, and return the reply."""
    assert client.mail(USERNAME)[0] == 250
    assert client.rcpt(recipient)[0] == 250
    client.putcmd("DATA")
    assert client.getreply()[0] == 354
    assert client.sock is not None
    client.sock.sendall(content + b".\r\n")
    code, text = client.getreply()
    return f"{code} {text.decode()}"


def outcomes(story: Story) -> list[tuple[str, str | None]]:
    """Return the events of a message in order, each as its type and enhanced status."""
    return [(event.type.value, event.data.get("enhanced_status")) for event in story.events]


def states(story: Story) -> dict[str, str]:
    """Return how each recipient's delivery stands."""
    return {one.recipient: one.state.value for one in story.deliveries}


def only_delivery(story: Story) -> Delivery:
    """Return the one delivery of a message."""
    [delivery] = story.deliveries
    return delivery


def last_event(story: Story, kind: EventType) -> Event:
    """Return the newest event of one type."""
    return [event for event in story.events if event.type is kind][-1]


class Dialogue:
    """A connection on which a test says exactly what it wants to."""

    def __init__(self, port: int, *, greeting: bool = True, before: bytes = b"", source: str = LOOPBACK) -> None:
        self.socket = socket.create_connection((LOOPBACK, port), timeout=15, source_address=(source, 0))
        self._file = self.socket.makefile("rb")
        if before:
            self.socket.sendall(before)
        self.greeting = self.reply() if greeting else ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        self.socket.close()

    def send(self, octets: bytes) -> None:
        """Send octets as they are."""
        self.socket.sendall(octets)

    def reply(self) -> str:
        """Return the next whole reply without its line ends; empty where the connection has ended."""
        lines = []
        while True:
            line = self._file.readline().decode()
            lines.append(line.rstrip("\r\n"))
            if line[3:4] != "-":
                return "\n".join(lines)

    def say(self, line: str) -> str:
        """Send one command and return the reply."""
        self.send(f"{line}\r\n".encode())
        return self.reply()

    def log_in(self, username: str = USERNAME, password: str = PASSWORD) -> Self:
        """Say EHLO and prove who acts."""
        assert self.say("EHLO client.example").startswith("250")
        proof = base64.b64encode(f"\0{username}\0{password}".encode()).decode()
        assert self.say(f"AUTH PLAIN {proof}").startswith("235")
        return self

    def rest(self) -> bytes:
        """Return everything until the other side closes."""
        return self._file.read()

"""A newsletter to 1,000 recipients, each with variables of their own: accepted, claimed and made, without signing.

python -m bench.micro.personal [recipients]

One process does what a node does with one message of 50 KB of HTML: it reads the options out of the header, stores
everything on SQLite, claims the deliveries in batches and makes each one's own message. The rate is by processor time,
that of the database's threads included; the memory is the most that Python held beyond what it held before.
"""

import asyncio
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Sequence
from pathlib import Path

import msgspec
from tests.storage.test_limited_submissions import LIMITED, Door

from bench.micro.merge import HEADER, HTML
from postroad.delivery.contents import Contents, Outgoing
from postroad.dialects.headers.submission import read_options
from postroad.model.domain import DomainState, SendingDomain
from postroad.model.envelope import Envelope, Recipient
from postroad.model.options import OptionFault
from postroad.model.submission import ClientFacts, Submission
from postroad.protocol.dkim.key import SigningKey
from postroad.protocol.mime import transfer_encoding
from postroad.protocol.mime.header import HeaderFault, split
from postroad.storage.database import Claim, Database
from postroad.storage.engine import open_database
from postroad.storage.migrate import migrate
from postroad.submission.batch import Receipt

_BATCH = 20
_CACHE_BYTES = 64 * 1024 * 1024
_SENDER = msgspec.structs.replace(LIMITED, hourly_limit=None, daily_limit=None)


class _Domain:
    """One sending domain without a key."""

    async def get(self, domain_id: int) -> SendingDomain:
        return SendingDomain(
            id=domain_id, account_id=1, name="news.example.com", state=DomainState.ACTIVE, created_at=0
        )

    async def signing_keys(self, domain_id: int) -> Sequence[SigningKey]:
        return ()

    async def return_path_host(self, domain_id: int) -> str:
        return "rp.news.example.com"


def newsletter(recipients: Sequence[str]) -> bytes:
    """Return the message as an application hands it over."""
    variables = {
        recipient: {"name": f"Ada Lovelace {number}", "id": f"{number:08x}"}
        for number, recipient in enumerate(recipients)
    }
    option = msgspec.json.encode(variables).decode().replace('},"', '},\r\n "')
    header = HEADER.format("quoted-printable").replace("shop@news.example", _SENDER.username)
    return f"X-OV-Recipient-Variables: {option}\r\n{header}".encode() + transfer_encoding.quoted_printable(
        HTML.encode()
    )


async def accept(door: Door, content: bytes, recipients: Sequence[str]) -> None:
    """Do what the SMTP door does with a message that has arrived."""
    block = split(content)
    assert not isinstance(block, HeaderFault)
    asked = read_options(block)
    assert not isinstance(asked, OptionFault), asked
    submission = Submission(
        principal=_SENDER,
        envelope=Envelope(_SENDER.username, tuple(Recipient(one, "dest.example") for one in recipients)),
        content=content,
        block=block,
        options=asked.options,
        received_at=door.now,
        client=ClientFacts(address="192.0.2.7"),
    )
    receipt = await door.submissions.submit(submission)
    assert isinstance(receipt, Receipt), receipt


async def make_all(database: Database, now: int) -> int:
    """Claim what is due, batch by batch, and make every message; returns how many."""
    contents = Contents(database, _Domain(), lambda: now, _CACHE_BYTES)
    made = 0
    claim = Claim(pools=("default",), owner=1, now=now, lease_until=now + 60_000, limit=_BATCH, per_lane=_BATCH)
    while deliveries := await database.claim(claim):
        found = await contents.messages(one.message_id for one in deliveries)
        outgoing = await contents.outgoing(deliveries, found)
        for delivery in deliveries:
            one = outgoing[delivery.id]
            assert isinstance(one, Outgoing)
            assert b"Lovelace" in one.rendered.content
        made += len(deliveries)
    return made


class Cost(msgspec.Struct, frozen=True, kw_only=True):
    """What one newsletter took."""

    recipients: int
    accept_s: float
    """Seconds of processor time until it was stored."""
    total_s: float
    """The same until each recipient's message was made."""
    peak_bytes: int
    """The most that Python held at once beyond what it held before; 0 where that was not watched, which takes time."""


async def measure(count: int, *, watches_memory: bool) -> Cost:
    """Have one newsletter accepted and made in a database of its own."""
    recipients = [f"reader{number}@dest.example" for number in range(count)]
    content = newsletter(recipients)
    with tempfile.TemporaryDirectory() as folder:
        migrate("", Path(folder))
        database = await open_database("", data_dir=Path(folder), clock=lambda: 0)
        try:
            return await _cost(database, content, recipients, watches_memory=watches_memory)
        finally:
            await database.close()


async def _cost(database: Database, content: bytes, recipients: Sequence[str], *, watches_memory: bool) -> Cost:
    door, peak = Door(database), 0
    if watches_memory:
        tracemalloc.start()
    began = time.process_time()
    await accept(door, content, recipients)
    accepted = time.process_time()
    assert await make_all(database, door.now) == len(recipients)
    made = time.process_time()
    if watches_memory:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    return Cost(recipients=len(recipients), accept_s=accepted - began, total_s=made - began, peak_bytes=peak)


def main(count: int) -> None:
    """Print the best of three, and what one takes of memory."""
    best = min((asyncio.run(measure(count, watches_memory=False)) for _ in range(3)), key=lambda one: one.total_s)
    watched = asyncio.run(measure(count, watches_memory=True))
    print(f"{best.accept_s / count * 1e6:10.1f} µs  personal: to accept, for each of {count} recipients")
    print(f"{best.total_s / count * 1e6:10.1f} µs  personal: to accept, claim and make")
    print(f"{count / best.total_s:10.0f} recipients a second of one core")
    print(f"{watched.peak_bytes / 2**20:10.1f} MiB held at most")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000)

"""A database full of messages, written in bulk: shares and rarities that searches can be told apart by."""

import random
from collections.abc import Iterator
from typing import Any

import asyncpg
import msgspec
import sqlalchemy

from postroad.model.delivery import DeliveryState, lane_of
from postroad.model.ids import EPOCH_MS, IdSource, partition_of
from postroad.model.options import Options
from postroad.storage import rows
from postroad.storage.database import Database
from postroad.storage.schema import control_plane

NOW = 1_800_000_000_000
BIG, MIDDLE, SMALL = 1, 2, 3
"""Accounts: nearly all messages, one in fifty, and a dozen."""
SMALL_COUNT = 12
_SPAN_MS = 30 * 86_400_000
_PART = 5_000
_SUBJECTS = (
    "Your weekly newsletter from Example",
    "Votre café vous attend: la carte de la semaine",
    "Reset your password",
    "Order {number} has been shipped",
    "Order {number} is confirmed, thank you",
    "New sign-in from a device that we do not know",
)


Part = dict[str, list[rows.Row]]
"""Rows of some tables."""


class Rows:
    """Makes rows in the order of time; the same ones for the same count."""

    def __init__(self, count: int) -> None:
        self.count = count
        self._random = random.Random(count)
        self._ids = IdSource(1)

    def parts(self) -> Iterator[Part]:
        """Yield tables with rows, a few thousand messages at a time, oldest first."""
        for start in range(0, self.count, _PART):
            numbers = range(start, min(start + _PART, self.count))
            made = [self._message(number) for number in numbers]
            yield {
                "messages": [message for message, _ in made],
                "deliveries": [delivery for _, deliveries in made for delivery in deliveries],
            }

    def _message(self, number: int) -> tuple[rows.Row, list[rows.Row]]:
        at = NOW - _SPAN_MS + number * _SPAN_MS // self.count
        partition = number * 7919 // 64 % 1024
        identifier = self._ids.next(at, partition)
        account_id = self._account_of(number)
        domain_id = account_id if account_id != BIG else (1, 11, 12)[number % 3]
        recipients = self._recipients(number)
        message = dict.fromkeys(rows.MESSAGE_COLUMNS) | {
            "id": identifier, "partition": partition_of(identifier), "account_id": account_id, "domain_id": domain_id,
            "credential_id": 1, "reverse_path": "app@example.com", "header_from": "app@example.com",
            "subject": self._subject(number), "message_id_header": f"<{number}@example.com>", "size": 4096,
            "recipient_count": len(recipients), "accepted_at": at, "client_address": "192.0.2.1", "channel": "smtp",
            "is_eight_bit": False, "is_utf8": False, "is_report": False, "keep_content_ms": 0, "open_deliveries": 0,
            "finished_at": at, "options": self._options(number),
        }  # fmt: skip
        deliveries = [self._delivery(number, message, recipient) for recipient in recipients]
        return tuple(message.values()), deliveries

    def _account_of(self, number: int) -> int:
        if number % (self.count // SMALL_COUNT) == 7:
            return SMALL
        return MIDDLE if number % 50 == 3 else BIG

    def _subject(self, number: int) -> str:
        if number % (self.count // 10) == 5:
            return "A xylophone of your own"
        if number < self.count // 10 and number % 2:
            return "The winter campaign begins"
        kind = 0 if self._random.random() < 0.5 else self._random.randrange(1, len(_SUBJECTS))
        return _SUBJECTS[kind].format(number=self._random.randrange(10**6, 10**7))

    def _options(self, number: int) -> str | None:
        """Return what every second message was asked for; its tag is common, or one of many, rare, or of old messages."""
        if number % 2:
            return None
        tags = ["newsletter" if number % 4 else f"order {number}"]
        if number % (self.count // 10) == 8:
            tags.append("Rare Tag")
        if number < self.count // 10:
            tags.append("winter campaign")
        return msgspec.json.encode(Options(tags=tuple(tags), variables={"number": number})).decode()

    def _recipients(self, number: int) -> list[str]:
        if number == self.count // 3:
            return ["zoe@rare.example"]
        if number % 300 == 0:
            return ["ops@often.example"]
        count = 3 if number % 50 == 0 else 1
        return [f"user{self._random.randrange(self.count)}@d{self._random.randrange(50)}.example" for _ in range(count)]

    def _delivery(self, number: int, message: dict[str, Any], recipient: str) -> rows.Row:
        state, attempts = self._state(number)
        destination = recipient.rpartition("@")[2]
        delivery = dict.fromkeys(rows.DELIVERY_COLUMNS) | {
            "id": self._ids.next(message["accepted_at"], message["partition"]), "partition": message["partition"],
            "message_id": message["id"], "account_id": message["account_id"], "domain_id": message["domain_id"],
            "recipient": recipient, "destination": destination, "pool": "default",
            "lane": lane_of(message["domain_id"], destination), "rank": 0, "state": state.value,
            "due_at": message["accepted_at"], "expires_at": message["accepted_at"] + 1, "attempts": attempts,
            "accepted_at": message["accepted_at"], "notify": 0, "lease_epoch": 0, "maybe_delivered": False,
            "last_reply": "mx.example: 250 2.0.0 queued as 4BxYz1",
        }  # fmt: skip
        return tuple(delivery.values())

    def _state(self, number: int) -> tuple[DeliveryState, int]:
        if number % (self.count // 20) == 11:
            return DeliveryState.CANCELLED, 1
        if number > self.count - 100:
            return DeliveryState.SCHEDULED, 0
        by_share = {3: DeliveryState.BOUNCED, 13: DeliveryState.BOUNCED, 23: DeliveryState.SCHEDULED}
        return by_share.get(number % 100, DeliveryState.DELIVERED), 1


def create_customers(connection: sqlalchemy.Connection) -> None:
    """Make the accounts and domains that the rows name."""
    for identifier in (BIG, MIDDLE, SMALL):
        connection.execute(
            control_plane.accounts.insert().values(id=identifier, name=f"Account {identifier}", created_at=EPOCH_MS)
        )
    for identifier, account_id in ((1, BIG), (11, BIG), (12, BIG), (2, MIDDLE), (3, SMALL)):
        connection.execute(
            control_plane.domains.insert().values(
                id=identifier,
                account_id=account_id,
                name=f"d{identifier}.example.com",
                state="active",
                settings="{}",
                created_at=EPOCH_MS,
            )
        )


_COLUMNS = {"messages": rows.MESSAGE_COLUMNS, "deliveries": rows.DELIVERY_COLUMNS}


def _insert(connection: sqlalchemy.Connection, part: Part) -> None:
    for name, records in part.items():
        columns = ", ".join(f'"{column}"' for column in _COLUMNS[name])
        places = ", ".join("?" * len(_COLUMNS[name]))
        raw = connection.connection.driver_connection
        assert raw is not None
        raw.executemany(f"INSERT INTO {name} ({columns}) VALUES ({places})", records)


async def write_rows(database: Database, url: str, count: int) -> None:
    """Fill a migrated, empty database with messages that are not indexed yet."""
    await database.write(create_customers)
    server = await asyncpg.connect(url) if database.is_postgres else None
    for part in Rows(count).parts():
        if server is None:
            await database.write(_insert, part)
        else:
            for name, records in part.items():
                await server.copy_records_to_table(name, records=records, columns=_COLUMNS[name])
    if server is not None:
        await server.close()

"""How a connection shares the event loop: much that comes at once is worked through in turns."""

import asyncio
from collections.abc import Callable

import pytest

from postroad.net.address import Networks
from postroad.protocol.smtp.offer import Offer
from postroad.protocol.smtp.server_options import ServerLimits, ServerOptions
from postroad.smtpd.connection import Connection, Door
from postroad.smtpd.roster import ByteBudget, Roster
from postroad.smtpd.settings import SmtpSettings

BEGIN = b"EHLO client\r\nMAIL FROM:<a@b.example>\r\n"
REFUSED = b"EHLO client\r\nMAIL FROM:<a@b.example> FOO=1\r\n"
FLOOD = b"RCPT TO:<c@d.example>\r\n" * 1000


class Willing(Connection):
    """Takes whatever is offered."""

    def decide(self, offer: Offer) -> None:
        return None


class Wire(asyncio.Transport):
    """Keeps what is written, and tells whether more would be read."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.is_reading_now = True
        self.is_closed = False

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += data

    def pause_reading(self) -> None:
        self.is_reading_now = False

    def resume_reading(self) -> None:
        self.is_reading_now = True

    def can_write_eof(self) -> bool:
        return False

    def close(self) -> None:
        self.is_closed = True

    def abort(self) -> None:
        self.is_closed = True

    def codes(self) -> list[str]:
        """Take the codes of the replies that were written since the last call."""
        lines, self.written = self.written.decode().splitlines(), b""
        return [line[:3] for line in lines if line[3] == " "]


def connected() -> tuple[Willing, Wire]:
    door = Door(
        options=ServerOptions(
            hostname="mx.test", requires_auth=False, has_tls=True, limits=ServerLimits(max_idle_commands=100_000)
        ),
        settings=SmtpSettings(),
        tls_context=None,
        begins_with_tls=False,
        proxy_networks=Networks(()),
        roster=Roster(10, 10),
        budget=ByteBudget(1_000_000),
        clock=lambda: 0,
    )
    connection, wire = Willing(door), Wire()
    connection.connection_made(wire)
    assert wire.codes() == ["220"]
    return connection, wire


async def turns_until(wire: Wire, last_code: str) -> tuple[int, list[str]]:
    """Return how many turns of the event loop a wire took to its last reply, and the codes of all."""
    codes = wire.codes()
    for turns in range(1000):
        if codes[-1:] == [last_code]:
            return turns, codes
        await asyncio.sleep(0)
        codes += wire.codes()
    raise AssertionError(codes[-1:])


@pytest.mark.parametrize(
    ("mail", "command", "code"),
    [
        (BEGIN, b"NOOP\r\n", "250"),
        (BEGIN, b"RCPT TO:<c@d.example>\r\n", "250"),
        (REFUSED, b"DATA\r\n", "503"),
        (REFUSED, b"BDAT 1\r\nx", "503"),
    ],
)
async def test_another_connection_is_served_while_a_flood_of_commands_is_worked_through(
    mail: bytes, command: bytes, code: str
) -> None:
    flooding, flooded = connected()
    other, quiet = connected()
    flooding.data_received(mail + command * 900 + b"QUIT\r\n")
    at_once = flooded.codes()
    other.data_received(b"NOOP\r\n")
    assert quiet.codes() == ["250"]

    turns, codes = await turns_until(flooded, "221")

    assert len(at_once) <= 100
    assert 9 <= turns <= 20
    assert (at_once + codes)[2:] == [code] * 900 + ["221"]
    assert flooded.is_closed


async def test_nothing_more_is_read_until_what_has_come_is_worked_through() -> None:
    connection, wire = connected()
    connection.data_received(BEGIN + FLOOD)
    assert not wire.is_reading_now
    # What the transport had read already is answered in its order all the same.
    connection.data_received(b"VRFY x\r\n")
    _, codes = await turns_until(wire, "252")

    assert codes == ["250"] * 1002 + ["252"]
    assert wire.is_reading_now


async def test_a_usual_message_is_worked_on_in_one_turn() -> None:
    connection, wire = connected()
    connection.data_received(BEGIN + b"RCPT TO:<c@d.example>\r\nDATA\r\nSubject: x\r\n\r\n.\r\nQUIT\r\n")

    assert wire.codes() == ["250", "250", "250", "354", "250", "221"]


async def test_a_client_that_sends_nothing_more_gets_the_replies_to_its_flood_first() -> None:
    connection, wire = connected()
    connection.data_received(BEGIN + FLOOD)
    assert connection.eof_received()
    codes = wire.codes()
    while not wire.is_closed:
        await asyncio.sleep(0)
        codes += wire.codes()

    assert codes == ["250"] * 1002


def lose(connection: Connection) -> None:
    connection.connection_lost(None)


@pytest.mark.parametrize("end", [lose, Connection.abort, Connection.leave])
async def test_a_flood_whose_connection_is_lost_or_ended_is_worked_on_no_more(
    end: Callable[[Connection], None],
) -> None:
    connection, wire = connected()
    connection.data_received(b"EHLO client\r\n" + b"NOOP\r\n" * 1000)
    end(connection)
    codes = wire.codes()
    for _ in range(20):
        await asyncio.sleep(0)

    assert codes[:100] == ["250"] * 100
    assert codes[100:] == ([] if end is lose else ["421"])
    assert wire.codes() == []


async def test_a_client_that_does_not_read_its_replies_is_gone_on_with_once_it_does() -> None:
    connection, wire = connected()
    connection.data_received(BEGIN + FLOOD + b"QUIT\r\n")
    codes = wire.codes()
    connection.pause_writing()
    for _ in range(20):
        await asyncio.sleep(0)
    assert wire.codes() == []

    connection.resume_writing()
    _, more = await turns_until(wire, "221")

    assert codes + more == ["250"] * 1002 + ["221"]

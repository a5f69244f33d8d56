"""What ``postroad check`` looks at: each look is one finding, with what to do about it."""

import asyncio
import ipaddress
import os
import ssl
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import msgspec

from postroad.config import Settings
from postroad.dns.answer import AnswerStatus, Mx, RecordType
from postroad.dns.resolver import Lookup
from postroad.net.address import is_public, parse_address
from postroad.net.clock import now_ms
from postroad.net.listen import parse_endpoint
from postroad.node.disk import folders_of_mail, least_room
from postroad.storage.errors import StorageError
from postroad.storage.migrate import require_encoding, schema_state

_DAY_S = 86_400
_PROBE_DOMAINS = ("gmail.com", "outlook.com", "yahoo.com")
"""Destinations that always take connections on port 25: what cannot reach any of them cannot reach the Internet."""
_PORT_TIMEOUT_S = 10
# The NTP epoch, 1900-01-01, in Unix seconds (RFC 5905 §6).
_NTP_EPOCH_S = -2_208_988_800
_TIME_SERVER = ("pool.ntp.org", 123)

_AS_ITS_USER = "Give it to the user Postroad runs as, and run this as that user."
_OF_A_FILE = "See that its disk has room and that it belongs to the user Postroad runs as."

_SCANT_OCTETS = 1024 * 1024 * 1024

Status = Literal["ok", "warning", "wrong"]


class Finding(msgspec.Struct, frozen=True):
    """The result of one look: what was seen, and how to mend it where it is not right."""

    subject: str
    status: Status
    text: str
    remedy: str = ""


def data_folder(settings: Settings) -> Finding:
    """Look at the folder that holds the database and the master key."""
    path = Path(settings.data_dir)
    try:
        is_there = path.is_dir()
    except OSError as error:
        return Finding("data folder", "wrong", f"{path} cannot be looked at: {error.strerror}.", _AS_ITS_USER)
    if not is_there:
        return Finding("data folder", "wrong", f"{path} does not exist.", "Run `postroad migrate`, or name another.")
    if not os.access(path, os.R_OK | os.W_OK | os.X_OK):
        return Finding("data folder", "wrong", f"{path} cannot be written.", _AS_ITS_USER)
    if path.stat().st_mode & 0o007:
        return Finding("data folder", "warning", f"{path} is open to everybody.", f"Run `chmod o-rwx {path}`.")
    return Finding("data folder", "ok", f"{path} can be written.")


def disk(settings: Settings) -> list[Finding]:
    """Look whether there is room for mail; nothing is found where the folder is not there."""
    try:
        room = least_room(folders_of_mail(settings))
    except (OSError, StorageError):
        # What is wrong with the folder or the address of the database is a finding of its own.
        return []
    if room is None:
        return []
    if room.is_lacking:
        return [Finding("disk", "wrong", f"It is full: {room}.", "Make room: no mail is taken any more.")]
    if room.octets < _SCANT_OCTETS:
        return [Finding("disk", "warning", f"It is nearly full: {room}.", "Make room before it is full.")]
    return [Finding("disk", "ok", f"{room}.")]


def database(settings: Settings) -> Finding:
    """Look whether the database answers and has the schema of this version."""
    try:
        state = schema_state(settings.database.url, Path(settings.data_dir))
    except StorageError as error:
        is_server = settings.database.url.startswith("postgres")
        remedy = "Check database.url and that the server runs." if is_server else _OF_A_FILE
        return Finding("database", "wrong", f"{str(error)[:1].upper()}{str(error)[1:]}.", remedy)
    try:
        require_encoding(state)
    except StorageError as error:
        fault, _, remedy = str(error).partition(": ")
        return Finding("database", "wrong", f"{fault[:1].upper()}{fault[1:]}.", f"{remedy[:1].upper()}{remedy[1:]}.")
    if state.is_newer:
        text = f"Schema {state.current} was made by a newer version than this one, which knows {state.newest}."
        return Finding("database", "wrong", text, "Install the newer version again.")
    if not state.is_current:
        text = f"Schema {state.current or 'none'} is older than {state.newest}."
        return Finding("database", "wrong", text, "Run `postroad migrate`.")
    return Finding("database", "ok", f"Schema {state.current} is current.")


def admin_listener(settings: Settings) -> Finding:
    """Look who can reach the admin listener, which asks for no login."""
    if not settings.admin.listen:
        return Finding("admin", "ok", "There is no admin listener.")
    try:
        address = parse_address(parse_endpoint(settings.admin.listen).host)
    except ValueError as error:
        return Finding("admin", "wrong", f"admin.listen: {error}.", "Mend admin.listen.")
    if address is not None and not address.is_unspecified and not is_public(address):
        return Finding("admin", "ok", f"{settings.admin.listen} is not reached from the Internet by its address.")
    return Finding(
        "admin",
        "warning",
        f"{settings.admin.listen} answers without a login to whoever reaches it.",
        "Set admin.listen to 127.0.0.1:8026 or a private address, or keep others out by a firewall.",
    )


def address_listener(settings: Settings) -> Finding:
    """Look whether mail is taken from network addresses without a login."""
    listen = ", ".join(settings.smtp.listen_by_address)
    if not listen:
        return Finding("login by address", "ok", "Nobody may send without a login.")
    return Finding(
        "login by address",
        "warning",
        f"{listen} takes mail without a login from the networks of SMTP users that are proven by address.",
        "Keep strangers out of these networks, or empty smtp.listen_by_address where nothing needs it any more.",
    )


def notices(settings: Settings) -> Finding:
    """Look whether the installation has an address to mail from."""
    if settings.accounts.notices_from:
        return Finding("notices", "ok", f"Links and notes to people are mailed from {settings.accounts.notices_from}.")
    return Finding(
        "notices",
        "warning",
        "Nothing is mailed to people: lost passwords, invitations and locks are not told.",
        "Set accounts.notices_from to an address at a sending domain of this installation.",
    )


async def resolver(lookup: Lookup) -> Finding:
    """Look whether names can be resolved."""
    answer = await lookup.resolve(_PROBE_DOMAINS[0], RecordType.MX)
    if answer.status is AnswerStatus.FOUND:
        return Finding("DNS", "ok", f"{_PROBE_DOMAINS[0]} was resolved.")
    return Finding(
        "DNS", "wrong", f"{_PROBE_DOMAINS[0]} could not be resolved: {answer.status.value}.", "Check dns.resolvers."
    )


async def greeting_name(lookup: Lookup, hostname: str) -> Finding:
    """Look whether the name we introduce ourselves by leads to an address that leads back to it."""
    for record_type in (RecordType.A, RecordType.AAAA):
        answer = await lookup.resolve(hostname, record_type)
        for address in answer.records:
            pointer = await lookup.resolve(reverse_name(str(address)), RecordType.PTR)
            if hostname.lower() in {str(name).lower() for name in pointer.records}:
                return Finding("host name", "ok", f"{hostname} and {address} name each other.")
            return Finding(
                "host name",
                "warning",
                f"{hostname} has the address {address}, whose reverse name is another or none.",
                f"Ask whoever gave you {address} to set its reverse name to {hostname}.",
            )
    return Finding(
        "host name", "warning", f"{hostname} has no address.", "Publish an A record, or set delivery.hostname."
    )


async def port_25(lookup: Lookup) -> Finding:
    """Look whether mail hosts of others can be reached: many networks block port 25."""
    for domain in _PROBE_DOMAINS:
        answer = await lookup.resolve(domain, RecordType.MX)
        for record in answer.records:
            if isinstance(record, Mx) and await takes_connections(record.host, 25):
                return Finding("port 25", "ok", f"{record.host} was reached.")
    return Finding(
        "port 25",
        "wrong",
        f"No mail host of {', '.join(_PROBE_DOMAINS)} was reached on port 25.",
        "Ask your provider to open outgoing port 25, or set delivery.smarthost.",
    )


async def clock(ask_time: Callable[[], Awaitable[int]] | None = None) -> Finding:
    """Look whether the clock is right: ids, leases and signatures depend on it."""
    try:
        there = await (ask_time or _network_time)()
    except (OSError, TimeoutError):
        return Finding("clock", "warning", f"{_TIME_SERVER[0]} did not answer.", "See that a time service runs.")
    off_ms = abs(now_ms() - there)
    if off_ms > 2_000:
        return Finding("clock", "wrong", f"The clock is off by {off_ms / 1000:.0f} s.", "Run a time service.")
    return Finding("clock", "ok", f"The clock is right: {datetime.fromtimestamp(there / 1000, UTC):%H:%M:%S} UTC.")


def reverse_name(address: str) -> str:
    """Return the name under which an address's PTR record is."""
    # RFC 1035 §3.5 and RFC 3596 §2.5
    return ipaddress.ip_address(address).reverse_pointer


async def takes_connections(host: str, port: int) -> bool:
    """Whether a host takes connections on a port."""
    try:
        _, writer = await asyncio.wait_for(asyncio.open_connection(host, port), _PORT_TIMEOUT_S)
    except (OSError, TimeoutError, ssl.SSLError):
        return False
    writer.close()
    await writer.wait_closed()
    return True


class _TimeQuestion(asyncio.DatagramProtocol):
    def __init__(self, answer: asyncio.Future[bytes]) -> None:
        self._answer = answer

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # RFC 5905 §7.3: leap 0, version 4, mode 3 (client); a client may leave the rest empty (§14).
        assert isinstance(transport, asyncio.DatagramTransport)
        transport.sendto(bytes([0x23]) + bytes(47))

    def datagram_received(self, data: bytes, addr: object) -> None:  # noqa: ARG002
        if not self._answer.done():
            self._answer.set_result(data)

    def error_received(self, exc: Exception) -> None:
        if not self._answer.done():
            self._answer.set_exception(exc)


async def _network_time() -> int:
    """Ask a time server for the milliseconds since 1970."""
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[bytes] = loop.create_future()
    transport, _ = await loop.create_datagram_endpoint(lambda: _TimeQuestion(answer), remote_addr=_TIME_SERVER)
    try:
        packet = await asyncio.wait_for(answer, 5)
    finally:
        transport.close()
    if len(packet) < 48:
        raise OSError("the time server's answer is too short")
    # RFC 5905 §7.3: the transmit timestamp, 32 bits of seconds and 32 of fraction, at octet 40.
    seconds, fraction = int.from_bytes(packet[40:44]), int.from_bytes(packet[44:48])
    return (seconds + _NTP_EPOCH_S) * 1000 + (fraction * 1000 >> 32)

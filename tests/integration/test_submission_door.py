"""The submission door on real sockets: unmodified clients, TLS in both ways, limits, and a graceful stop."""

import asyncio
import base64
import contextlib
import functools
import inspect
import smtplib
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Callable, Coroutine
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import aiosmtplib
import msgspec
import pytest
import trustme
import uvloop

from postroad.model.credential import CredentialKind, Principal
from postroad.model.envelope import Notify
from postroad.model.ids import text_of
from postroad.model.submission import Rejected, Submission
from postroad.policy.rbl import Listing
from postroad.smtpd import connection
from postroad.smtpd.capture import CaptureListener
from postroad.smtpd.listener import SubmissionListener
from postroad.smtpd.session import Services
from postroad.smtpd.settings import SmtpSettings
from postroad.storage.errors import StorageUnavailable
from tests.peers.programs import path_of

HOSTNAME = "mail.postroad.example"
USERNAME = "app@news.example.com"
PASSWORD = "correct horse battery staple"
PRINCIPAL = Principal(1, 2, "news.example.com", 3, USERNAME, CredentialKind.PASSWORD)
MESSAGE_ID = 123_456_789_012_345_678
MESSAGE = b"From: app@news.example.com\r\nSubject: Hello\r\n\r\n.one\r\n..two\r\n"


class Refused(msgspec.Struct):
    is_temporary: bool = False
    needs_tls: bool = False
    is_locked: bool = False


class Accounts:
    """One user, and one address that needs no login."""

    def __init__(self) -> None:
        self.removed = False
        self.needs_tls = False
        self.now = PRINCIPAL
        self.uses: list[tuple[str, bool]] = []
        self.asked: list[tuple[str, str, bool]] = []
        self.mechanisms: list[str] = []
        self.own_address: str | None = None
        self.listed: list[tuple[str, str, bool, str, str]] = []

    async def verify(
        self, username: str, password: str, client_address: str, over_tls: bool, mechanism: str
    ) -> Principal | Refused:
        # Whatever shows what it was given shows no password.
        assert repr(password) == "Secret('…')"
        self.asked.append((username, client_address, over_tls))
        self.mechanisms.append(mechanism)
        if username == "busy":
            return Refused(is_temporary=True)
        if username == "locked":
            return Refused(is_temporary=True, is_locked=True)
        if (username, password) != (USERNAME, PASSWORD):
            return Refused()
        return Refused(needs_tls=True) if self.needs_tls and not over_tls else PRINCIPAL

    def at_once(
        self, username: str, password: str, client_address: str, over_tls: bool, mechanism: str
    ) -> Principal | Refused | None:
        if username == "remembered":
            return PRINCIPAL
        return Refused(is_temporary=True, is_locked=True) if username == "flooding" else None

    def note_listed(self, username: str, client_address: str, over_tls: bool, mechanism: str, *, zone: str) -> None:
        self.listed.append((username, client_address, over_tls, mechanism, zone))

    def principal_for_address(self, address: str, over_tls: bool) -> Principal | None:
        return PRINCIPAL if address == self.own_address else None

    def goes_on(self, principal: Principal, client_address: str, over_tls: bool) -> Principal | Refused:
        return Refused(needs_tls=self.needs_tls) if self.removed else self.now

    def note_use(self, principal: Principal, client_address: str, over_tls: bool) -> None:
        self.uses.append((client_address, over_tls))


class Blocklists:
    """Notes who is asked about; nothing needs to be found out unless a test gives the answer."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.answer: asyncio.Future[Listing | None] | None = None

    def ask(self, client_address: str) -> asyncio.Task[Listing | None] | None:
        self.asked.append(client_address)
        return None if self.answer is None else asyncio.ensure_future(self._wait(self.answer))

    async def _wait(self, answer: asyncio.Future[Listing | None]) -> Listing | None:
        return await answer


class Store:
    """Takes submissions; waits at the gate, or fails, where a test wants it."""

    def __init__(self) -> None:
        self.taken: list[Submission] = []
        self.noted: list[tuple[Rejected, int]] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.arrived = asyncio.Event()
        self.failure: Exception | None = None
        self.verdict: Rejected | None = None

    async def submit(self, submission: Submission) -> "Stored | Rejected":
        self.arrived.set()
        await self.gate.wait()
        if self.failure is not None:
            raise self.failure
        if self.verdict is not None:
            return self.verdict
        self.taken.append(submission)
        return Stored(MESSAGE_ID)

    async def note_rejected(self, submission: Submission, rejected: Rejected, size: int) -> None:
        if self.failure is not None:
            raise self.failure
        self.noted.append((rejected, size))


class Stored(msgspec.Struct):
    message_id: int


class Rig:
    """A listener on free ports with its services within reach."""

    def __init__(self, settings: SmtpSettings, authority: trustme.CA) -> None:
        self.accounts, self.store, self.blocklists = Accounts(), Store(), Blocklists()
        certificate = authority.issue_cert(HOSTNAME, "127.0.0.1")
        self.server_context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        certificate.configure_cert(self.server_context)
        self.client_context = ssl.create_default_context()
        authority.configure_trust(self.client_context)
        services = Services(authenticator=self.accounts, submissions=self.store, blocklists=self.blocklists)
        self.listener = SubmissionListener(
            settings, services, hostname=HOSTNAME, tls_context=self.server_context, clock=lambda: 1_800_000_000_000
        )
        self.port = self.tls_port = self.address_port = 0

    async def start(self) -> None:
        sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(3)]
        await self.listener.start([sockets[0]], [sockets[1]], [sockets[2]])
        self.port, self.tls_port, self.address_port = (bound.getsockname()[1] for bound in sockets)

    async def talk(self, *parts: bytes, port: int | None = None, half_close: bool = False) -> bytes:
        """Send octets as they are and return all that comes back until the server closes."""
        reader, writer = await asyncio.open_connection("127.0.0.1", port or self.port)
        with contextlib.closing(writer):
            for part in parts:
                writer.write(part)
                with contextlib.suppress(ConnectionError):
                    await writer.drain()
            if half_close:
                writer.write_eof()
            return await asyncio.wait_for(reader.read(), 10)


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


def on_each_loop(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Run a test on the standard library's event loop and on uvloop, whose transports differ in details."""

    @functools.wraps(test)
    def run_on(*, loop_factory: Callable[[], asyncio.AbstractEventLoop], **fixtures: object) -> None:
        with asyncio.Runner(loop_factory=loop_factory) as runner:
            runner.run(test(**fixtures))

    signature = inspect.signature(test)
    factory = inspect.Parameter("loop_factory", inspect.Parameter.KEYWORD_ONLY)
    run_on.__signature__ = signature.replace(parameters=[*signature.parameters.values(), factory])  # type: ignore[attr-defined]
    factories = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}
    on_each: Callable[..., None] = pytest.mark.parametrize("loop_factory", factories.values(), ids=factories)(run_on)
    return on_each


Start = Callable[..., contextlib.AbstractAsyncContextManager[Rig]]


@pytest.fixture
def running(authority: trustme.CA) -> Start:
    @contextlib.asynccontextmanager
    async def start(**settings: object) -> AsyncIterator[Rig]:
        rig = Rig(msgspec.convert(settings, SmtpSettings), authority)
        await rig.start()
        try:
            yield rig
        finally:
            rig.store.gate.set()
            await rig.listener.stop(5)
            assert len(rig.listener.roster) == 0
            assert rig.listener.budget.used == 0

    return start


LOGIN = b"EHLO client\r\nAUTH PLAIN AGFwcEBuZXdzLmV4YW1wbGUuY29tAGNvcnJlY3QgaG9yc2UgYmF0dGVyeSBzdGFwbGU=\r\n"
SEND = b"MAIL FROM:<a@news.example.com>\r\nRCPT TO:<b@example.net>\r\nDATA\r\n"


def last_line(transcript: bytes) -> str:
    return transcript.decode().splitlines()[-1]


def send_with_smtplib(rig: Rig, *, starttls: bool, implicit: bool) -> dict[str, tuple[int, bytes]]:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "a@news.example.com", "b@example.net", "Hello"
    message.set_content(".dot\nsecond line\n")
    connection = (
        smtplib.SMTP_SSL("127.0.0.1", rig.tls_port, context=rig.client_context)
        if implicit
        else smtplib.SMTP("127.0.0.1", rig.port)
    )
    with connection as client:
        if starttls:
            client.starttls(context=rig.client_context)
        client.login(USERNAME, PASSWORD)
        return client.send_message(message)


@pytest.mark.parametrize(
    ("starttls", "implicit", "keyword"), [(False, False, "ESMTPA"), (True, False, "ESMTPSA"), (False, True, "ESMTPSA")]
)
@on_each_loop
async def test_smtplib_submits_in_the_clear_and_over_tls_in_both_ways(
    running: Start, starttls: bool, implicit: bool, keyword: str
) -> None:
    async with running() as rig:
        refused = await asyncio.to_thread(send_with_smtplib, rig, starttls=starttls, implicit=implicit)

    (submission,) = rig.store.taken
    assert refused == {}
    assert submission.content.endswith(b"\r\n\r\n.dot\r\nsecond line\r\n")
    assert submission.principal == PRINCIPAL
    assert [recipient.forward_path for recipient in submission.envelope.recipients] == ["b@example.net"]
    assert submission.client.protocol == keyword
    assert submission.client.address == "127.0.0.1"
    assert (submission.client.tls_version == "TLSv1.3") == (keyword == "ESMTPSA")
    assert rig.accounts.asked == [(USERNAME, "127.0.0.1", keyword == "ESMTPSA")]


@on_each_loop
async def test_aiosmtplib_submits_over_starttls_and_learns_the_id(running: Start) -> None:
    async with running() as rig:
        client = aiosmtplib.SMTP(
            hostname="127.0.0.1", port=rig.port, start_tls=True, tls_context=rig.client_context, timeout=10
        )
        async with client:
            await client.login(USERNAME, PASSWORD)
            for _ in range(3):
                _, text = await client.sendmail(
                    "a@news.example.com", ["b@example.net"], MESSAGE, rcpt_options=["NOTIFY=SUCCESS,FAILURE"]
                )

    assert text == f"2.0.0 Accepted as {text_of(MESSAGE_ID)}"
    assert [submission.content for submission in rig.store.taken] == [MESSAGE] * 3
    assert rig.store.taken[0].envelope.recipients[0].notify == Notify.SUCCESS | Notify.FAILURE


async def run(*command: str, text: bytes = b"") -> tuple[int | None, str]:
    process = await asyncio.create_subprocess_exec(
        *command, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    out, _ = await asyncio.wait_for(process.communicate(text), 30)
    return process.returncode, out.decode()


@pytest.mark.peer("swaks")
@pytest.mark.parametrize("auth", ["LOGIN", "PLAIN"])
@pytest.mark.parametrize("tls", [(), ("--tls",), ("--tlsc",)])
@on_each_loop
async def test_swaks_submits(running: Start, auth: str, tls: tuple[str, ...]) -> None:
    async with running() as rig:
        port = rig.tls_port if "--tlsc" in tls else rig.port
        code, transcript = await run(
            path_of("swaks"), "--server", f"127.0.0.1:{port}", *tls, "--auth", auth,
            "--auth-user", USERNAME, "--auth-password", PASSWORD,
            "--from", "a@news.example.com", "--to", "b@example.net,c@example.net",
        )  # fmt: skip

    assert code == 0, transcript
    assert len(rig.store.taken[0].envelope.recipients) == 2


@pytest.mark.peer("curl")
@pytest.mark.parametrize("tls", [False, True])
@on_each_loop
async def test_curl_submits(running: Start, authority: trustme.CA, tmp_path: Path, tls: bool) -> None:
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    (tmp_path / "message").write_bytes(MESSAGE)
    async with running() as rig:
        url = f"smtps://127.0.0.1:{rig.tls_port}" if tls else f"smtp://127.0.0.1:{rig.port}"
        code, transcript = await run(
            path_of("curl"), "--silent", "--show-error", "--url", url, "--ssl-reqd", "--cacert", str(tmp_path / "ca.pem"),
            "--user", f"{USERNAME}:{PASSWORD}", "--mail-from", "a@news.example.com", "--mail-rcpt", "b@example.net",
            "--upload-file", str(tmp_path / "message"),
        )  # fmt: skip

    assert code == 0, transcript
    assert [submission.content for submission in rig.store.taken] == [MESSAGE]


@pytest.mark.peer("smtp-source")
@on_each_loop
async def test_smtp_source_submits_by_its_address(running: Start) -> None:
    async with running() as rig:
        rig.accounts.own_address = "127.0.0.1"
        code, transcript = await run(
            path_of("smtp-source"), "-s", "5", "-m", "50", "-l", "4096", "-f", "a@news.example.com",
            "-t", "b@example.net", f"inet:127.0.0.1:{rig.address_port}",
        )  # fmt: skip

    assert code == 0, transcript
    assert len(rig.store.taken) == 50
    assert rig.store.taken[0].client.protocol == "SMTP"


@on_each_loop
async def test_a_pipelined_session_in_one_segment_is_answered_in_order(running: Start) -> None:
    async with running() as rig:
        transcript = await rig.talk(
            LOGIN + SEND + MESSAGE.replace(b"\r\n.", b"\r\n..") + b".\r\n" + SEND[:32] + b"QUIT\r\n"
        )

    codes = [line[:3] for line in transcript.decode().splitlines() if line[3] == " "]
    assert codes == ["220", "250", "235", "250", "250", "354", "250", "250", "221"]
    assert [submission.content for submission in rig.store.taken] == [MESSAGE]


@pytest.mark.parametrize("half_close", [False, True])
@on_each_loop
async def test_a_flood_of_pipelined_commands_is_answered_whole_and_in_order(running: Start, half_close: bool) -> None:
    async with running() as rig:
        flood = SEND.replace(b"DATA\r\n", b"RCPT TO:<b@example.net>\r\n" * 30_000)
        text = LOGIN + flood + b"DATA\r\n" + MESSAGE + b".\r\n" + (b"" if half_close else b"QUIT\r\n")
        transcript = await rig.talk(text, half_close=half_close)

    codes = [line[:3] for line in transcript.decode().splitlines() if line[3] == " "]
    assert codes == ["220", "250", "235", *["250"] * 30_002, "354", "250", *([] if half_close else ["221"])]


@on_each_loop
async def test_starttls_behind_a_flood_of_commands_begins_the_handshake(running: Start) -> None:
    def talk(rig: Rig) -> bytes:
        with socket.create_connection(("127.0.0.1", rig.port), timeout=10) as client:
            client.sendall(b"EHLO client\r\n" + b"NOOP\r\n" * 500 + b"STARTTLS\r\n")
            said = b""
            while b"220 2.0.0 " not in said or not said.endswith(b"\r\n"):
                said += client.recv(65_536)
            with rig.client_context.wrap_socket(client, server_hostname=HOSTNAME) as encrypted:
                encrypted.sendall(b"EHLO client\r\n" + b"NOOP\r\n" * 500 + b"QUIT\r\n")
                said = b""
                while piece := encrypted.recv(65_536):
                    said += piece
        return said

    async with running(max_idle_commands=10_000) as rig:
        said = await asyncio.to_thread(talk, rig)

    assert [line[:3] for line in said.splitlines() if line[3:4] == b" "] == [b"250"] * 501 + [b"221"]


@on_each_loop
async def test_a_client_that_half_closes_still_gets_its_replies(running: Start) -> None:
    async with running() as rig:
        rig.store.gate.clear()
        talk = asyncio.create_task(rig.talk(LOGIN + SEND + b"Subject: x\r\n\r\n.\r\n", half_close=True))
        await asyncio.wait_for(rig.store.arrived.wait(), 5)
        rig.store.gate.set()

        assert last_line(await talk) == f"250 2.0.0 Accepted as {text_of(MESSAGE_ID)}"


@pytest.mark.parametrize("half_closes", [False, True])
@on_each_loop
async def test_a_client_that_says_farewell_under_tls_still_gets_its_replies(running: Start, half_closes: bool) -> None:
    async with running() as rig:
        rig.store.gate.clear()
        text = LOGIN + SEND + b"Subject: x\r\n\r\n.\r\n"
        talk = asyncio.create_task(asyncio.to_thread(talk_and_say_farewell, rig, text, half_closes=half_closes))
        await asyncio.wait_for(rig.store.arrived.wait(), 5)
        rig.store.gate.set()

        assert last_line(await talk) == f"250 2.0.0 Accepted as {text_of(MESSAGE_ID)}"


def talk_and_say_farewell(rig: Rig, text: bytes, *, half_closes: bool) -> bytes:
    """Send text and close_notify, and TCP's own end where asked to; returns all that comes back."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = rig.client_context.wrap_bio(incoming, outgoing, server_hostname="127.0.0.1")
    transcript = b""
    with socket.create_connection(("127.0.0.1", rig.tls_port), timeout=10) as connection:
        while True:
            try:
                tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                connection.sendall(outgoing.read())
                incoming.write(connection.recv(65_536))
        tls.write(text)
        with contextlib.suppress(ssl.SSLError):
            tls.unwrap()
        connection.sendall(outgoing.read())
        if half_closes:
            connection.shutdown(socket.SHUT_WR)
        while octets := connection.recv(65_536):
            incoming.write(octets)
            with contextlib.suppress(ssl.SSLWantReadError, ssl.SSLZeroReturnError):
                while part := tls.read(65_536):
                    transcript += part
    return transcript


@on_each_loop
async def test_a_storage_failure_is_answered_with_451_and_the_session_goes_on(running: Start) -> None:
    async with running() as rig:
        rig.store.failure = StorageUnavailable("disk full")
        transcript = await rig.talk(LOGIN + SEND + b"Subject: x\r\n\r\n.\r\nNOOP\r\nQUIT\r\n")

    assert b"\r\n451 4.3.0 The message could not be stored; try again later\r\n250 2.0.0 Ok\r\n221" in transcript


@on_each_loop
async def test_a_rejection_is_answered_with_its_own_words(running: Start) -> None:
    async with running() as rig:
        rig.store.verdict = Rejected("too_many_hops", "5.4.6", "The message has more than 50 Received fields")
        transcript = await rig.talk(LOGIN + SEND + b"Subject: x\r\n\r\n.\r\nQUIT\r\n")

    assert b"\r\n554 5.4.6 The message has more than 50 Received fields\r\n" in transcript


@on_each_loop
async def test_a_foreign_reverse_path_is_refused_naming_the_domain(running: Start) -> None:
    async with running() as rig:
        transcript = await rig.talk(LOGIN + b"MAIL FROM:<a@example.com>\r\nQUIT\r\n")

    assert b"\r\n550 5.7.1 MAIL FROM must be at news.example.com, " in transcript
    assert [(rejected.rule, size) for rejected, size in rig.store.noted] == [("reverse_path_not_at_domain", 0)]


@on_each_loop
async def test_too_large_a_message_is_noted_whether_it_was_announced_or_sent(running: Start) -> None:
    async with running(max_message_size=65_536) as rig:
        await rig.talk(LOGIN + b"MAIL FROM:<a@news.example.com> SIZE=65537\r\nQUIT\r\n")
        big = b"Subject: x\r\n\r\n" + (b"x" * 70 + b"\r\n") * 1_000
        transcript = await rig.talk(LOGIN + SEND, big + b".\r\nQUIT\r\n")

    assert b"\r\n552 5.3.4 " in transcript
    assert [(rejected.rule, size) for rejected, size in rig.store.noted] == [("message_too_large", 65_537)] * 2


@on_each_loop
async def test_a_wrong_password_gets_535_and_a_busy_checker_or_a_lock_454(running: Start) -> None:
    async with running() as rig:
        transcript = await rig.talk(
            b"EHLO c\r\nAUTH PLAIN AGEAYg==\r\nAUTH PLAIN AGJ1c3kAYg==\r\nAUTH LOGIN bG9ja2Vk\r\nYg==\r\n"
            b"AUTH PLAIN AGZsb29kaW5nAGI=\r\nQUIT\r\n"
        )

    assert [line for line in transcript.splitlines() if line.startswith((b"535", b"454"))] == [
        b"535 5.7.8 Name or password is wrong",
        b"454 4.7.0 Logins cannot be checked at the moment; try again later",
        b"454 4.7.0 Too many logins have failed for this name or from this network; try again later",
        b"454 4.7.0 Too many logins have failed for this name or from this network; try again later",
    ]
    assert rig.accounts.mechanisms == ["PLAIN", "PLAIN", "LOGIN"]


async def test_a_remembered_login_is_answered_without_finding_out_and_submits(running: Start) -> None:
    remembered = base64.b64encode(f"\0remembered\0{PASSWORD}".encode())
    async with running() as rig:
        transcript = await rig.talk(
            b"EHLO c\r\nAUTH PLAIN "
            + remembered
            + b"\r\n"
            + SEND
            + MESSAGE.replace(b"\r\n.", b"\r\n..")
            + b".\r\nQUIT\r\n"
        )

    assert b"\r\n235 2.7.0 " in transcript
    assert rig.accounts.asked == []
    assert [submission.principal for submission in rig.store.taken] == [PRINCIPAL]


def auth_as(username: str) -> bytes:
    return b"AUTH PLAIN " + base64.b64encode(f"\0{username}\0{PASSWORD}".encode()) + b"\r\n"


@pytest.mark.parametrize("tls", [False, True])
@on_each_loop
async def test_blocklists_are_asked_as_a_client_connects_and_listed_ones_are_told_at_the_login(
    running: Start, tls: bool
) -> None:
    async with running() as rig:
        rig.blocklists.answer = asyncio.get_running_loop().create_future()
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", rig.tls_port if tls else rig.port, ssl=rig.client_context if tls else None
        )
        with contextlib.closing(writer):
            greeting = await asyncio.wait_for(reader.readline(), 10)
            asked_by_then = list(rig.blocklists.asked)
            # One that would be let in from memory waits for the answer too, which comes after the log-in here.
            writer.write(b"EHLO client\r\n" + auth_as("remembered") + b"QUIT\r\n")
            await asyncio.wait_for(reader.readuntil(b"250 "), 10)
            rig.blocklists.answer.set_result(Listing("bl.example.org", "ask there"))
            transcript = (await asyncio.wait_for(reader.read(), 10)).decode()

    assert greeting.startswith(b"220 ")
    assert asked_by_then == rig.blocklists.asked == ["127.0.0.1"]
    assert "454 4.7.0 127.0.0.1 is listed by bl.example.org: ask there\r\n221 " in transcript
    assert rig.accounts.listed == [("remembered", "127.0.0.1", tls, "PLAIN", "bl.example.org")]
    assert rig.accounts.asked == []


@on_each_loop
async def test_blocklists_that_know_nothing_of_a_client_or_fail_let_it_in(running: Start) -> None:
    async with running() as rig:
        for outcome in (None, OSError("no resolver")):
            rig.blocklists.answer = asyncio.get_running_loop().create_future()
            if outcome is None:
                rig.blocklists.answer.set_result(None)
            else:
                rig.blocklists.answer.set_exception(outcome)
            assert b"\r\n235 2.7.0 " in await rig.talk(LOGIN + b"QUIT\r\n")

    assert rig.accounts.listed == []


@on_each_loop
async def test_blocklists_are_asked_about_the_client_behind_a_proxy_and_not_about_one_that_its_address_proves(
    running: Start,
) -> None:
    async with running(proxy_protocol_from=["127.0.0.0/8"]) as rig:
        await rig.talk(b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\nQUIT\r\n")
        rig.accounts.own_address = "192.0.2.7"
        by_address = b"PROXY TCP4 192.0.2.7 192.0.2.2 1 2\r\nQUIT\r\n"
        assert (await rig.talk(by_address, port=rig.address_port)).startswith(b"220 ")

    assert rig.blocklists.asked == ["192.0.2.1"]


async def logged_in(rig: Rig, *more: bytes) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection("127.0.0.1", rig.port)
    writer.write(LOGIN + b"".join(more))
    await reader.readuntil(b"235 2.7.0 Logged in\r\n")
    return reader, writer


@pytest.mark.parametrize(
    "command",
    [b"MAIL FROM:<a@news.example.com>", b"RSET", b"NOOP", b"EHLO c", b"VRFY a", b"QUIT", b"NONSENSE", b"AUTH X"],
)
@on_each_loop
async def test_the_next_command_of_a_removed_user_ends_the_session_whatever_it_is(
    running: Start, command: bytes
) -> None:
    async with running() as rig:
        reader, writer = await logged_in(rig)
        rig.accounts.removed = True
        writer.write(command + b"\r\nNOOP\r\n")
        transcript = await reader.read()
        writer.close()

    assert transcript == b"535 5.7.8 This login has ended; connect and log in again\r\n"


def log_in_anew_under_tls(rig: Rig) -> list[int]:
    with smtplib.SMTP("127.0.0.1", rig.port, local_hostname="c.example", timeout=20) as client:
        codes = [client.login(USERNAME, PASSWORD)[0], client.starttls(context=rig.client_context)[0]]
        rig.accounts.removed = True
        codes += [client.ehlo()[0], client.login(USERNAME, PASSWORD)[0]]
        rig.accounts.removed = False
        codes.append(client.mail("b@news.example.com")[0])
    return codes


@on_each_loop
async def test_a_login_in_the_clear_is_forgotten_under_tls_and_its_end_ends_nothing(running: Start) -> None:
    async with running() as rig:
        assert await asyncio.to_thread(log_in_anew_under_tls, rig) == [235, 220, 250, 235, 250]


@pytest.mark.parametrize("command", [b"RCPT TO:<c@d.example>", b"DATA", b"BDAT 3 LAST"])
@on_each_loop
async def test_a_transaction_of_a_removed_user_does_not_go_on(running: Start, command: bytes) -> None:
    async with running() as rig:
        reader, writer = await logged_in(rig, b"MAIL FROM:<a@news.example.com>\r\nRCPT TO:<a@b.example>\r\n")
        await reader.readuntil(b"250 2.1.5 Recipient ok\r\n")
        rig.accounts.removed = True
        writer.write(command + b"\r\n")
        transcript = await reader.read()
        writer.close()

    assert transcript.startswith(b"535 5.7.8 ")
    assert len(transcript.splitlines()) == 1


@on_each_loop
async def test_a_user_removed_while_the_text_is_on_its_way_is_stopped_at_its_end(running: Start) -> None:
    async with running() as rig:
        reader, writer = await logged_in(rig, SEND)
        await reader.readuntil(b"354 ")
        rig.accounts.removed = True
        writer.write(MESSAGE + b".\r\nQUIT\r\n")
        transcript = await reader.read()
        writer.close()

    assert [line[:9] for line in transcript.splitlines()[1:]] == [b"535 5.7.8"]
    assert rig.store.taken == []


@on_each_loop
async def test_an_address_that_proves_nobody_any_more_ends_its_session(running: Start) -> None:
    async with running() as rig:
        rig.accounts.own_address = "127.0.0.1"
        reader, writer = await asyncio.open_connection("127.0.0.1", rig.address_port)
        await reader.readline()
        rig.accounts.removed = True
        writer.write(b"EHLO c\r\n")
        transcript = await reader.read()
        writer.close()

    assert transcript.startswith(b"554 5.7.1 ")
    assert len(transcript.splitlines()) == 1


@on_each_loop
async def test_a_changed_user_sends_by_what_it_may_now(running: Start) -> None:
    async with running() as rig:
        reader, writer = await logged_in(rig, SEND)
        await reader.readuntil(b"354 ")
        rig.accounts.now = msgspec.structs.replace(PRINCIPAL, allowed_from=("@news.example.com",))
        writer.write(MESSAGE + b".\r\nQUIT\r\n")
        await reader.read()
        writer.close()

    assert [submission.principal for submission in rig.store.taken] == [rig.accounts.now]
    assert rig.accounts.uses == [("127.0.0.1", False)]


@on_each_loop
async def test_a_user_held_to_tls_is_told_so_once_it_is_known_to_be_that_user(running: Start) -> None:
    async with running() as rig:
        rig.accounts.needs_tls = True
        wrong = await rig.talk(LOGIN.replace(b"AGFw", b"AGJw") + b"QUIT\r\n")
        right = await rig.talk(LOGIN + b"MAIL FROM:<a@news.example.com>\r\nQUIT\r\n")

    assert b"\r\n535 5.7.8 " in wrong
    assert b"\r\n538 5.7.11 This user logs in over encrypted connections only; use TLS\r\n530 " in right


@on_each_loop
async def test_octets_behind_starttls_in_the_clear_are_dropped(running: Start) -> None:
    async with running() as rig:
        reader, writer = await asyncio.open_connection("127.0.0.1", rig.port)
        await reader.readline()
        writer.write(b"EHLO c\r\nSTARTTLS\r\nEHLO injected\r\n")
        await reader.readuntil(b"220 2.0.0 Begin the handshake\r\n")
        await writer.start_tls(rig.client_context, server_hostname="127.0.0.1")
        writer.write(b"NOOP\r\nQUIT\r\n")
        transcript = await reader.read()
        writer.close()

    assert [line[:9] for line in transcript.splitlines()] == [b"250 2.0.0", b"221 2.0.0"]


@on_each_loop
async def test_commands_sent_with_the_end_of_the_handshake_are_not_lost(running: Start) -> None:
    async with running() as rig:
        for _ in range(20):
            reader, writer = await asyncio.open_connection("127.0.0.1", rig.port)
            await reader.readline()
            writer.write(b"EHLO c\r\nSTARTTLS\r\n")
            await reader.readuntil(b"220 2.0.0 Begin the handshake\r\n")
            await writer.start_tls(rig.client_context, server_hostname="127.0.0.1")
            writer.write(LOGIN + b"QUIT\r\n")
            assert last_line(await reader.read()).startswith("221 ")
            writer.close()


@pytest.mark.parametrize("tls", [False, True])
@pytest.mark.parametrize("split", [False, True])
@on_each_loop
async def test_a_proxy_header_names_the_client_before_tls_and_after(running: Start, tls: bool, split: bool) -> None:
    async with running(proxy_protocol_from=["127.0.0.0/8"]) as rig:
        transcript = await asyncio.to_thread(proxied, rig, tls, split)

    assert transcript.splitlines()[-1].startswith(b"221 ")
    assert rig.accounts.asked == [(USERNAME, "2001:db8::7", tls)]


def proxied(rig: Rig, tls: bool, split: bool) -> bytes:
    """Talk through a header that comes in the same segment as what follows it, unless ``split``."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    layer = rig.client_context.wrap_bio(incoming, outgoing, server_hostname="127.0.0.1")
    header = b"PROXY TCP6 2001:db8::7 2001:db8::1 4000 587\r\n"
    with socket.create_connection(("127.0.0.1", rig.tls_port if tls else rig.port)) as connection:
        connection.settimeout(10)
        if not tls:
            if split:
                connection.sendall(header)
                header = b""
            connection.sendall(header + LOGIN + b"QUIT\r\n")
            return b"".join(iter(lambda: connection.recv(4096), b""))
        if split:
            connection.sendall(header)
        with contextlib.suppress(ssl.SSLWantReadError):
            layer.do_handshake()
        connection.sendall((b"" if split else header) + outgoing.read())
        while True:
            incoming.write(connection.recv(65536))
            with contextlib.suppress(ssl.SSLWantReadError):
                layer.do_handshake()
                break
        layer.write(LOGIN + b"QUIT\r\n")
        connection.sendall(outgoing.read())
        transcript = b""
        while b"\r\n221 " not in transcript:
            try:
                transcript += layer.read(65536)
            except ssl.SSLWantReadError:
                incoming.write(connection.recv(65536))
        return transcript


@on_each_loop
async def test_without_its_network_named_a_proxy_header_is_an_unknown_command(running: Start) -> None:
    async with running() as rig:
        transcript = await rig.talk(b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\nQUIT\r\n")

    assert b"\r\n500 5.5.1 " in transcript


@on_each_loop
async def test_a_client_beyond_its_number_of_sessions_is_turned_away(running: Start) -> None:
    async with running(max_sessions_per_address=2) as rig:
        open_sessions = [await asyncio.open_connection("127.0.0.1", rig.port) for _ in range(2)]
        for reader, _ in open_sessions:
            await reader.readline()

        assert (await rig.talk()).startswith(b"421 4.7.0 ")

        for _, writer in open_sessions:
            writer.close()
            await writer.wait_closed()
        assert (await rig.talk(b"QUIT\r\n")).startswith(b"220 ")


@on_each_loop
async def test_more_text_than_the_worker_may_hold_gets_452(running: Start) -> None:
    async with running(max_bytes_in_flight=1_048_576) as rig:
        big = b"Subject: x\r\n\r\n" + (b"x" * 70 + b"\r\n") * 20_000
        transcript = await rig.talk(LOGIN + SEND, big + b".\r\nQUIT\r\n")
        declared = await rig.talk(LOGIN + b"MAIL FROM:<a@news.example.com> SIZE=2000000\r\nQUIT\r\n")

    assert b"\r\n452 4.3.1 " in transcript
    assert b"\r\n452 4.3.1 " in declared
    assert rig.store.taken == []


@on_each_loop
async def test_a_large_message_arrives_whole(running: Start) -> None:
    async with running() as rig:
        big = b"Subject: x\r\n\r\n" + (b"." + b"x" * 70 + b"\r\n") * 40_000
        await asyncio.to_thread(send_raw, rig, big)

    assert [submission.content for submission in rig.store.taken] == [big]


def send_raw(rig: Rig, content: bytes) -> None:
    with smtplib.SMTP_SSL("127.0.0.1", rig.tls_port, context=rig.client_context) as client:
        client.login(USERNAME, PASSWORD)
        client.sendmail("a@news.example.com", ["b@example.net"], content)


@on_each_loop
async def test_a_silent_client_is_told_and_left(running: Start) -> None:
    async with running(command_timeout_s=0.2) as rig:
        transcript = await rig.talk(b"EHLO c\r\n")

    assert last_line(transcript).startswith("421 4.4.2 ")


@on_each_loop
async def test_a_client_that_drips_octets_of_a_command_is_timed_out_all_the_same(running: Start) -> None:
    async with running(command_timeout_s=0.4) as rig:
        reader, writer = await asyncio.open_connection("127.0.0.1", rig.port)
        dripping = asyncio.create_task(drip(writer))
        transcript = await asyncio.wait_for(reader.read(), 5)
        dripping.cancel()
        writer.close()

    assert last_line(transcript).startswith("421 4.4.2 ")


async def drip(writer: asyncio.StreamWriter) -> None:
    while True:
        writer.write(b"N")
        await asyncio.sleep(0.05)


@on_each_loop
async def test_a_message_that_takes_too_long_is_given_up(running: Start) -> None:
    async with running(transaction_timeout_s=0.3) as rig:
        transcript = await rig.talk(LOGIN + SEND + b"Subject: never ends\r\n")

    assert last_line(transcript).startswith("421 4.4.2 ")
    assert rig.store.taken == []


@on_each_loop
async def test_stopping_finishes_the_message_under_way_and_turns_the_idle_away(running: Start) -> None:
    async with running() as rig:
        rig.store.gate.clear()
        idle = asyncio.create_task(rig.talk(b"EHLO c\r\n"))
        busy = asyncio.create_task(rig.talk(LOGIN + SEND + b"Subject: x\r\n\r\n.\r\n"))
        await asyncio.wait_for(rig.store.arrived.wait(), 5)
        stopping = asyncio.create_task(rig.listener.stop(10))

        assert last_line(await idle).startswith("421 4.3.2 ")
        assert not stopping.done()
        rig.store.gate.set()
        *_, accepted, goodbye = (await busy).decode().splitlines()
        await stopping

    assert accepted.startswith("250 2.0.0 Accepted as ")
    assert goodbye.startswith("421 4.3.2 ")


@on_each_loop
async def test_stopping_does_not_wait_beyond_its_grace(running: Start) -> None:
    async with running() as rig:
        talk = asyncio.create_task(rig.talk(LOGIN + SEND + b"Subject: never ends\r\n"))
        while not rig.accounts.asked:
            await asyncio.sleep(0.01)
        await asyncio.wait_for(rig.listener.stop(0.1), 5)

        with contextlib.suppress(ConnectionResetError):
            assert last_line(await talk).startswith("421 4.3.2 ")


@on_each_loop
async def test_an_address_without_a_user_is_refused_at_the_greeting(running: Start) -> None:
    async with running() as rig:
        assert (await rig.talk(port=rig.address_port)).startswith(b"554 5.7.1 ")


@on_each_loop
async def test_a_client_that_vanishes_while_its_message_is_stored_harms_nobody(running: Start) -> None:
    async with running() as rig:
        rig.store.gate.clear()
        _, writer = await asyncio.open_connection("127.0.0.1", rig.port)
        writer.write(LOGIN + SEND + b"Subject: x\r\n\r\n.\r\n")
        await asyncio.wait_for(rig.store.arrived.wait(), 5)
        writer.transport.abort()
        rig.store.gate.set()
        while not rig.store.taken:
            await asyncio.sleep(0.01)

        assert last_line(await rig.talk(b"QUIT\r\n")).startswith("221 ")


@on_each_loop
async def test_the_capture_sink_takes_mail_from_anybody_for_anybody(authority: trustme.CA) -> None:
    kept: list[tuple[str, tuple[str, ...], bytes, int]] = []

    async def store(reverse_path: str, recipients: tuple[str, ...], content: bytes, received_at: int) -> None:
        kept.append((reverse_path, recipients, content, received_at))

    rig = Rig(SmtpSettings(), authority)
    sink = CaptureListener(
        SmtpSettings(), store, hostname=HOSTNAME, tls_context=rig.server_context, clock=lambda: 1_800_000_000_000
    )
    bound = socket.create_server(("127.0.0.1", 0))
    await sink.start([bound])
    port = bound.getsockname()[1]
    client = aiosmtplib.SMTP(
        hostname="127.0.0.1", port=port, start_tls=True, tls_context=rig.client_context, timeout=10
    )
    async with client:
        await client.sendmail("", ["x@one.example", "y@two.example"], MESSAGE)
    await sink.stop(5)

    assert kept == [("", ("x@one.example", "y@two.example"), MESSAGE, 1_800_000_000_000)]


@on_each_loop
async def test_text_that_comes_too_slowly_is_given_up(running: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "_RATE_GRACE_S", 0.3)
    async with running(min_data_rate=100_000) as rig:
        reader, writer = await asyncio.open_connection("127.0.0.1", rig.port)
        writer.write(LOGIN + SEND)
        dripping = asyncio.create_task(drip(writer))
        transcript = await asyncio.wait_for(reader.read(), 5)
        dripping.cancel()
        writer.close()

    assert last_line(transcript).startswith("421 4.4.2 ")
    assert rig.store.taken == []


@on_each_loop
async def test_a_client_that_does_not_read_its_replies_is_not_read_either(running: Start) -> None:
    async with running(max_idle_commands=100_000) as rig:
        _, writer = await asyncio.open_connection("127.0.0.1", rig.port, limit=1024)
        writer.transport.set_write_buffer_limits(high=1024)
        help_me = b"EHLO client\r\n" * 1000
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1):
                while True:
                    writer.write(help_me)
                    await writer.drain()

        writer.transport.abort()
        # Another client does not notice.
        assert last_line(await rig.talk(b"QUIT\r\n")).startswith("221 ")


@on_each_loop
async def test_sessions_that_share_the_budget_give_it_back(running: Start) -> None:
    async with running(max_bytes_in_flight=1_048_576) as rig:
        rig.store.gate.clear()
        big = LOGIN + SEND + b"Subject: x\r\n\r\n" + (b"x" * 70 + b"\r\n") * 9000 + b".\r\nQUIT\r\n"
        first = asyncio.create_task(rig.talk(big))
        await asyncio.wait_for(rig.store.arrived.wait(), 5)
        second = await rig.talk(big)
        rig.store.gate.set()
        third_time_lucky = (await first, await rig.talk(big))

    assert b"\r\n452 4.3.1 " in second
    assert [b"\r\n250 2.0.0 Accepted" in transcript for transcript in third_time_lucky] == [True, True]


@on_each_loop
async def test_a_failed_handshake_leaves_nothing_behind(running: Start) -> None:
    async with running() as rig:
        assert await rig.talk(b"EHLO client\r\n" * 10, port=rig.tls_port) == b""
        _, writer = await asyncio.open_connection("127.0.0.1", rig.tls_port)
        writer.transport.abort()
        while len(rig.listener.roster):
            await asyncio.sleep(0.01)


@on_each_loop
async def test_a_load_balancer_that_says_nothing_is_left_soon(running: Start) -> None:
    async with running(proxy_protocol_from=["127.0.0.1"], handshake_timeout_s=0.2) as rig:
        assert await rig.talk() == b""
        assert await rig.talk(b"EHLO client\r\n") == b""


@on_each_loop
async def test_a_handshake_that_does_not_come_is_not_waited_for_long(running: Start) -> None:
    async with running(handshake_timeout_s=0.2) as rig:
        assert await rig.talk(port=rig.tls_port) == b""
        assert last_line(await rig.talk(b"EHLO client\r\nSTARTTLS\r\n")).startswith("220 2.0.0 ")


@pytest.mark.parametrize("proxies", [[], ["127.0.0.1"]], ids=["in-a-handshake", "before-one"])
@on_each_loop
async def test_a_node_that_stops_waits_for_no_handshake_and_says_nothing_in_the_clear(
    running: Start, proxies: list[str]
) -> None:
    async with running(proxy_protocol_from=proxies) as rig:
        reader, writer = await asyncio.open_connection("127.0.0.1", rig.tls_port)
        with contextlib.closing(writer):
            while not len(rig.listener.roster):
                await asyncio.sleep(0.01)
            async with asyncio.timeout(5):
                await rig.listener.stop(60)

            with contextlib.suppress(ConnectionResetError):
                assert await reader.read() == b""


@on_each_loop
async def test_connections_beyond_the_number_of_sessions_are_turned_away(running: Start) -> None:
    async with running(max_sessions=1) as rig:
        reader, writer = await asyncio.open_connection("127.0.0.1", rig.port)
        await reader.readline()

        assert (await rig.talk()).startswith(b"421 4.7.0 ")
        assert await rig.talk(port=rig.tls_port) == b""
        writer.close()
        await writer.wait_closed()


HELD = Rejected("some_rule", "5.6.0", "No.", hold_s=60.0)


async def held_back(rig: Rig) -> None:
    """Wait until the one refusal is being held back: its message has been let go of by then."""
    await asyncio.wait_for(rig.store.arrived.wait(), 10)
    async with asyncio.timeout(10):
        while rig.listener.budget.used:
            await asyncio.sleep(0.01)


@on_each_loop
async def test_a_refusal_that_is_held_back_keeps_neither_its_message_nor_others_nor_the_node_waiting(
    running: Start,
) -> None:
    message = LOGIN + SEND + MESSAGE + b".\r\nQUIT\r\n"
    async with running() as rig:
        rig.store.verdict = HELD
        held = asyncio.create_task(rig.talk(message))
        await held_back(rig)
        assert not held.done()
        rig.store.verdict = None
        assert b"250 2.0.0 Accepted" in await rig.talk(message)
        assert len(rig.listener.roster) == 1

        await asyncio.wait_for(rig.listener.stop(30), 10)

        assert b"550 5.6.0 No." in await held


@on_each_loop
async def test_a_connection_that_is_lost_while_it_is_held_back_is_gone_at_once(running: Start) -> None:
    async with running() as rig:
        rig.store.verdict = HELD
        _, writer = await asyncio.open_connection("127.0.0.1", rig.port)
        # Closing resets: behind a mere end of what it sends, a client may still read the reply.
        client = writer.get_extra_info("socket")
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.write(LOGIN + SEND + MESSAGE + b".\r\n")
        await held_back(rig)
        writer.close()
        async with asyncio.timeout(10):
            while len(rig.listener.roster):
                await asyncio.sleep(0.01)


@on_each_loop
async def test_a_refusal_is_said_when_it_was_held_back_long_enough_and_the_session_goes_on(running: Start) -> None:
    async with running() as rig:
        rig.store.verdict = msgspec.structs.replace(HELD, hold_s=0.3)
        began_at = asyncio.get_running_loop().time()
        transcript = await rig.talk(LOGIN + SEND + MESSAGE + b".\r\nNOOP\r\nQUIT\r\n")

        assert asyncio.get_running_loop().time() - began_at >= 0.3
    assert transcript.decode().splitlines()[-3:] == [
        "550 5.6.0 No.",
        "250 2.0.0 Ok",
        f"221 2.0.0 {HOSTNAME} closes the connection",
    ]

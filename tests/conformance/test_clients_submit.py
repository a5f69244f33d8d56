"""Unmodified clients of other people submit mail to a running node, which delivers it signed."""

import asyncio
import smtplib
import ssl
import subprocess
from collections.abc import Callable, Iterator
from email.message import EmailMessage

import aiosmtplib
import pytest

from tests.peers.ports import LOOPBACK
from tests.peers.programs import path_of
from tests.peers.sink import DumpedMessage, Sink
from tests.scenarios.product import DOMAIN, PASSWORD, USERNAME, Product

RECIPIENT = "someone@there.example"
BODY = "first line\r\n.a line with a dot before it\r\n\r\nlast line\r\n"
CLIENT_S = 30

Client = Callable[[int, str], None]
"""Sends a message with a subject to a submission port."""


def trusting_context() -> ssl.SSLContext:
    """Return a context that takes the node's self-made certificate."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def content(subject: str) -> bytes:
    return f"From: App <{USERNAME}>\r\nTo: <{RECIPIENT}>\r\nSubject: {subject}\r\n\r\n{BODY}".encode()


def smtplib_over_tls(port: int, subject: str) -> None:
    with smtplib.SMTP(LOOPBACK, port, timeout=CLIENT_S) as client:
        client.starttls(context=trusting_context())
        client.login(USERNAME, PASSWORD)
        client.sendmail(USERNAME, [RECIPIENT], content(subject))


def smtplib_in_clear(port: int, subject: str) -> None:
    with smtplib.SMTP(LOOPBACK, port, timeout=CLIENT_S) as client:
        client.login(USERNAME, PASSWORD)
        client.sendmail(USERNAME, [RECIPIENT], content(subject))


def smtplib_login_in_three_steps(port: int, subject: str) -> None:
    with smtplib.SMTP(LOOPBACK, port, timeout=CLIENT_S) as client:
        client.ehlo()
        client.user, client.password = USERNAME, PASSWORD
        assert client.auth("LOGIN", client.auth_login, initial_response_ok=False)[0] == 235
        client.sendmail(USERNAME, [RECIPIENT], content(subject))


def aiosmtplib_over_tls(port: int, subject: str) -> None:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = USERNAME, RECIPIENT, subject
    message.set_content(BODY.replace("\r\n", "\n"))
    sending = aiosmtplib.send(
        message,
        hostname=LOOPBACK,
        port=port,
        start_tls=True,
        tls_context=trusting_context(),
        username=USERNAME,
        password=PASSWORD,
        timeout=CLIENT_S,
    )
    asyncio.run(sending)


def curl_over_tls(port: int, subject: str) -> None:
    run(
        *(
            path_of("curl"),
            "--silent",
            "--show-error",
            "--ssl-reqd",
            "--insecure",
            "--url",
            f"smtp://{LOOPBACK}:{port}",
        ),
        *("--user", f"{USERNAME}:{PASSWORD}", "--mail-from", USERNAME, "--mail-rcpt", RECIPIENT, "--upload-file", "-"),
        given=content(subject),
    )


def swaks_with(*options: str) -> Client:
    def send(port: int, subject: str) -> None:
        run(
            *(path_of("swaks"), "--server", LOOPBACK, "--port", str(port), "--from", USERNAME, "--to", RECIPIENT),
            *("--auth-user", USERNAME, "--auth-password", PASSWORD, "--data", "-", *options),
            given=content(subject),
        )

    return send


def run(*command: str, given: bytes) -> None:
    done = subprocess.run(command, input=given, capture_output=True, timeout=CLIENT_S, check=False)
    assert done.returncode == 0, (done.stdout + done.stderr).decode()


def smtplib_under_tls(port: int, subject: str) -> None:
    with smtplib.SMTP_SSL(LOOPBACK, port, timeout=CLIENT_S, context=trusting_context()) as client:
        client.login(USERNAME, PASSWORD)
        client.sendmail(USERNAME, [RECIPIENT], content(subject))


def aiosmtplib_under_tls(port: int, subject: str) -> None:
    sending = aiosmtplib.send(
        content(subject),
        sender=USERNAME,
        recipients=[RECIPIENT],
        hostname=LOOPBACK,
        port=port,
        use_tls=True,
        tls_context=trusting_context(),
        username=USERNAME,
        password=PASSWORD,
        timeout=CLIENT_S,
    )
    asyncio.run(sending)


def curl_under_tls(port: int, subject: str) -> None:
    run(
        *(path_of("curl"), "--silent", "--show-error", "--insecure", "--url", f"smtps://{LOOPBACK}:{port}"),
        *("--user", f"{USERNAME}:{PASSWORD}", "--login-options", "AUTH=LOGIN"),
        *("--mail-from", USERNAME, "--mail-rcpt", RECIPIENT, "--upload-file", "-"),
        given=content(subject),
    )


UNDER_TLS = [
    pytest.param(smtplib_under_tls, id="smtplib"),
    pytest.param(aiosmtplib_under_tls, id="aiosmtplib"),
    pytest.param(curl_under_tls, id="curl", marks=pytest.mark.peer("curl")),
    pytest.param(swaks_with("--tls-on-connect", "--auth", "LOGIN"), id="swaks", marks=pytest.mark.peer("swaks")),
]
"""Clients that begin with a handshake, as on port 465."""
CLIENTS = [
    pytest.param(smtplib_over_tls, id="smtplib-starttls"),
    pytest.param(smtplib_in_clear, id="smtplib-clear"),
    pytest.param(smtplib_login_in_three_steps, id="smtplib-login-without-initial-response"),
    pytest.param(aiosmtplib_over_tls, id="aiosmtplib-starttls"),
    pytest.param(curl_over_tls, id="curl-starttls", marks=pytest.mark.peer("curl")),
    *(
        pytest.param(swaks_with(*options), id=name, marks=pytest.mark.peer("swaks"))
        for name, options in {
            "swaks-starttls-plain": ("--tls", "--auth", "PLAIN"),
            "swaks-starttls-login": ("--tls", "--auth", "LOGIN"),
            "swaks-pipelined": ("--pipeline", "--auth", "PLAIN"),
        }.items()
    ),
]


@pytest.fixture(scope="module")
def sink() -> Iterator[Sink]:
    with Sink(keep_messages=True) as running:
        yield running


@pytest.fixture(scope="module")
def node(sink: Sink, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    product = Product(tmp_path_factory.mktemp("node"), smarthost_port=sink.port, workers=1)
    product.prepare()
    with product:
        yield product


@pytest.mark.peer("smtp-sink")
@pytest.mark.parametrize("client", CLIENTS)
def test_a_client_submits_and_the_message_arrives_signed(client: Client, node: Product, sink: Sink) -> None:
    assert_arrives(client, node.submission_port, sink)


@pytest.mark.peer("smtp-sink")
@pytest.mark.parametrize("client", UNDER_TLS)
def test_a_client_submits_under_tls_from_the_first_octet(client: Client, node: Product, sink: Sink) -> None:
    assert_arrives(client, node.submission_tls_port, sink)


def assert_arrives(client: Client, port: int, sink: Sink) -> None:
    before = sink.count()
    subject = f"message {before + 1}"

    client(port, subject)
    sink.wait_for(before + 1)

    [message] = [message for message in sink.messages() if f"Subject: {subject}\n".encode() in message.content]
    assert [f"<{RECIPIENT}>"] == [recipient.split(" ")[0] for recipient in message.recipients]
    assert body_of(message).rstrip() == BODY.replace("\r\n", "\n").rstrip()
    assert f"d={DOMAIN};".encode() in signature_of(message)


def body_of(message: DumpedMessage) -> str:
    return message.content.partition(b"\n\n")[2].decode()


def signature_of(message: DumpedMessage) -> bytes:
    header = message.content.partition(b"\n\n")[0].replace(b"\n\t", b" ").replace(b"\n ", b" ")
    return next(line for line in header.split(b"\n") if line.lower().startswith(b"dkim-signature:"))

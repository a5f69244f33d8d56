"""The rig itself: a test that leans on a peer is worth only as much as the peer's set-up."""

import base64
import signal
import smtplib
import ssl
import subprocess
import sys
from pathlib import Path

import dkim
import pytest

from tests.peers import ports
from tests.peers.opendkim import OpenDkim
from tests.peers.postfix import Postfix, receiving_server, submission_relay
from tests.peers.processes import every_process, kill_tree, tree
from tests.peers.programs import PACKAGES, missing, why_missing
from tests.peers.sink import Sink

MESSAGE = b"From: app@peer.example\r\nTo: you@there.example\r\nSubject: hello\r\n\r\nline one\r\n.dot\r\n"


def send(port: int, recipient: str = "you@there.example", context: ssl.SSLContext | None = None) -> None:
    with smtplib.SMTP(ports.LOOPBACK, port, local_hostname="client.example", timeout=10) as client:
        if context:
            client.starttls(context=context)
        client.sendmail("app@peer.example", [recipient], MESSAGE)


def context_for(server: Postfix) -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname = False
    server.authority.configure_trust(context)
    return context


def test_a_peer_that_is_not_installed_is_named_with_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.peers.programs._SEARCH_PATH", "/nonexistent")

    assert list(PACKAGES) == missing(PACKAGES)
    assert why_missing("opendkim-testmsg") == "opendkim-testmsg is not installed (Debian packages: opendkim-tools)"


def test_a_port_is_given_to_one_process_only() -> None:
    mine, free = ports.free_ports(2)
    code = (
        "import itertools, sys; from tests.peers import ports; "
        "ports._candidates = itertools.cycle(map(int, sys.argv[1:])); print(ports.free_port())"
    )
    also_free = next(port for port in range(30_000, 31_000) if ports._is_free(port))
    ran = subprocess.run(
        [sys.executable, "-c", code, str(mine), str(free), str(also_free)], capture_output=True, text=True, check=True
    )

    assert int(ran.stdout) == also_free


@pytest.mark.parametrize(("ci", "outcome"), [("", "1 skipped"), ("true", "1 error")])
def test_a_missing_peer_skips_a_test_and_fails_it_in_ci(tmp_path: Path, ci: str, outcome: str) -> None:
    (tmp_path / "conftest.py").write_text(
        "from tests.peers.programs import pytest_runtest_setup as pytest_runtest_setup\n"
    )
    (tmp_path / "test_it.py").write_text("import pytest\n\n@pytest.mark.peer('swaks')\ndef test_it(): pass\n")
    (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers = peer\n")
    environment = {"PATH": "/nonexistent", "CI": ci, "PYTHONPATH": str(Path(__file__).parents[2])}
    command = [sys.executable, "-m", "pytest", "-ra", "-p", "no:cacheprovider", str(tmp_path)]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)

    assert outcome in done.stdout
    assert "swaks is not installed (Debian packages: swaks" in done.stdout
    assert (done.returncode != 0) == (ci == "true")


@pytest.mark.peer("smtp-sink")
def test_the_sink_counts_and_keeps_what_it_received() -> None:
    with Sink(keep_messages=True) as sink:
        send(sink.port)
        send(sink.port)
        sink.wait_for(2)
        kept = sink.messages()

    paths = [(message.mail_arguments.split(" ")[0], *message.recipients) for message in kept]
    assert paths == [("<app@peer.example>", "<you@there.example>")] * 2
    assert [MESSAGE.replace(b"\r\n", b"\n")] * 2 == [message.content for message in kept]


@pytest.mark.peer("postfix")
def test_the_receiving_server_speaks_starttls_and_delivers_to_its_maildir() -> None:
    with receiving_server(["there.example"]) as server:
        send(server.port, context=context_for(server))
        [message] = server.wait_for(1)
        directory = server.directory

    assert b"(using TLSv1.3 with cipher" in message
    assert message.endswith(MESSAGE.replace(b"\r\n", b"\n"))
    assert not directory.exists()


@pytest.mark.peer("postfix")
def test_the_receiving_server_refuses_mail_for_others() -> None:
    with receiving_server(["there.example"]) as server, pytest.raises(smtplib.SMTPRecipientsRefused):
        send(server.port, recipient="you@elsewhere.example")


@pytest.mark.peer("postfix", "opendkim", "smtp-sink")
def test_the_relay_passes_mail_on_with_a_valid_signature() -> None:
    with (
        Sink(keep_messages=True) as sink,
        OpenDkim("peer.example") as milter,
        submission_relay(next_hop_port=sink.port, milter=milter.milter) as relay,
    ):
        send(relay.port)
        sink.wait_for(1)
        [message] = sink.messages()
        record = b"v=DKIM1; k=rsa; p=" + base64.b64encode(milter.public_key)

    verified = dkim.verify(message.content.replace(b"\n", b"\r\n"), dnsfunc=lambda name, timeout=5: record)
    assert verified
    assert b"a=rsa-sha256; c=relaxed/relaxed; d=peer.example;\n\ts=peer;" in message.content


@pytest.mark.peer("postfix", "smtp-sink")
def test_the_relay_encrypts_at_both_doors() -> None:
    with Sink(keep_messages=True) as sink, submission_relay(next_hop_port=sink.port, milter=None) as relay:
        context = context_for(relay)
        send(relay.port, context=context)
        with smtplib.SMTP_SSL(ports.LOOPBACK, relay.tls_port, timeout=10, context=context) as client:
            client.sendmail("app@peer.example", ["you@there.example"], MESSAGE)
        sink.wait_for(2)


def test_killing_a_tree_reaches_descendants_in_sessions_of_their_own() -> None:
    child = "import time; time.sleep(60)"
    parent = (
        "import subprocess, sys, time\n"
        f"child = subprocess.Popen([sys.executable, '-c', {child!r}], start_new_session=True)\n"
        "print(child.pid, flush=True); time.sleep(60)"
    )
    process = subprocess.Popen([sys.executable, "-c", parent], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    with process:
        child_pid = int(process.stdout.readline())
        assert [stat.pid for stat in tree([process.pid])] == [process.pid, child_pid]

        kill_tree(process.pid)

    assert process.returncode == -signal.SIGKILL
    assert not any(stat.pid == child_pid and stat.is_alive for stat in every_process())

"""Private Postfix instances, apart from the system's: own configuration, queue, data, log and ports.

``receiving_server`` is what a user's mail meets at the other end: STARTTLS and a Maildir. ``submission_relay`` takes
mail from loopback, encrypted or not, has OpenDKIM sign it, queues it synced to disk and passes it on: what the benches
compare with. Both are run by Postfix's own ``master`` in the foreground, started by root, and leave nothing behind.
"""

import contextlib
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Self

import trustme

from tests.peers import ports
from tests.peers.processes import every_process
from tests.peers.programs import path_of

_HOSTNAME = "mx.peer.example"

# No service is chrooted: a chroot would need resolver and time zone files copied into the queue directory.
# postlog has to be there for maillog_file to work.
_MASTER = """\
127.0.0.1:{port}  inet      n - n - -  smtpd
cleanup           unix      n - n - 0  cleanup
qmgr              unix      n - n 300 1  qmgr
tlsmgr            unix      - - n 1000? 1  tlsmgr
rewrite           unix      - - n - -  trivial-rewrite
bounce            unix      - - n - 0  bounce
defer             unix      - - n - 0  bounce
trace             unix      - - n - 0  bounce
proxymap          unix      - - n - -  proxymap
smtp              unix      - - n - -  smtp
relay             unix      - - n - -  smtp
error             unix      - - n - -  error
retry             unix      - - n - -  error
discard           unix      - - n - -  discard
virtual           unix      - n n - -  virtual
anvil             unix      - - n - 1  anvil
scache            unix      - - n - 1  scache
showq             unix      n - n - -  showq
postlog           unix-dgram n - n - 1  postlogd
"""
_TLS_DOOR = "127.0.0.1:{port}  inet      n - n - -  smtpd -o smtpd_tls_wrappermode=yes\n"

_MAIN: Mapping[str, str] = {
    "compatibility_level": "3.6",
    "myhostname": _HOSTNAME,
    "myorigin": _HOSTNAME,
    "mydestination": "",
    "mynetworks": "127.0.0.0/8",
    "inet_protocols": "ipv4",
    "alias_maps": "",
    "alias_database": "",
    "biff": "no",
}

_QUEUE_DIRECTORIES = (
    *("active", "bounce", "corrupt", "defer", "deferred", "flush", "hold", "incoming", "private", "saved", "trace"),
)
_MAILDIR_OWNER = "nobody"


class Postfix:
    """One private instance; use it as a context manager."""

    def __init__(self, settings: Mapping[str, str], parent: Path | None = None) -> None:
        """Take main.cf settings beyond the basic ones, and where to put the instance's folder."""
        self.port = ports.free_port()
        # Not a test's tmp_path: Postfix's own users have to pass through every folder above.
        self.directory = Path(tempfile.mkdtemp(prefix="postfix-", dir=parent))
        self._settings = settings
        self.authority = trustme.CA()
        """Vouches for the certificate, where TLS is offered."""
        self._doors = _MASTER.format(port=self.port)

    def __enter__(self) -> Self:
        try:
            self._lay_out()
            self._process = subprocess.Popen(
                [self._master_path(), "-c", str(self._configuration), "-d"], start_new_session=True
            )
            ports.wait_until_listening(self.port, self._process)
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._end()

    @property
    def pid(self) -> int:
        """The master process; every other one is its child."""
        return self._process.pid

    @property
    def log(self) -> str:
        """Everything logged so far."""
        path = self.directory / "log" / "mail.log"
        return path.read_text() if path.exists() else ""

    def queued(self) -> int:
        """Return how many messages are in the queue."""
        queues = (self.directory / "queue" / name for name in ("incoming", "active", "deferred"))
        return sum(1 for queue in queues for path in queue.rglob("*") if path.is_file())

    @property
    def _configuration(self) -> Path:
        return self.directory / "etc"

    @staticmethod
    def _master_path() -> str:
        shown = subprocess.run(
            [path_of("postconf"), "-h", "daemon_directory"], check=True, capture_output=True, text=True
        )
        return str(Path(shown.stdout.strip(), "master"))

    def _lay_out(self) -> None:
        postfix = pwd.getpwnam("postfix").pw_uid
        self.directory.chmod(0o755)
        for name in ("etc", "log", "queue", "queue/pid"):
            (self.directory / name).mkdir(mode=0o755)
        owned = [f"queue/{name}" for name in _QUEUE_DIRECTORIES]
        for name in ("data", *owned, "queue/maildrop", "queue/public"):
            (self.directory / name).mkdir(mode=0o700)
            os.chown(self.directory / name, postfix, -1)
        folders = {
            "queue_directory": str(self.directory / "queue"),
            "data_directory": str(self.directory / "data"),
            "maillog_file": str(self.directory / "log" / "mail.log"),
            "maillog_file_prefixes": str(self.directory),
        }
        main = {**_MAIN, **folders, **self._settings}
        (self._configuration / "main.cf").write_text("".join(f"{name} = {value}\n" for name, value in main.items()))
        (self._configuration / "master.cf").write_text(self._doors)
        for name in ("main.cf", "master.cf"):
            # Postfix waits for seconds before it trusts a file that may still be being written.
            os.utime(self._configuration / name, (0, 0))

    def _encryption(self) -> dict[str, str]:
        """Write a certificate (ECDSA P-256) and return the settings that offer TLS with it."""
        certificate = self.directory / "certificate.pem"
        issued = self.authority.issue_cert(_HOSTNAME)
        issued.private_key_and_cert_chain_pem.write_to_path(str(certificate))
        certificate.chmod(0o600)
        return {"smtpd_tls_security_level": "may", "smtpd_tls_chain_files": str(certificate)}

    def _end(self) -> None:
        process = getattr(self, "_process", None)
        if process is not None:
            ports.stop(process)
            # master leaves its children to finish by themselves: end what is left of its process group.
            _end_group(process.pid)
        shutil.rmtree(self.directory)


class ReceivingServer(Postfix):
    """A Postfix that takes mail for some domains, offers STARTTLS, and keeps what it took."""

    def __init__(
        self, domains: Sequence[str], parent: Path | None = None, settings: Mapping[str, str] | None = None
    ) -> None:
        """Take the domains that it is the final destination of, and further settings of main.cf."""
        super().__init__({}, parent)
        self._mail = self.directory / "mail"
        owner = pwd.getpwnam(_MAILDIR_OWNER)
        self._mail.mkdir()
        os.chown(self._mail, owner.pw_uid, owner.pw_gid)
        self._settings = {
            "virtual_mailbox_domains": " ".join(domains),
            "virtual_mailbox_base": str(self._mail),
            "virtual_mailbox_maps": "static:inbox/",
            "virtual_uid_maps": f"static:{owner.pw_uid}",
            "virtual_gid_maps": f"static:{owner.pw_gid}",
            "mynetworks": "",
            # Nobody is local here, so that no missing header field is added.
            "local_header_rewrite_clients": "",
            "smtpd_relay_restrictions": "reject_unauth_destination",
            **self._encryption(),
            "smtpd_tls_loglevel": "1",
            "smtpd_tls_received_header": "yes",
            "smtputf8_enable": "yes",
            **(settings or {}),
        }

    def messages(self) -> list[bytes]:
        """Return the messages delivered so far, with the fields that Postfix put before them, and line feeds."""
        arrived = self._mail / "inbox" / "new"
        return [path.read_bytes() for path in sorted(arrived.iterdir())] if arrived.exists() else []

    def wait_for(self, count: int, timeout_s: float = 20) -> list[bytes]:
        """Wait until so many messages are delivered and return them; raises TimeoutError."""
        deadline = time.monotonic() + timeout_s
        while len(found := self.messages()) < count:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{len(found)} of {count} messages within {timeout_s} s; the log:\n{self.log}")
            time.sleep(0.05)
        return found


class SubmissionRelay(Postfix):
    """A Postfix that takes mail from loopback: at ``port`` in the clear or after STARTTLS, at ``tls_port`` under TLS."""

    def __init__(self, settings: Mapping[str, str], parent: Path | None = None) -> None:
        """Take main.cf settings beyond the basic ones, and where to put the instance's folder."""
        super().__init__({}, parent)
        self.tls_port = ports.free_port()
        self._settings = {**settings, **self._encryption()}
        self._doors += _TLS_DOOR.format(port=self.tls_port)


@contextlib.contextmanager
def receiving_server(
    domains: Sequence[str], parent: Path | None = None, settings: Mapping[str, str] | None = None
) -> Iterator[ReceivingServer]:
    """Run a Postfix that takes mail for ``domains`` on a free loopback port."""
    with ReceivingServer(domains, parent, settings) as server:
        yield server


RELAY_TUNING: Mapping[str, str] = {
    # A relay under load: as many daemons and parallel deliveries as the benches have sessions, all connections kept
    # (connection cache), no limits per client, and no brake on input when the queue grows (in_flow_delay). The queue
    # stays synced to disk, as Postfix always does.
    "default_process_limit": "100",
    "smtp_destination_concurrency_limit": "50",
    "relay_destination_concurrency_limit": "50",
    "initial_destination_concurrency": "20",
    "smtp_connection_cache_on_demand": "yes",
    "smtpd_client_connection_count_limit": "0",
    "smtpd_client_connection_rate_limit": "0",
    "in_flow_delay": "0",
}


@contextlib.contextmanager
def submission_relay(
    *,
    next_hop_port: int,
    milter: str | None,
    settings: Mapping[str, str] = RELAY_TUNING,
    parent: Path | None = None,
) -> Iterator[SubmissionRelay]:
    """Run a Postfix that passes all mail from loopback on to a port there, signed by a milter where one is given."""
    next_hop = f"[{ports.LOOPBACK}]:{next_hop_port}"
    relay = {
        "relayhost": next_hop,
        "smtp_connection_cache_destinations": next_hop,
        "smtp_tls_security_level": "none",
        "smtpd_relay_restrictions": "permit_mynetworks, reject",
        **settings,
    }
    if milter is not None:
        relay["smtpd_milters"] = milter
        relay["milter_default_action"] = "tempfail"
    with SubmissionRelay(relay, parent) as server:
        yield server


def _end_group(group: int) -> None:
    """End what a stopped master has left of its process group, politely first."""
    for signal_number in (signal.SIGTERM, signal.SIGKILL):
        deadline = time.monotonic() + 3
        while _is_alive(group) and time.monotonic() < deadline:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(group, signal_number)
            time.sleep(0.02)


def _is_alive(group: int) -> bool:
    return any(process.group == group and process.is_alive for process in every_process())

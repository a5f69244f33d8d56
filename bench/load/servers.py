"""The servers that are compared, each started for the bench in front of the same sink."""

import contextlib
import importlib.metadata
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import msgspec
from tests.peers.opendkim import OpenDkim
from tests.peers.postfix import submission_relay
from tests.peers.postgres import postgres_database
from tests.peers.programs import path_of
from tests.scenarios import product

DOMAIN = product.DOMAIN
SENDER = product.USERNAME


class Server(msgspec.Struct, frozen=True, kw_only=True):
    """A running server as the drivers see it."""

    name: str
    open_port: int
    """Takes mail without a login."""
    login_port: int
    login_tls_port: int
    """Under TLS from the first octet, as ``login_port`` is after STARTTLS."""
    username: str | None
    """None where nobody logs in at ``login_port`` either."""
    password: str
    pids: tuple[int, ...]
    """The roots of its process trees."""


@contextlib.contextmanager
def postroad(next_hop_port: int, folder: Path) -> Iterator[Server]:
    """Run this product: two workers, embedded database, everything on."""
    with _node("Postroad", next_hop_port, folder) as server:
        yield server


@contextlib.contextmanager
def postroad_on_postgres(next_hop_port: int, folder: Path) -> Iterator[Server]:
    """Run this product with PostgreSQL, whose processes count as its own."""
    with (
        postgres_database(folder) as database,
        _node("Postroad on PostgreSQL", next_hop_port, folder, database.url) as server,
    ):
        yield msgspec.structs.replace(server, pids=(*server.pids, database.pid))


@contextlib.contextmanager
def postfix(next_hop_port: int, folder: Path) -> Iterator[Server]:
    """Run Postfix with OpenDKIM as ``tests/peers/postfix.py`` tunes it.

    Nobody logs in: Postfix needs another server for that (Dovecot or saslauthd), whose cost is left out in its favour.
    """
    with (
        OpenDkim(DOMAIN) as milter,
        submission_relay(next_hop_port=next_hop_port, milter=milter.milter, parent=folder) as relay,
    ):
        yield Server(
            name="Postfix + OpenDKIM",
            open_port=relay.port,
            login_port=relay.port,
            login_tls_port=relay.tls_port,
            username=None,
            password="",
            pids=(relay.pid, milter.pid),
        )


SERVERS: dict[str, Callable[[int, Path], AbstractContextManager[Server]]] = {
    "postroad": postroad,
    "postfix": postfix,
    "postroad-postgres": postroad_on_postgres,
}
COMPARED = ("postroad", "postfix")
"""What is measured when nothing is asked for; the ratio is the first one's rate by the second one's."""


def versions() -> dict[str, str]:
    """Return the versions of everything that takes part."""
    shown = subprocess.run([path_of("postconf"), "-h", "mail_version"], check=True, capture_output=True, text=True)
    milter = subprocess.run([path_of("opendkim"), "-V"], check=False, capture_output=True, text=True)
    return {
        "Postroad": importlib.metadata.version("postroad"),
        "Python": sys.version.split()[0],
        "SQLite": _sqlite_version(),
        "Postfix": shown.stdout.strip(),
        "OpenDKIM": milter.stdout.split("\n")[0].rpartition(" v")[2].strip(),
    }


@contextlib.contextmanager
def _node(name: str, next_hop_port: int, folder: Path, database_url: str = "") -> Iterator[Server]:
    with tempfile.TemporaryDirectory(prefix="postroad-bench-", dir=folder) as directory:
        node = product.Product(Path(directory), smarthost_port=next_hop_port, database_url=database_url)
        node.prepare()
        node.run("smtp-user", "add", f"device@{DOMAIN}", "--address", "127.0.0.1/32")
        with node:
            yield Server(
                name=name,
                open_port=node.by_address_port,
                login_port=node.submission_port,
                login_tls_port=node.submission_tls_port,
                username=product.USERNAME,
                password=product.PASSWORD,
                pids=(node.pid,),
            )


def _sqlite_version() -> str:
    try:
        from pysqlite3 import dbapi2
    except ImportError:
        import sqlite3 as dbapi2
    version: str = dbapi2.sqlite_version
    return version

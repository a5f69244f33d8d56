"""What the kill tests have in common: how long they last, where the data lies, what has to hold at the end."""

import contextlib
import os
from collections.abc import Iterator

import pytest

from tests.peers.postgres import postgres_database
from tests.scenarios.ledger import Ledger

LOAD_S = float(os.environ.get("POSTROAD_CRASH_SECONDS", "5"))
"""How long mail is submitted while things are killed; ``make crash`` says longer."""
SETTLE_S = 100.0
"""The worst case: a node that was killed whole leaves leases behind that end when its workers have long been silent."""
ENOUGH = 100
"""Fewer accepted messages than these would not be a load."""

on_each_engine = pytest.mark.parametrize("engine", ["sqlite", "postgres"])


@contextlib.contextmanager
def database(engine: str) -> Iterator[str]:
    """Give the ``database.url`` for an engine, with a server of its own where it needs one."""
    if engine == "sqlite":
        yield ""
    else:
        with postgres_database() as server:
            yield server.url


def assert_promises_kept(ledger: Ledger) -> None:
    """Every accepted message has arrived, nothing else has, and each repeat is the doing of a kill."""
    summary = ledger.summary()
    assert len(ledger.answered) >= ENOUGH, summary
    assert ledger.lost() == set(), summary
    assert ledger.strangers() == set(), summary
    assert ledger.unexplained() == set(), summary
    assert ledger.mismatched == []
    # What may pass is said with 4xx: nothing was wrong with the mail itself.
    assert [reply for reply in ledger.refused.values() if not reply.startswith("4")] == []

"""What all tests share: missing peers are skipped by name, or fail in CI; logs are set up for one test at a time;
databases of both engines are there for the asking."""

from collections.abc import Iterator

import pytest
import structlog

from tests.databases import (
    empty_place,
    migrated_file,
    place,
    postgres_place,
    postgres_server,
    postgres_template,
    sqlite_place,
)
from tests.peers.programs import pytest_runtest_setup

__all__ = [
    "empty_place",
    "migrated_file",
    "place",
    "postgres_place",
    "postgres_server",
    "postgres_template",
    "pytest_runtest_setup",
    "sqlite_place",
]


@pytest.fixture(autouse=True)
def logs_set_back() -> Iterator[None]:
    """Undo what a test did to the logs: a command run in this process hides all below warnings."""
    yield
    structlog.reset_defaults()

"""What all tests share: missing peers are skipped by name, or fail in CI; logs are set up for one test at a time;
databases of both engines are there for the asking."""

import gc
from collections.abc import Iterator

import pytest
import structlog
from hypothesis import HealthCheck, settings

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

# How fast examples are made says more of what else the machine does than of a test.
settings.register_profile("patient", settings(), deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")

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


_DEALT_TO = 4


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Deal the modules out like cards: each process of pytest-xdist begins with neighbours, and slow modules are such."""
    modules = list(dict.fromkeys(item.path for item in items))
    hand = {path: number % _DEALT_TO for number, path in enumerate(modules)}
    items.sort(key=lambda item: hand[item.path])


def pytest_collection_finish() -> None:
    """Have the garbage collector pass over what was collected: thousands of tests that are there to the end."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def logs_set_back() -> Iterator[None]:
    """Undo what a test did to the logs: a command run in this process hides all below warnings."""
    yield
    structlog.reset_defaults()

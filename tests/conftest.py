"""What all tests share: missing peers are skipped by name, or fail in CI; logs are set up for one test at a time."""

from collections.abc import Iterator

import pytest
import structlog

from tests.peers.programs import pytest_runtest_setup

__all__ = ["pytest_runtest_setup"]


@pytest.fixture(autouse=True)
def logs_set_back() -> Iterator[None]:
    """Undo what a test did to the logs: a command run in this process hides all below warnings."""
    yield
    structlog.reset_defaults()

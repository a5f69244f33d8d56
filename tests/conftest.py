"""What all tests share: missing peers are skipped by name, or fail in CI."""

from tests.peers.programs import pytest_runtest_setup

__all__ = ["pytest_runtest_setup"]

"""A real database of each engine for every test, and ids that begin anew."""

from collections.abc import AsyncIterator

import pytest

from postroad.storage.database import Database
from postroad.storage.engine import open_database
from tests.storage.samples import NOW, Place, begin_ids_anew


@pytest.fixture(autouse=True)
def _first_ids() -> None:
    begin_ids_anew()


@pytest.fixture
async def database(place: Place) -> AsyncIterator[Database]:
    """An open database of each engine, whose clock stands at ``NOW``."""
    opened = await open_database(place.url, data_dir=place.data_dir, clock=lambda: NOW)
    yield opened
    await opened.close()

"""Country and city of an address by a file that an operator supplies, and by one that is none."""

from pathlib import Path

import pytest
from structlog.testing import capture_logs

from postroad.feedback.places import PlaceDatabase, Places, PlacesError
from postroad.model.tracking import NOWHERE, Place
from tests.mmdb import write_places

KOELN = {"203.0.113.0/24": ("DE", "Köln"), "198.51.100.0/25": ("FR", "")}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    write_places(tmp_path / "places.mmdb", KOELN)
    return tmp_path / "places.mmdb"


@pytest.mark.parametrize(
    ("address", "place"),
    [
        ("203.0.113.7", Place("DE", "Köln")),
        ("198.51.100.9", Place("FR")),
        ("198.51.100.200", NOWHERE),
        ("2001:db8::1", NOWHERE),
        ("", NOWHERE),
        ("unix", NOWHERE),
    ],
)
def test_an_address_has_the_place_that_the_file_says(path: Path, address: str, place: Place) -> None:
    database = PlaceDatabase(path)

    assert database.find(address) == place
    assert database.kind == "GeoLite2-City"


def test_a_file_that_is_overwritten_in_place_disturbs_nobody(path: Path) -> None:
    database = PlaceDatabase(path)
    path.write_bytes(b"")

    assert database.find("203.0.113.7") == Place("DE", "Köln")


def test_what_is_no_database_is_said_to_be_none(tmp_path: Path) -> None:
    (tmp_path / "text.mmdb").write_text("no database")

    with pytest.raises(PlacesError, match=r"text\.mmdb is no MaxMind database"):
        PlaceDatabase(tmp_path / "text.mmdb")


async def test_without_a_file_nobody_is_anywhere() -> None:
    places = Places("")
    await places.refresh()

    assert places.find("203.0.113.7") == NOWHERE


async def test_a_changed_file_is_read_anew_and_a_broken_one_is_complained_of_once_and_the_one_before_stays(
    path: Path,
) -> None:
    places = Places(str(path))
    with capture_logs() as logs:
        await places.refresh()
        await places.refresh()
        path.write_text("no database")
        await places.refresh()
        await places.refresh()
        assert places.find("203.0.113.7") == Place("DE", "Köln")
        write_places(path, {"203.0.113.0/24": ("AT", "Wien")})
        await places.refresh()
        assert places.find("203.0.113.7") == Place("AT", "Wien")
        path.unlink()
        await places.refresh()
        await places.refresh()

    assert places.find("203.0.113.7") == Place("AT", "Wien")
    assert [one["event"] for one in logs] == [
        "geo_database_read", "geo_database_not_read", "geo_database_read", "geo_database_not_read",
    ]  # fmt: skip

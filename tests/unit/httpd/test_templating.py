"""How values look in the console's templates."""

import pytest

from postroad.httpd.console.templating import shown_time


@pytest.mark.parametrize(("at", "year"), [(2**63 - 1, "9999"), (999_999_999_999_000, "9999"), (-(2**63), "0001")])
def test_instants_beyond_the_calendar_are_shown_as_its_nearest_end(at: int, year: str) -> None:
    assert f'datetime="{year}' in shown_time(at)

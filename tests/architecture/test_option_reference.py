"""The pages about message options name every header that is read."""

from pathlib import Path

import pytest

from postroad.dialects.headers.submission import known_headers

DOCS = Path(__file__).parents[2] / "docs"


@pytest.mark.parametrize("name", sorted(known_headers()))
def test_the_reference_names_each_header(name: str) -> None:
    assert f"`{name}`" in (DOCS / "reference" / "options.md").read_text("utf-8").lower()


@pytest.mark.parametrize("name", sorted(name for name in known_headers() if name.startswith("x-ov-")))
def test_the_guide_has_an_example_for_each_header(name: str) -> None:
    assert f'message["{name}"]' in (DOCS / "guides" / "message-options.md").read_text("utf-8").lower()

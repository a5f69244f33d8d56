"""What tests ask of every page: its address, that nothing on it fails, and that it fits the screen."""

import contextlib
from collections.abc import Iterator
from urllib.parse import urljoin

from playwright.sync_api import ConsoleMessage, Page

from tests.scenarios.dev import Dev

FITS = """() => document.documentElement.scrollWidth <= window.innerWidth
  && [...document.querySelectorAll("main .card *")].every((one) => one.closest(".visually-hidden, .tabs, table:not(.cards)")
    || one.getBoundingClientRect().right <= window.innerWidth)"""
"""Nothing reaches beyond the screen, not even cut off by the card around it."""


def at(dev: Dev, path: str) -> str:
    """Return the address of a page."""
    return urljoin(str(dev.facts["inbox"]), path)


@contextlib.contextmanager
def watched(page: Page) -> Iterator[Page]:
    """Hand on a page that may break no rule of its policy and raise no error."""
    errors: list[str] = []

    def note(said: ConsoleMessage) -> None:
        # A form that is shown again with what is wrong comes with 422, which Chromium reports like a fault.
        if said.type == "error" and "422" not in said.text:
            errors.append(said.text)

    page.on("console", note)
    page.on("pageerror", lambda error: errors.append(str(error)))
    yield page
    assert errors == []

"""Chromium and a ``postroad dev`` for each module, and the page of an admin."""

import itertools
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from tests.browser.pages import watched
from tests.browser.people import sign_in
from tests.peers.programs import path_of
from tests.scenarios.dev import Dev, running_dev

_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium, for no longer than a module: Playwright's own loop runs in this thread, in the way of async tests."""
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path=path_of("chromium-headless-shell"),
            args=["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"],
        )
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def dev(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dev]:
    with running_dev(tmp_path_factory.mktemp("browser")) as running:
        yield running


@pytest.fixture
def page(dev: Dev, browser: Browser) -> Iterator[Page]:
    """A page of an admin, which may break no rule of its policy."""
    context = browser.new_context(
        viewport={"width": 1280, "height": 900}, permissions=["clipboard-read", "clipboard-write"]
    )
    context.set_default_timeout(20_000)
    sign_in(dev, context, f"ada{next(_numbers)}@demo.example")
    with watched(context.new_page()) as opened:
        yield opened
    context.close()

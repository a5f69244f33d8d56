"""A lock-out is seen and released by clicking: by the admin of the account, and by an operator."""

import itertools
import os
import smtplib
import time

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.pages import at
from tests.browser.people import sign_in
from tests.scenarios.dev import Dev
from tests.waiting import within_promise

pytestmark = pytest.mark.peer("chromium-headless-shell")

_numbers = itertools.count(1)
OWN, ALL, USERS = "/credentials/lockouts", "/lockouts", "/credentials/smtp-users"
GUESSER, ELSEWHERE = "127.9.9.1", "127.8.8.1"


def page_of(dev: Dev, browser: Browser, *, is_operator: bool = False, width: int = 1280, scheme: str = "light") -> Page:
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)  # type: ignore[arg-type]
    context.set_default_timeout(20_000)
    sign_in(dev, context, f"person{next(_numbers)}@demo.example", is_operator=is_operator)
    return context.new_page()


def answer_to(dev: Dev, address: str, password: str) -> int:
    smtp = dev.facts["smtp"]
    with smtplib.SMTP(smtp["host"], int(smtp["port"]), timeout=20, source_address=(address, 0)) as client:
        client.ehlo()
        try:
            return client.login(smtp["username"], password)[0]
        except smtplib.SMTPAuthenticationError as refused:
            return refused.smtp_code


def guess_until_locked(dev: Dev) -> None:
    deadline = time.monotonic() + 30
    while answer_to(dev, GUESSER, f"Guess-{next(_numbers)}") != 454:
        assert time.monotonic() < deadline


def test_a_locked_user_and_a_locked_address_are_seen_and_released(dev: Dev, browser: Browser) -> None:
    name, password = dev.facts["smtp"]["username"], dev.facts["smtp"]["password"]
    page = page_of(dev, browser)
    page.goto(at(dev, OWN))
    expect(page.get_by_text("Nothing is locked")).to_be_visible()

    guess_until_locked(dev)
    within_promise(lambda: answer_to(dev, ELSEWHERE, password) == 454)

    row = page.get_by_role("row").filter(has_text=name)
    within_promise(lambda: page.reload() is not None and row.filter(has_text="Locked").count() > 0)
    expect(row).to_contain_text(GUESSER)
    page.goto(at(dev, USERS))
    row = page.get_by_role("row").filter(has_text=name)
    expect(row).to_contain_text("Locked")
    if folder := os.environ.get("POSTROAD_SCREENSHOTS"):
        page.screenshot(path=f"{folder}/smtp-users-locked.png", full_page=True)
        page.goto(at(dev, OWN))
        page.screenshot(path=f"{folder}/own-locked.png", full_page=True)
        page.goto(at(dev, USERS))
    row.get_by_role("button", name="Unlock").click()
    expect(page.get_by_text(f"{name} is not locked any more.")).to_be_visible()
    within_promise(lambda: answer_to(dev, ELSEWHERE, password) == 235)
    assert answer_to(dev, GUESSER, password) == 454
    page.context.close()

    page = page_of(dev, browser, is_operator=True)
    page.goto(at(dev, ALL))
    if folder:
        page.screenshot(path=f"{folder}/all-locked.png", full_page=True)
    page.get_by_role("button", name=f"Release {GUESSER}").click()
    expect(page.get_by_text(f"{GUESSER} was released")).to_be_visible()
    within_promise(lambda: answer_to(dev, GUESSER, password) == 235)
    page.context.close()


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 1280), ("light", 390)])
def test_the_pages_are_never_wider_than_the_screen(dev: Dev, browser: Browser, scheme: str, width: int) -> None:
    page = page_of(dev, browser, is_operator=True, scheme=scheme, width=width)
    for path in (OWN, ALL):
        page.goto(at(dev, path))
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), path
        if folder := os.environ.get("POSTROAD_SCREENSHOTS"):
            page.screenshot(path=f"{folder}/{path.strip('/').replace('/', '-')}-{scheme}-{width}.png", full_page=True)
    page.context.close()

"""The console's main work by keyboard alone: nothing here clicks, points or sets the focus."""

import re

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.pages import at
from tests.scenarios.dev import Dev

pytestmark = pytest.mark.peer("chromium-headless-shell")

USERS = "/credentials/smtp-users"
OTHER = "shop.example"
MOST_STOPS = 60


def focused(page: Page) -> Locator:
    return page.locator(":focus")


def tab_to(page: Page, wanted: Locator, key: str = "Tab") -> None:
    """Press Tab until the focus is there, and see that it can be seen there."""
    for _ in range(MOST_STOPS):
        page.keyboard.press(key)
        if wanted.evaluate("(one) => one === document.activeElement"):
            assert wanted.evaluate("(one) => getComputedStyle(one).outlineStyle !== 'none'"), "its focus is not shown"
            return
    raise AssertionError(f"{wanted} is not reached within {MOST_STOPS} stops")


def is_in_dialog(page: Page) -> bool:
    found: bool = page.evaluate("document.getElementById('dialog').contains(document.activeElement)")
    return found


def open_dialog(page: Page, opener: Locator, title: str) -> None:
    # Until the scripts are there a link opens a page of its own.
    page.wait_for_load_state()
    tab_to(page, opener)
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog", name=title)).to_be_visible()
    assert is_in_dialog(page)


def test_the_first_stop_skips_the_menu(dev: Dev, page: Page) -> None:
    page.goto(at(dev, USERS))
    page.keyboard.press("Tab")
    skip = page.get_by_role("link", name="Skip to the content")
    expect(skip).to_be_focused()
    expect(skip).to_be_in_viewport()

    page.keyboard.press("Enter")
    expect(page.locator("#main")).to_be_focused()
    page.keyboard.press("Tab")
    assert page.evaluate("document.getElementById('main').contains(document.activeElement)")


def test_the_focus_goes_round_within_a_dialog_and_comes_back(dev: Dev, page: Page) -> None:
    page.goto(at(dev, USERS))
    opener = page.get_by_role("link", name="Add user").first
    open_dialog(page, opener, "Add SMTP user")
    expect(page.get_by_label("User name")).to_be_focused()

    for key in ("Tab", "Shift+Tab"):
        stops = set()
        for _ in range(30):
            page.keyboard.press(key)
            # Between the last stop and the first is the browser's own bar, where the page has no focus at all.
            assert is_in_dialog(page) or page.evaluate("document.activeElement === document.body")
            stops.add(page.evaluate("document.activeElement.outerHTML"))
        assert any("Add user" in stop for stop in stops)

    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(opener).to_be_focused()


def test_a_user_is_added_and_removed(dev: Dev, page: Page) -> None:
    page.goto(at(dev, USERS))
    open_dialog(page, page.get_by_role("link", name="Add user").first, "Add SMTP user")
    page.keyboard.press("Control+A")
    page.keyboard.type("keys@demo.example")
    tab_to(page, page.get_by_label("Password", exact=True))
    page.keyboard.type("weak")
    page.keyboard.press("Enter")
    # What is wrong has the focus, and says it.
    expect(page.get_by_label("Password", exact=True)).to_be_focused()
    expect(focused(page)).to_have_accessible_description(re.compile("it has 4.*, a capital letter and a special"))

    tab_to(page, page.get_by_role("button", name="Generate"))
    page.keyboard.press("Space")
    tab_to(page, page.get_by_label("Note"))
    page.keyboard.type("By keys")
    tab_to(page, page.get_by_role("dialog").get_by_role("button", name="Add user"))
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog", name="SMTP user added")).to_be_visible()
    expect(page.get_by_role("heading", name="SMTP user added")).to_be_focused()

    page.keyboard.press("Escape")
    row = page.get_by_role("row").filter(has_text="By keys")
    expect(row).to_be_visible()
    # The page was loaded anew with what was added.
    expect(page.get_by_role("link", name="Add user").first).to_be_focused()

    open_dialog(page, row.get_by_role("link", name="Remove"), "Remove")
    tab_to(page, page.get_by_role("dialog").get_by_role("button", name="Remove"))
    page.keyboard.press("Enter")
    expect(row).to_have_count(0)


def test_a_webhook_is_added_with_its_format_and_types(dev: Dev, page: Page) -> None:
    page.goto(at(dev, "/webhooks"))
    open_dialog(page, page.get_by_role("link", name="Add webhook").first, "Add webhook")
    expect(page.get_by_label("Address", exact=True)).to_be_focused()
    page.keyboard.type("https://keys.example/events")
    tab_to(page, page.get_by_label("Format", exact=True))
    page.keyboard.type("Mailgun")
    page.keyboard.press("Tab")
    # What the format has no words for is no stop.
    expect(page.get_by_label("Held")).to_be_hidden()
    tab_to(page, page.get_by_role("button", name="None"))
    page.keyboard.press("Enter")
    tab_to(page, page.get_by_label("Bounced"), "Shift+Tab")
    page.keyboard.press("Space")
    tab_to(page, page.get_by_role("dialog").get_by_role("button", name="Add webhook"))
    page.keyboard.press("Enter")
    expect(page.get_by_role("status").first).to_contain_text("Events are posted to https://keys.example/events")
    expect(page.locator("main")).to_contain_text("Events of demo.example: bounced")


def test_the_persons_menu(dev: Dev, page: Page) -> None:
    page.goto(at(dev, "/"))
    menu, profile = page.get_by_label("Your menu"), page.get_by_role("link", name="Your profile")
    tab_to(page, menu)
    page.keyboard.press("Enter")
    expect(profile).to_be_visible()
    page.keyboard.press("Escape")
    expect(profile).to_be_hidden()
    expect(menu).to_be_focused()

    page.keyboard.press("Space")
    tab_to(page, page.get_by_role("button", name="Sign out"))
    page.keyboard.press("Tab")
    expect(profile).to_be_hidden()

    tab_to(page, menu, "Shift+Tab")
    page.keyboard.press("Enter")
    tab_to(page, profile)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Your profile")).to_be_visible()


def test_a_sending_domain_is_looked_for_before_it_is_chosen(dev: Dev, page: Page) -> None:
    add_domain(dev, page, OTHER)
    page.goto(at(dev, USERS))
    chosen = page.get_by_label("Sending domain")
    tab_to(page, chosen)
    # Each step of a closed list is a change in itself: it may not lead away before one has arrived.
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    expect(chosen).to_be_focused()
    expect(chosen.locator("option:checked")).to_have_text(OTHER)
    expect(page.get_by_role("button", name="Choose")).to_be_visible()
    page.keyboard.press("Enter")

    expect(page.get_by_role("button", name="Choose")).to_be_hidden()
    expect(page.get_by_label("Sending domain").locator("option[selected]")).to_have_text(OTHER)


def add_domain(dev: Dev, page: Page, name: str) -> None:
    page.goto(at(dev, "/domains/new"))
    tab_to(page, page.get_by_label("Domain", exact=True))
    page.keyboard.type(name)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name=name)).to_be_visible()


def test_the_menu_of_a_small_screen(dev: Dev, page: Page) -> None:
    page.set_viewport_size({"width": 390, "height": 800})
    page.goto(at(dev, "/"))
    button = page.get_by_role("button", name="Menu")
    tab_to(page, button)
    expect(button).to_have_attribute("aria-expanded", "false")
    page.keyboard.press("Enter")
    expect(button).to_have_attribute("aria-expanded", "true")
    assert page.evaluate("document.getElementById('side').contains(document.activeElement)")

    page.keyboard.press("Escape")
    expect(button).to_have_attribute("aria-expanded", "false")
    expect(button).to_be_focused()
    page.keyboard.press("Enter")
    tab_to(page, page.get_by_role("link", name="Credentials"))
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Credentials")).to_be_visible()

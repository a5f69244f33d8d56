"""API keys and domains by clicking: a key with an allowed range, its lock, and a domain with its records."""

import itertools
import json
import urllib.error
import urllib.request

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.pages import FITS, at
from tests.browser.people import sign_in
from tests.scenarios.dev import Dev
from tests.waiting import within_promise

pytestmark = pytest.mark.peer("chromium-headless-shell")

_numbers = itertools.count(1)


def call(dev: Dev, key: str) -> tuple[int, dict[str, object]]:
    """Ask what a key is, as a program on this machine."""
    request = urllib.request.Request(at(dev, "/api/postroad/v1/key"), headers={"Authorization": f"Bearer {key}"})
    try:
        with urllib.request.urlopen(request, timeout=10) as reply:
            return reply.status, json.load(reply)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


def test_an_api_key_with_an_allowed_range(dev: Dev, page: Page) -> None:
    page.goto(at(dev, "/credentials/api-keys"))
    page.get_by_role("link", name="Add key").click()
    page.get_by_label("Note").fill("Shop, production")
    page.get_by_label("Allowed addresses").fill("192.0.2.7/24")
    page.get_by_role("dialog").get_by_role("button", name="Add key").click()
    expect(page.get_by_role("alert")).to_contain_text("did you mean 192.0.2.0/24")

    page.get_by_label("Allowed addresses").fill("192.0.2.0/24, 2001:db8::/48")
    page.get_by_role("dialog").get_by_role("button", name="Add key").click()
    expect(page.get_by_role("heading", name="API key added")).to_be_visible()
    page.get_by_role("dialog").get_by_role("button", name="Copy prd_").click()
    key = page.evaluate("navigator.clipboard.readText()")
    status, problem = call(dev, key)
    assert (status, problem["detail"]) == (403, "This API key may not be used from 127.0.0.1.")

    page.get_by_role("button", name="Close").click()
    row = page.get_by_role("row").filter(has_text="Shop, production")
    expect(row).to_contain_text("2 addresses or ranges")
    assert key not in page.content()

    row.get_by_role("link", name="Allowed addresses").click()
    page.get_by_role("button", name="Add my address (127.0.0.1)").click()
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("status").first).to_contain_text("may be used from 3 addresses or ranges")
    within_promise(lambda: call(dev, key)[0] == 200)
    assert call(dev, key)[1]["note"] == "Shop, production"

    page.get_by_role("row").filter(has_text="Shop, production").get_by_role("link", name="Remove").click()
    page.get_by_role("dialog").get_by_role("button", name="Remove").click()
    expect(page.get_by_role("row").filter(has_text="Shop, production")).to_have_count(0)
    within_promise(lambda: call(dev, key)[0] == 401)


def test_a_domain_is_added_set_and_checked_in_place(dev: Dev, page: Page) -> None:
    page.goto(at(dev, "/domains"))
    page.get_by_role("link", name="Add domain").click()
    page.get_by_label("Domain", exact=True).fill("co.uk")
    page.get_by_role("dialog").get_by_role("button", name="Add domain").click()
    expect(page.get_by_role("alert")).to_contain_text("public suffix")
    page.get_by_label("Domain", exact=True).fill("news.initech.example")
    page.get_by_role("dialog").get_by_role("button", name="Add domain").click()
    expect(page).to_have_url(at(dev, "/domains/news.initech.example"), timeout=30_000)

    page.get_by_role("button", name="Copy postroad1._domainkey.news.initech.example").click()
    assert page.evaluate("navigator.clipboard.readText()") == "postroad1._domainkey.news.initech.example"
    page.get_by_role("button", name="Check now").click()
    expect(page.locator("#standing [role=status]").last).to_contain_text("required record", timeout=30_000)
    page.get_by_role("button", name="Check now").click()
    expect(page.get_by_text("was checked a moment ago")).to_be_visible()

    page.get_by_label("Keep content days").fill("7")
    page.get_by_role("button", name="Save settings").click()
    expect(page.get_by_role("status").first).to_contain_text("The settings were saved")
    expect(page.get_by_label("Keep content days")).to_have_value("7")


def test_what_was_typed_or_is_shown_once_is_not_lost_by_a_click_beside_the_dialog(dev: Dev, page: Page) -> None:
    page.goto(at(dev, "/credentials/api-keys"))
    dialog, beside = page.get_by_role("dialog"), (10, 600)
    page.get_by_role("link", name="Add key").first.click()
    expect(dialog).to_be_visible()
    page.mouse.click(*beside)
    expect(dialog).to_have_count(0)

    page.get_by_role("link", name="Add key").first.click()
    page.get_by_label("Note").fill("Kept")
    page.mouse.click(*beside)
    expect(page.get_by_label("Note")).to_have_value("Kept")
    # Two clicks in quick succession are one key, and the one that is shown.
    dialog.get_by_role("button", name="Add key").dblclick()
    expect(page.get_by_role("heading", name="API key added")).to_be_visible()
    shown = dialog.locator("code").first
    place = shown.bounding_box()
    assert place is not None
    page.mouse.move(place["x"] + 90, place["y"] + 8)
    page.mouse.down()
    page.mouse.move(*beside)
    page.mouse.up()
    page.mouse.click(*beside)
    expect(shown).to_contain_text("prd_")

    page.keyboard.press("Escape")
    expect(page.get_by_role("row").filter(has_text="Kept")).to_have_count(1)


def test_a_refused_setting_far_down_its_page_is_gone_to(dev: Dev, page: Page) -> None:
    page.goto(at(dev, "/domains/demo.example"))
    page.get_by_label("Hourly quota").fill("-5")
    page.get_by_role("button", name="Save settings").click()

    expect(page.get_by_role("alert")).to_be_in_viewport()
    expect(page.get_by_label("Hourly quota")).to_be_focused()


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 1280), ("light", 390)])
def test_the_pages_are_never_wider_than_the_screen(dev: Dev, browser: Browser, scheme: str, width: int) -> None:
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)  # type: ignore[arg-type]
    sign_in(dev, context, f"olga{next(_numbers)}@demo.example", is_operator=True)
    page = context.new_page()
    for path in (
        "/domains", "/domains/new", "/domains/demo.example", "/credentials/api-keys", "/credentials/api-keys/new",
        "/settings/signing-key", "/settings/signing-key/update", "/vetting",
    ):  # fmt: skip
        page.goto(at(dev, path))
        assert page.evaluate(FITS), path
    page.goto(at(dev, "/domains/demo.example"))
    page.get_by_role("button", name="Check now").click()
    expect(page.locator("#standing .note").first).to_be_visible(timeout=30_000)
    assert page.evaluate(FITS)
    context.close()


def test_a_page_of_one_account_does_nothing_in_another(dev: Dev, browser: Browser) -> None:
    context = browser.new_context()
    context.set_default_timeout(20_000)
    sign_in(dev, context, "tabs@demo.example", is_operator=True)
    early, other = context.new_page(), context.new_page()
    early.goto(at(dev, "/credentials/api-keys"))
    early.get_by_role("link", name="Add key").first.click()
    early.get_by_label("Note").fill("Of which account?")
    other.goto(at(dev, "/"))
    other.get_by_label("Account", exact=True).select_option(label="All accounts (operator)")
    other.wait_for_url("**/accounts")

    early.get_by_role("dialog").get_by_role("button", name="Add key").click()
    expect(early.get_by_role("dialog")).to_contain_text("Another account was chosen since this page was loaded")
    early.keyboard.press("Escape")
    early.get_by_role("link", name="Add key").first.click()
    early.wait_for_url("**/accounts")
    context.close()

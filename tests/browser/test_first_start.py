"""A new installation in a real browser: the first link, a password, two-factor authentication, signing in, inviting."""

import json
import re
import time
from collections.abc import Iterator
from pathlib import Path

import pyotp
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.pages import FITS, watched
from tests.scenarios.dev import running_dev
from tests.scenarios.product import Product

pytestmark = pytest.mark.peer("chromium-headless-shell")

PASSWORD = "seven quiet lanterns"


@pytest.fixture(scope="module")
def product(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    made = Product(tmp_path_factory.mktemp("first"), smarthost_port=None, workers=1)
    made.prepare()
    with made:
        yield made


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1200, "height": 900})
    with watched(context.new_page()) as opened:
        yield opened
    context.close()


def test_from_the_first_link_to_a_second_factor_and_an_invitation(product: Product, page: Page) -> None:
    operator = json.loads(product.run("migrate", "--json"))["operator"]
    page.goto(operator["link"])
    page.get_by_label("New password").fill("short")
    page.get_by_role("button", name="Set password").click()
    expect(page.get_by_role("alert")).to_contain_text("at least 12 characters")
    page.get_by_label("New password").fill(PASSWORD)
    page.get_by_role("button", name="Set password").click()
    expect(page.get_by_label("Your menu")).to_be_visible()

    app = turn_on_second_factor(page)
    code = page.locator("#codes").inner_text().split()[0]
    page.get_by_role("link", name="I have kept them").click()
    expect(page.get_by_text("10 recovery codes")).to_be_visible()

    sign_out(page)
    page.goto(f"http://127.0.0.1:{product.http_port}/settings/audit-log")
    sign_in(page, "operator@localhost")
    page.get_by_label("Code").fill("000000")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_contain_text("This code is wrong")
    page.get_by_label("Code").fill(app.generate_otp(int(time.time()) // 30 + 1))
    page.get_by_role("button", name="Sign in").click()
    expect(page).to_have_url(re.compile("/settings/audit-log$"))
    expect(page.get_by_text("user.second_factor_added")).to_have_count(0)

    sign_out(page)
    sign_in(page, "operator@localhost")
    page.get_by_label("Code").fill(code)
    page.get_by_role("button", name="Sign in").click()
    page.goto(f"http://127.0.0.1:{product.http_port}/audit-log")
    expect(page.get_by_text("user.second_factor_added")).to_be_visible()

    invite(page, product, "new@acme.example")


def turn_on_second_factor(page: Page) -> pyotp.TOTP:
    page.get_by_label("Your menu").click()
    page.get_by_role("link", name="Your profile").click()
    page.get_by_role("button", name="Set up").click()
    picture = page.get_by_alt_text("QR code with the secret below")
    assert picture.evaluate("image => image.complete && image.naturalWidth > 100")
    page.get_by_text("It cannot be scanned").click()
    app = pyotp.TOTP(page.locator(".copy code").inner_text())
    page.get_by_label("Code").fill(app.now())
    page.get_by_label("Your password").fill(PASSWORD)
    page.get_by_role("button", name="Turn on").click()
    expect(page.get_by_role("heading", name="Your recovery codes")).to_be_visible()
    return app


def invite(page: Page, product: Product, email: str) -> None:
    """Invite somebody without mail: the operator is shown the link, in the dialog, and it works for the new person."""
    page.goto(f"http://127.0.0.1:{product.http_port}/settings/users")
    page.get_by_role("link", name="Invite user").first.click()
    page.get_by_label("Email address").fill(email)
    page.get_by_role("button", name="Invite").click()
    link = page.locator("dialog .copy code").inner_text()
    page.get_by_role("link", name="Done").click()
    expect(page.locator("strong", has_text=email)).to_be_visible()
    sign_out(page)

    page.goto(link)
    page.get_by_label("Your name").fill("New Person")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Accept").click()
    expect(page.get_by_label("Your menu")).to_contain_text("New Person")
    page.goto(f"http://127.0.0.1:{product.http_port}/settings/users")
    expect(page.get_by_role("link", name="Invite user")).to_have_count(0)


def sign_in(page: Page, email: str) -> None:
    page.get_by_label("Email address").fill(email)
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()


def sign_out(page: Page) -> None:
    page.get_by_label("Your menu").click()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_text("You are signed out.")).to_be_visible()


def test_the_link_of_dev_signs_in_by_a_button_once(browser: Browser, tmp_path: Path) -> None:
    with running_dev(tmp_path) as dev:
        page = browser.new_context().new_page()
        page.goto(dev.facts["console"])
        page.reload()
        page.get_by_role("button", name="Sign in").click()
        expect(page.get_by_label("Your menu")).to_be_visible()

        other = browser.new_context().new_page()
        other.goto(dev.facts["console"])
        expect(other.get_by_role("heading", name="Not found")).to_be_visible()


@pytest.mark.parametrize(("scheme", "width"), [("light", 1200), ("dark", 1200), ("light", 390), ("dark", 390)])
def test_no_page_is_wider_than_the_screen(product: Product, browser: Browser, scheme: str, width: int) -> None:
    base = f"http://127.0.0.1:{product.http_port}"
    email = f"look-{scheme}-{width}@acme.example"
    product.run("user", "add", email, "--role", "admin", "--password-stdin", given=PASSWORD)
    context = browser.new_context(
        viewport={"width": width, "height": 800}, color_scheme="dark" if scheme == "dark" else "light"
    )
    page = context.new_page()
    page.goto(f"{base}/sign-in")
    sign_in(page, email)
    for path in ("/profile", "/settings/users", "/settings/users/invite", "/settings/audit-log", "/profile/networks"):
        page.goto(base + path)
        assert page.evaluate(FITS), path
    page.goto(f"{base}/profile")
    page.get_by_role("button", name="Set up").click()
    expect(page.get_by_alt_text("QR code with the secret below")).to_be_visible()
    assert page.evaluate(FITS)
    context.close()

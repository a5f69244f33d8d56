"""Passkeys in Chromium, with the authenticator that its developers' tools put into it: made and used by clicking."""

from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, CDPSession, Page, expect

from tests.browser.pages import watched
from tests.browser.people import PASSWORD, sign_in
from tests.scenarios.dev import Dev

pytestmark = pytest.mark.peer("chromium-headless-shell")


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    opened = browser.new_context(viewport={"width": 1100, "height": 900})
    opened.set_default_timeout(15_000)
    yield opened
    opened.close()


@pytest.fixture
def page(context: BrowserContext) -> Iterator[Page]:
    """A page that may break no rule of its policy."""
    with watched(context.new_page()) as opened:
        yield opened


@pytest.fixture
def device(page: Page) -> CDPSession:
    """A device within the browser, which has verified its person."""
    session = page.context.new_cdp_session(page)
    session.send("WebAuthn.enable")
    plug_in(session)
    return session


def plug_in(session: CDPSession, *, verifies: bool = True) -> str:
    options = {
        "protocol": "ctap2",
        "transport": "internal",
        "hasResidentKey": True,
        "hasUserVerification": True,
        "isUserVerified": verifies,
        "automaticPresenceSimulation": True,
    }
    added = session.send("WebAuthn.addVirtualAuthenticator", {"options": options})
    return str(added["authenticatorId"])


def at(dev: Dev, path: str, host: str = "localhost") -> str:
    """Return a page under the name that passkeys need: browsers have none for addresses."""
    return f"http://{host}:{urlsplit(dev.facts['inbox']).port}{path}"


def come_in(dev: Dev, context: BrowserContext, email: str) -> None:
    """Be signed in under ``localhost``."""
    sign_in(dev, context, email)
    [cookie] = [one for one in context.cookies() if one.get("name") == "postroad"]
    context.add_cookies([{"name": "postroad", "value": cookie["value"], "url": at(dev, "/")}])


def add_passkey(dev: Dev, page: Page, name: str) -> None:
    page.goto(at(dev, "/profile"))
    page.get_by_role("link", name="Your passkeys").click()
    page.get_by_label("Name").fill(name)
    page.get_by_label("Your password").fill(PASSWORD)
    page.get_by_role("button", name="Add passkey").click()


def test_a_passkey_is_made_and_signs_in(dev: Dev, page: Page, device: CDPSession) -> None:
    come_in(dev, page.context, "ada@demo.example")
    add_passkey(dev, page, "This laptop")
    expect(page.get_by_text("Passkey This laptop was added")).to_be_visible()
    expect(page.get_by_role("cell", name="This laptop")).to_be_visible()

    page.context.clear_cookies()
    page.goto(at(dev, "/profile"))
    page.get_by_role("button", name="Sign in with a passkey").click()

    expect(page.get_by_role("heading", name="Your profile")).to_be_visible()
    expect(page.get_by_text("by passkey")).to_be_visible()
    page.goto(at(dev, "/profile/passkeys"))
    expect(page.get_by_role("row", name="This laptop")).not_to_contain_text("never")


def test_one_device_makes_one(dev: Dev, page: Page, device: CDPSession) -> None:
    come_in(dev, page.context, "bob@demo.example")
    add_passkey(dev, page, "First")
    expect(page.get_by_text("Passkey First was added")).to_be_visible()

    page.get_by_label("Name").fill("Second")
    page.get_by_label("Your password").fill("another one")
    page.get_by_role("button", name="Add passkey").click()
    expect(page.get_by_role("alert")).to_have_text("This is not your password.")
    page.get_by_label("Your password").fill(PASSWORD)
    page.get_by_role("button", name="Add passkey").click()

    expect(page.get_by_role("alert")).to_have_text("This device has a passkey of yours already.")
    expect(page.get_by_label("Name")).to_have_value("Second")


def test_a_removed_passkey_signs_in_no_more(dev: Dev, page: Page, device: CDPSession) -> None:
    come_in(dev, page.context, "eve@demo.example")
    add_passkey(dev, page, "Phone")
    page.get_by_role("link", name="Remove").click()
    page.get_by_role("dialog").get_by_role("button", name="Remove").click()
    expect(page.get_by_text("No passkeys yet")).to_be_visible()

    page.context.clear_cookies()
    page.goto(at(dev, "/sign-in"))
    page.get_by_role("button", name="Sign in with a passkey").click()

    expect(page.get_by_text("This passkey is not known here")).to_be_visible()


def test_whoever_the_device_does_not_recognise_stays_out(dev: Dev, page: Page) -> None:
    session = page.context.new_cdp_session(page)
    session.send("WebAuthn.enable")
    known = plug_in(session)
    come_in(dev, page.context, "mal@demo.example")
    add_passkey(dev, page, "Phone")
    expect(page.get_by_text("Passkey Phone was added")).to_be_visible()
    session.send("WebAuthn.setUserVerified", {"authenticatorId": known, "isUserVerified": False})

    page.context.clear_cookies()
    page.goto(at(dev, "/sign-in"))
    page.get_by_role("button", name="Sign in with a passkey").click()

    expect(page.get_by_role("alert")).to_contain_text("Nothing was done")
    expect(page.get_by_role("button", name="Sign in with a passkey")).to_be_enabled()


def test_no_passkeys_are_offered_under_an_address(dev: Dev, page: Page) -> None:
    page.goto(at(dev, "/sign-in", host="127.0.0.1"))

    expect(page.get_by_role("button", name="Sign in", exact=True)).to_be_visible()
    expect(page.get_by_role("button", name="Sign in with a passkey")).to_have_count(0)


@pytest.mark.parametrize(("scheme", "width"), [("light", 1100), ("dark", 1100), ("light", 390)])
def test_the_pages_are_never_wider_than_the_screen(dev: Dev, browser: Browser, scheme: str, width: int) -> None:
    context = browser.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme)  # type: ignore[arg-type]
    opened = context.new_page()
    opened.goto(at(dev, "/sign-in"))
    assert opened.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    come_in(dev, context, f"{scheme}{width}@demo.example")
    opened.goto(at(dev, "/profile/passkeys"))
    assert opened.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    context.close()

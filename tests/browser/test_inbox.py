"""The capture inbox in a real browser: read in light, dark and on a phone; strangers' HTML has no power there."""

import smtplib
from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.scenarios.dev import Dev, running_dev

pytestmark = pytest.mark.peer("chromium-headless-shell")

AUDIT = (Path(__file__).parents[1] / "console/accessibility.js").read_text()


@pytest.fixture(scope="module")
def dev(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dev]:
    with running_dev(tmp_path_factory.mktemp("browser")) as running:
        send(running, "Grüße aus dem Test")
        running.wait_for_mail(1)
        yield running


@pytest.fixture(params=[("light", 1100), ("dark", 1100), ("light", 390)], ids=["light", "dark", "phone"])
def page(browser: Browser, request: pytest.FixtureRequest) -> Iterator[Page]:
    scheme, width = request.param
    context = browser.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme)
    yield context.new_page()
    context.close()


def send(dev: Dev, subject: str) -> None:
    smtp = dev.facts["smtp"]
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = smtp["sender"], "you@example.net", subject
    message.set_content("The text part.")
    message.add_alternative("<h1>Seen</h1><script>document.body.innerHTML = 'ran'</script>", subtype="html")
    with smtplib.SMTP(smtp["host"], smtp["port"]) as client:
        client.login(smtp["username"], smtp["password"])
        client.send_message(message)


def test_a_message_is_listed_and_opened_with_its_verdict(dev: Dev, page: Page) -> None:
    page.goto(dev.facts["inbox"])
    page.get_by_text("Grüße aus dem Test").click()

    assert page.locator(".facts .good").inner_text() == "valid"
    assert page.frame_locator("iframe.foreign").locator("h1").inner_text() == "Seen"


def test_a_page_is_never_wider_than_the_screen(dev: Dev, page: Page) -> None:
    for view in ("html", "text", "headers", "source"):
        page.goto(dev.facts["inbox"])
        page.get_by_text("Grüße aus dem Test").click()
        page.goto(f"{page.url}?view={view}")

        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), view


def test_its_pages_tell_a_screen_reader_all(dev: Dev, page: Page) -> None:
    page.goto(dev.facts["inbox"])
    assert page.evaluate(AUDIT) == []
    page.get_by_text("Grüße aus dem Test").click()
    expect(page.locator(".facts .good")).to_be_visible()
    address = page.url
    for view in ("html", "text", "headers", "source"):
        page.goto(f"{address}?view={view}")
        assert page.evaluate(AUDIT) == [], view


def test_our_own_pages_break_no_rule_of_their_policy(dev: Dev, page: Page) -> None:
    errors: list[str] = []
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    page.goto(dev.facts["inbox"])
    page.wait_for_timeout(300)

    assert errors == []


def test_new_mail_is_announced_without_reloading(dev: Dev, browser: Browser) -> None:
    page = browser.new_page()
    page.goto(dev.facts["inbox"])
    send(dev, "Arrived while looking")

    page.locator("#newest").wait_for(state="visible", timeout=10_000)
    page.close()

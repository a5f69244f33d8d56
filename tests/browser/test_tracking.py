"""A captured message in a browser: its link is clicked, its unsubscribe page asks, and the story tells of both."""

import smtplib
from email.message import EmailMessage

import pytest
from playwright.sync_api import Browser, Page, Route

from tests.scenarios.dev import Dev

pytestmark = pytest.mark.peer("chromium")

RECIPIENT = "reader@example.net"


def send(dev: Dev) -> None:
    smtp = dev.facts["smtp"]
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = smtp["sender"], RECIPIENT, "Tracked"
    message["X-OV-Track"], message["X-OV-Unsubscribe"] = "yes", "yes"
    message.set_content("Text")
    message.add_alternative(
        '<p><a href="https://shop.example/a?b=1&amp;c=2#d">Shop</a> <a href="%unsubscribe_url%">Leave</a></p>',
        subtype="html",
    )
    with smtplib.SMTP(smtp["host"], smtp["port"]) as client:
        client.login(smtp["username"], smtp["password"])
        client.send_message(message)


def test_a_link_of_a_captured_message_is_clicked_and_its_reader_unsubscribes(
    dev: Dev, browser: Browser, page: Page
) -> None:
    send(dev)
    [capture] = dev.wait_for_mail(1)
    context = browser.new_context()
    reached: list[str] = []

    def answer(route: Route) -> None:
        reached.append(route.request.url)
        route.fulfill(body="Shop")

    context.route("https://shop.example/**", answer)
    reader = context.new_page()
    reader.set_content(dev.get(f"/inbox/{capture['id']}")["html"])
    reader.wait_for_function("document.images[0].complete")
    assert reader.evaluate("document.images[0].naturalWidth") == 1
    links = reader.locator("a").evaluate_all("all => all.map(one => one.href)")

    reader.goto(dev.facts["inbox"])
    reader.get_by_text("Tracked").first.click()
    with context.expect_page() as opened:
        reader.frame_locator("iframe.foreign").get_by_text("Shop").click()
    opened.value.wait_for_url("https://shop.example/**")
    assert opened.value.url == "https://shop.example/a?b=1&c=2#d"
    assert len(reached) == 1

    reader.goto(links[1])
    assert RECIPIENT in reader.locator("main").inner_text()
    assert reader.evaluate("getComputedStyle(document.querySelector('button')).backgroundColor") == "rgb(31, 95, 191)"
    reader.get_by_role("button", name="Unsubscribe").click()
    reader.get_by_role("heading", name="You are unsubscribed").wait_for()
    context.close()

    page.goto(dev.facts["inbox"].removesuffix("/inbox") + "/messages")
    page.get_by_text("Tracked").first.click()
    story = page.locator("main")
    story.get_by_text("Unsubscribed", exact=True).wait_for()
    assert "the link in the message" in story.inner_text()
    page.wait_for_timeout(4000)
    page.reload()
    assert "https://shop.example/a?b=1&c=2#d" in story.inner_text().replace("\u200b", "")
    page.goto(dev.facts["inbox"].removesuffix("/inbox") + f"/suppressions?q={RECIPIENT}")
    assert RECIPIENT in page.locator("main").inner_text().replace("\u200b", "")

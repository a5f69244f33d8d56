"""A captured message in a browser: its link is clicked, its reader unsubscribes, by page or by one click, and the story tells of it."""

import re
import smtplib
from email.message import EmailMessage
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Locator, Page

from tests.scenarios.dev import Dev
from tests.waiting import within

pytestmark = pytest.mark.peer("chromium-headless-shell")

RECIPIENT = "reader@example.net"
SHOP = "https://shop.example/"


HTML = """\
<p><a href="https://shop.example/a?b=1&amp;c=2#d">Shop</a> <a href="%unsubscribe_url%">Leave</a>
<a href="https://shop.example/account" data-ov-notrack>Account</a> <a href="mailto:help@shop.example">Help</a></p>
<img src="data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7" usemap="#map" width="90" height="60">
<map name="map"><area shape="rect" coords="0,0,90,60" href="https://shop.example/area?x=1" alt="Map"></map>
<form action="https://shop.example/search?old=1"><input name="q" value="schöne Äpfel"><button>Search</button></form>
<!--[if mso]><v:roundrect href="https://shop.example/outlook?a=1&amp;b=2"></v:roundrect><![endif]-->
"""


def captured(dev: Dev, recipient: str) -> Any:
    """Send a message, and return it as it was captured."""
    before = {one["id"] for one in dev.get("/inbox.json")}
    smtp = dev.facts["smtp"]
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = smtp["sender"], recipient, "Tracked"
    message["X-OV-Track"], message["X-OV-Unsubscribe"] = "yes", "yes"
    message["X-OV-tracking_text"] = "yes"
    message.set_content("Read https://shop.example/text?a=1#b\n")
    message.add_alternative(HTML, subtype="html")
    with smtplib.SMTP(smtp["host"], smtp["port"]) as client:
        client.login(smtp["username"], smtp["password"])
        client.send_message(message)
    [capture] = [one for one in dev.wait_for_mail(len(before) + 1) if one["id"] not in before]
    return dev.get(f"/inbox/{capture['id']}")


def story_of_newest(dev: Dev, page: Page) -> Locator:
    page.goto(dev.facts["inbox"].removesuffix("/inbox") + "/messages")
    page.get_by_text("Tracked").first.click()
    return page.locator("main")


def led_to(context: BrowserContext, clicked: Locator) -> str:
    """Click, and return what the browser then asks of the shop, once; nobody answers it there."""
    asked: list[str] = []
    context.on("request", lambda one: asked.append(one.url))
    with context.expect_event("requestfailed", lambda one: one.url.startswith(SHOP)):
        clicked.click()
    [url] = [one for one in asked if one.startswith(SHOP)]
    return url


def test_a_link_of_a_captured_message_is_clicked_and_its_reader_unsubscribes(
    dev: Dev, browser: Browser, page: Page
) -> None:
    html = captured(dev, RECIPIENT)["html"]
    context = browser.new_context()
    reader = context.new_page()
    reader.set_content(html)
    reader.wait_for_function("document.images[1].complete")
    assert reader.evaluate("document.images[1].naturalWidth") == 1
    links = reader.locator("a").evaluate_all("all => all.map(one => one.href)")

    reader.goto(dev.facts["inbox"])
    reader.get_by_text("Tracked").first.click()
    shop = reader.frame_locator("iframe.foreign").get_by_text("Shop")
    assert led_to(context, shop) == "https://shop.example/a?b=1&c=2"
    # What follows the # stays in the browser.
    answer = context.request.get(links[0], max_redirects=0)
    assert answer.headers["location"] == "https://shop.example/a?b=1&c=2#d"

    reader.goto(links[1])
    assert RECIPIENT in reader.locator("main").inner_text()
    assert reader.evaluate("getComputedStyle(document.querySelector('button')).backgroundColor") == "rgb(31, 95, 191)"
    reader.get_by_role("button", name="Unsubscribe").click()
    reader.get_by_role("heading", name="You are unsubscribed").wait_for()
    context.close()

    story = story_of_newest(dev, page)
    story.get_by_text("Unsubscribed", exact=True).wait_for()
    assert "the link in the message" in story.inner_text()

    def is_told() -> bool:
        page.reload()
        is_opened = story.get_by_text("Opened", exact=True).count() > 0
        return is_opened and "https://shop.example/a?b=1&c=2#d" in story.inner_text().replace("\u200b", "")

    within(20, is_told, 0.5)
    page.goto(dev.facts["inbox"].removesuffix("/inbox") + f"/suppressions?q={RECIPIENT}")
    assert RECIPIENT in page.locator("main").inner_text().replace("\u200b", "")


def test_a_mail_client_unsubscribes_its_reader_with_one_click(dev: Dev, browser: Browser, page: Page) -> None:
    headers = dict(captured(dev, "second@example.net")["headers"])
    link = re.search(r"<(https?://[^>]+)>", headers["List-Unsubscribe"])
    assert link
    # RFC 8058 §3.1: it is offered for https alone, and dev has no certificate; the link works all the same.
    assert ("List-Unsubscribe-Post" in headers) is link[1].startswith("https://")

    client = browser.new_context()
    assert client.request.post(link[1], form={"List-Unsubscribe": "One-Click"}).ok
    client.close()

    story = story_of_newest(dev, page)
    story.get_by_text("Unsubscribed", exact=True).wait_for()
    assert "by one click in the mail client" in story.inner_text()


def test_every_kind_of_link_leads_where_it_did_and_the_others_are_left_alone(dev: Dev, browser: Browser) -> None:
    message = captured(dev, "another@example.net")
    context = browser.new_context()
    reader = context.new_page()
    reader.set_content(message["html"])
    assert led_to(context, reader.locator("img[usemap]")) == "https://shop.example/area?x=1"
    reader.set_content(message["html"])
    # The fields take the place of the form's own query, as in every browser.
    assert led_to(context, reader.locator("button")) == "https://shop.example/search?q=sch%C3%B6ne+%C3%84pfel"
    assert 'href="https://shop.example/account" data-ov-notrack' in message["html"]
    assert 'href="mailto:help@shop.example"' in message["html"]
    in_text = re.search(r"Read (\S+)", message["text"])
    for_outlook = re.search(r'<v:roundrect href="([^"]+)"', message["html"])
    assert in_text
    assert for_outlook
    for link, meant in ((in_text[1], "text?a=1#b"), (for_outlook[1], "outlook?a=1&b=2")):
        assert "shop.example" not in link
        led = context.request.get(link, max_redirects=0)
        assert (led.status, led.headers["location"]) == (302, f"https://shop.example/{meant}")
    context.close()

"""Webhooks by clicking: one is added and tried, a message is told of, and its call is made again."""

import itertools
import os
import re
import smtplib
from collections.abc import Iterator
from email.message import EmailMessage

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.pages import FITS, at
from tests.browser.people import sign_in
from tests.peers.webhook_receiver import Reply, WebhookReceiver
from tests.scenarios.dev import Dev
from tests.waiting import within

pytestmark = pytest.mark.peer("chromium-headless-shell")

LIST = "/webhooks"
LONG = f"/{'events-of-' * 12}?{'key=value&' * 8}end"

_numbers = itertools.count(1)


@pytest.fixture
def receiver() -> Iterator[WebhookReceiver]:
    with WebhookReceiver() as running:
        yield running


def send(dev: Dev, to: str, subject: str) -> None:
    smtp = dev.facts["smtp"]
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = smtp["sender"], to, subject
    message.set_content("Text")
    with smtplib.SMTP(smtp["host"], smtp["port"]) as client:
        client.login(smtp["username"], smtp["password"])
        client.send_message(message)


def add(dev: Dev, page: Page, url: str, **chosen: str) -> None:
    page.goto(at(dev, f"{LIST}/new"))
    page.get_by_label("Address", exact=True).fill(url)
    page.get_by_label("Format", exact=True).select_option(chosen.get("format", "standard"))
    page.get_by_label("Note", exact=True).fill(chosen.get("note", ""))
    page.get_by_role("button", name="Add webhook").click()
    expect(page.get_by_role("heading", name="How it stands")).to_be_visible()


def screenshot(page: Page, name: str) -> None:
    if folder := os.environ.get("POSTROAD_SCREENSHOTS"):
        page.screenshot(path=f"{folder}/webhooks-{name}.png", full_page=True)


def test_a_webhook_is_added_tried_told_of_a_message_and_replayed(
    dev: Dev, page: Page, receiver: WebhookReceiver
) -> None:
    page.goto(at(dev, "/"))
    page.get_by_role("link", name="Webhooks").click()
    # Before its script has come, the link leads to a page of its own.
    page.wait_for_url("**/webhooks")
    screenshot(page, "empty")
    page.get_by_role("link", name="Add webhook").first.click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("button", name="Add webhook").click()
    expect(page.get_by_role("alert")).to_contain_text("Write the address")
    dialog.get_by_label("Address", exact=True).fill(receiver.url)
    expect(dialog.get_by_label("Held")).to_be_visible()
    dialog.get_by_label("Format", exact=True).select_option("mailgun")
    expect(dialog.get_by_label("Held")).to_be_hidden()
    dialog.get_by_role("button", name="None").click()
    dialog.get_by_label("Accepted").check()
    dialog.get_by_label("Delivered").check()
    screenshot(page, "add")
    dialog.get_by_role("button", name="Add webhook").click()
    expect(page.get_by_role("status").first).to_contain_text("Send a test")
    expect(page.locator("main")).to_contain_text("accepted, delivered")

    page.get_by_role("link", name="Send test").click()
    screenshot(page, "test")
    dialog.get_by_role("button", name="Send test").click()
    expect(page.get_by_role("heading", name="Every call was taken")).to_be_visible()
    screenshot(page, "tested")
    page.get_by_role("button", name="Close").click()
    rows = page.locator("#results tbody tr")
    expect(rows.filter(has_text="Test")).to_have_count(2)
    # The samples are posted all at once.
    assert {call.json["event-data"]["event"] for call in receiver.calls} == {"accepted", "delivered"}

    # Every worker knows of a new webhook within a second.
    page.wait_for_timeout(1_500)
    receiver.answer = lambda _: Reply(status=406, body=b"Not today.")
    send(dev, "ann@example.net", "Told of")
    within(20, lambda: len(receiver.calls) == 4)
    within(20, lambda: page.reload() and rows.filter(has_text="Refused").count() == 2)
    page.get_by_label("Result").select_option("failed")
    expect(rows).to_have_count(2)
    screenshot(page, "webhook")
    rows.first.get_by_role("link").click()
    expect(page.locator("main")).to_contain_text("Not today.")
    expect(page.locator("main")).to_contain_text('"event": "delivered"')
    screenshot(page, "call")
    receiver.answer = lambda _: Reply()
    page.get_by_role("button", name="Replay").click()
    expect(page.get_by_role("status").first).to_contain_text("made again as a new call")
    within(20, lambda: len(receiver.calls) == 5)
    assert receiver.calls[4].json["event-data"]["event"] == "delivered"

    page.get_by_role("link", name="← Webhook").click()
    page.get_by_role("link", name="Replay calls").click()
    dialog.get_by_role("button", name="Count them").click()
    expect(dialog).to_contain_text("2 calls are made again")
    screenshot(page, "replay")
    dialog.get_by_role("button", name="Replay 2 calls").click()
    expect(page.get_by_role("status").first).to_contain_text("2 calls are made again")
    within(20, lambda: len(receiver.calls) == 7)


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 1280), ("light", 390)])
def test_the_pages_are_never_wider_than_the_screen(
    dev: Dev, browser: Browser, receiver: WebhookReceiver, scheme: str, width: int
) -> None:
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)  # type: ignore[arg-type]
    sign_in(dev, context, f"una{next(_numbers)}@demo.example")
    page = context.new_page()
    receiver.answer = lambda call: Reply(status=200 if "delivered" in call.body.decode() else 500, body=b"no " * 400)
    add(dev, page, receiver.url + LONG, format="sendgrid", note="The billing application, production")
    path = page.url
    page.goto(f"{path}/test")
    page.get_by_role("button", name="Send test").click()
    expect(page.get_by_role("heading", name=re.compile("failed"))).to_be_visible()
    assert page.evaluate(FITS)
    screenshot(page, f"tested-{scheme}-{width}")
    call = page.locator("main table a").first.get_attribute("href")
    for name, place in (
        ("list", at(dev, LIST)),
        ("one", path),
        ("edit", f"{path}/edit"),
        ("replay", f"{path}/replay"),
        ("remove", f"{path}/remove"),
        ("test", f"{path}/test"),
        ("new", at(dev, f"{LIST}/new")),
        ("log", at(dev, f"{LIST}/calls")),
        ("call", at(dev, call or "")),
    ):
        page.goto(place)
        screenshot(page, f"{name}-{scheme}-{width}")
        assert page.evaluate(FITS), place
    page.goto(f"{path}/remove")
    page.get_by_role("button", name="Remove").click()
    expect(page.get_by_role("status").first).to_contain_text("was removed")
    context.close()

"""From a first start to a first delivered message by clicking alone; and the run leaves no secret where it can be read."""

import json
import re
import smtplib
import ssl
from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.peers.sink import Sink
from tests.scenarios.product import Product

pytestmark = pytest.mark.peer("chromium", "smtp-sink")

PASSWORD = "Nine slow ferries, homeward"
DOMAIN = "news.acme.example"
USER = f"shop@{DOMAIN}"
SUBJECT = "The very first one"


@pytest.fixture
def sink() -> Iterator[Sink]:
    with Sink(keep_messages=True) as running:
        yield running


@pytest.fixture
def product(tmp_path: Path, sink: Sink) -> Iterator[Product]:
    """A node as it is after installing: nothing in it, every log line written."""
    made = Product(tmp_path, smarthost_port=sink.port, workers=1, settings={"log": {"level": "debug"}})
    made.run("migrate")
    with made:
        yield made


@pytest.fixture
def page(browser: Browser) -> Page:
    page = browser.new_context(viewport={"width": 1280, "height": 900}).new_page()
    page.set_default_timeout(20_000)
    return page


def test_first_start_to_first_delivered_message(product: Product, sink: Sink, page: Page) -> None:
    asked_for: list[str] = []
    page.on("request", lambda request: asked_for.append(request.url))
    link = json.loads(product.run("migrate", "--json"))["operator"]["link"]

    page.goto(link)
    page.get_by_label("New password").fill(PASSWORD)
    page.get_by_role("button", name="Set password").click()
    add_domain(page)
    smtp_password = add_smtp_user(page)
    session = page.context.cookies()[0]["value"]
    send(product, smtp_password)
    see_it_delivered(page)
    api_key = add_api_key(page)
    signing_key = look_at_signing_key(page)

    assert SUBJECT.encode() in sink.messages()[0].content
    secrets = [PASSWORD, smtp_password, session, api_key, signing_key, link.rpartition("/")[2]]
    assert all(len(secret) >= 16 for secret in secrets)
    log, audit = product.log.read_text(), product.run("audit", "search", "--json", "--limit", "500")
    assert "node_serving" in log
    assert "smtp_user.added" in audit
    # A link that works once is an address by its nature; nothing else of what is secret may be part of one.
    addresses = [address for address in asked_for if address != link]
    for secret in secrets:
        assert secret not in log
        assert secret not in audit
        assert not any(secret in address for address in addresses)


def add_domain(page: Page) -> None:
    page.get_by_role("link", name="Domains").click()
    page.get_by_role("link", name="Add domain").first.click()
    page.get_by_role("dialog").get_by_label("Domain").fill(DOMAIN)
    page.get_by_role("dialog").get_by_role("button", name="Add domain").click()
    expect(page.get_by_role("heading", name=DOMAIN)).to_be_visible()


def add_smtp_user(page: Page) -> str:
    page.get_by_role("link", name="Credentials").click()
    page.get_by_role("link", name="Add user").first.click()
    page.get_by_label("User name").fill(USER)
    page.get_by_role("button", name="Generate").click()
    password = page.get_by_label("Password", exact=True).input_value()
    page.get_by_role("dialog").get_by_role("button", name="Add user").click()
    expect(page.get_by_role("heading", name="SMTP user added")).to_be_visible()
    page.get_by_role("button", name="Close").click()
    return password


def send(product: Product, password: str) -> None:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = f"Shop <hello@{DOMAIN}>", "bob@example.net", SUBJECT
    message.set_content("Hello Bob.")
    trusting = ssl.create_default_context()
    # The certificate of a new node is one of its own making.
    trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
    with smtplib.SMTP("127.0.0.1", product.submission_port) as client:
        client.starttls(context=trusting)
        client.login(USER, password)
        client.send_message(message)


def see_it_delivered(page: Page) -> None:
    page.get_by_role("link", name="Messages", exact=True).click()
    row = page.get_by_role("row").filter(has_text="bob@example.net")
    for _ in range(50):
        if row.get_by_text("delivered").count():
            break
        page.wait_for_timeout(200)
        page.reload()
    row.get_by_role("link").first.click()
    expect(page.get_by_role("heading", name=SUBJECT)).to_be_visible()
    expect(page.get_by_text(re.compile("250 2.0.0 Ok")).first).to_be_visible()


def add_api_key(page: Page) -> str:
    page.get_by_role("link", name="Credentials").click()
    page.get_by_role("link", name="API keys").click()
    page.get_by_role("link", name="Add key").first.click()
    page.get_by_role("dialog").get_by_label("Note").fill("Nightly job")
    page.get_by_role("dialog").get_by_role("button", name="Add key").click()
    key = page.get_by_role("dialog").locator("code", has_text="pr").first.inner_text()
    page.get_by_role("button", name="Close").click()
    return key


def look_at_signing_key(page: Page) -> str:
    page.get_by_role("link", name="Settings").click()
    page.get_by_role("link", name="Signing key").click()
    return page.get_by_label("Key", exact=True).input_value()

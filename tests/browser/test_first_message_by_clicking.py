"""From a first start to a first delivered message by clicking alone; and the run leaves no secret where it can be read."""

import json
import os
import re
import smtplib
import ssl
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.peers.sink import Sink
from tests.scenarios.product import Product
from tests.waiting import within_promise

pytestmark = pytest.mark.peer("chromium-headless-shell", "smtp-sink")

PASSWORD = "Nine slow ferries, homeward"
DOMAIN = "news.acme.example"
USER = f"shop@{DOMAIN}"
SUBJECT = "The very first one"
UNLUCKY = "unlucky@acme.example"
FAULT = f"""
from postroad.accounts.people.sign_in import SignIn

with_password = SignIn.with_password


async def faulty(self, email, password, **facts):
    if email != "{UNLUCKY}":
        return await with_password(self, email, password, **facts)
    typed = "".join(password)
    raise LookupError(f"provoked with {{len(typed)}} characters")


SignIn.with_password = faulty
"""
"""A sign-in that fails for one person, with the password among the variables of its frames."""


@pytest.fixture
def sink() -> Iterator[Sink]:
    with Sink(keep_messages=True) as running:
        yield running


@pytest.fixture(params=["console", "json"])
def product(
    tmp_path: Path, sink: Sink, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Product]:
    """A node as it is after installing: nothing in it, every log line written; and its sign-in has a fault."""
    logs = {"level": "debug", "format": request.param}
    made = Product(tmp_path, smarthost_port=sink.port, workers=1, settings={"log": logs})
    made.run("migrate")
    # Python runs this before the node: the one place where a process of its own can be given a fault.
    (tmp_path / "faulty").mkdir()
    (tmp_path / "faulty" / "sitecustomize.py").write_text(FAULT)
    paths = [str(tmp_path / "faulty"), *filter(None, [os.environ.get("PYTHONPATH")])]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(paths))
    with made:
        yield made


@pytest.fixture
def page(browser: Browser) -> Page:
    context = browser.new_context(
        viewport={"width": 1280, "height": 900}, permissions=["clipboard-read", "clipboard-write"]
    )
    page = context.new_page()
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
    fail_to_sign_in(product)

    assert SUBJECT.encode() in sink.messages()[0].content
    secrets = [PASSWORD, smtp_password, session, api_key, signing_key, link.rpartition("/")[2]]
    assert all(len(secret) >= 16 for secret in secrets)
    log, audit = product.log.read_text(), product.run("audit", "search", "--json", "--limit", "500")
    assert "node_serving" in log
    assert f"provoked with {len(PASSWORD)} characters" in log
    assert "in faulty" in log or '"name": "faulty"' in log
    assert "smtp_user.added" in audit
    # A link that works once is an address by its nature; nothing else of what is secret may be part of one.
    addresses = [address for address in asked_for if address != link]
    for secret in secrets:
        assert secret not in log
        assert secret not in audit
        assert not any(secret in address for address in addresses)


def open_dialog(page: Page, name: str) -> None:
    link = page.get_by_role("link", name=name).first
    expect(link).to_be_visible()
    # Until the scripts are there a link opens a page of its own.
    page.wait_for_load_state()
    link.click()


def add_domain(page: Page) -> None:
    page.get_by_role("link", name="Domains").click()
    open_dialog(page, "Add domain")
    page.get_by_role("dialog").get_by_label("Domain").fill(DOMAIN)
    page.get_by_role("dialog").get_by_role("button", name="Add domain").click()
    expect(page.get_by_role("heading", name=DOMAIN)).to_be_visible()


def add_smtp_user(page: Page) -> str:
    page.get_by_role("link", name="Credentials").click()
    open_dialog(page, "Add user")
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
    open_dialog(page, "Add key")
    page.get_by_role("dialog").get_by_label("Note").fill("Nightly job")
    page.get_by_role("dialog").get_by_role("button", name="Add key").click()
    key = page.get_by_role("dialog").locator("code", has_text="pr").first.inner_text()
    page.get_by_role("button", name="Close").click()
    return key


def look_at_signing_key(page: Page) -> str:
    page.get_by_role("link", name="Settings").click()
    page.get_by_role("link", name="Signing key").click()
    shown = page.get_by_label("Key", exact=True)
    expect(shown).to_have_value(re.compile("^•+$"))
    # The script that copies comes after what is shown.
    page.wait_for_load_state()
    page.get_by_role("button", name="Copy", exact=True).click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    page.get_by_role("button", name="Show").click()
    key = shown.input_value()
    assert page.evaluate("navigator.clipboard.readText()") == key
    page.get_by_role("button", name="Hide").click()
    expect(shown).to_have_value(re.compile("^•+$"))
    return key


def fail_to_sign_in(product: Product) -> None:
    """Have an exception that nobody expected while a password is at hand."""
    form = urllib.parse.urlencode({"email": UNLUCKY, "password": PASSWORD}).encode()
    with pytest.raises(urllib.error.HTTPError) as failed:
        urllib.request.urlopen(f"http://127.0.0.1:{product.http_port}/sign-in", data=form, timeout=10)
    with failed.value as answer:
        assert answer.code == 500
        assert PASSWORD not in answer.read().decode()
    within_promise(lambda: "provoked" in product.log.read_text())

"""SMTP users by clicking: a user with a generated password sends, is restricted, disabled and removed."""

import itertools
import os
import smtplib
import subprocess
import sys
import time
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.pages import at
from tests.browser.people import sign_in
from tests.scenarios.dev import Dev

pytestmark = pytest.mark.peer("chromium-headless-shell", "curl")

_numbers = itertools.count(1)
LIST = "/credentials/smtp-users"
PROMISED_S = 5.0


def copied(page: Page, button: str) -> str:
    page.get_by_role("dialog").get_by_role("button", name=button, exact=True).click()
    text: str = page.evaluate("navigator.clipboard.readText()")
    return text


def test_a_user_is_added_sends_and_is_ended_by_clicking(dev: Dev, page: Page, tmp_path: Path) -> None:
    page.goto(at(dev, LIST))
    page.get_by_role("link", name="Add user").first.click()
    page.get_by_label("User name").fill("shop@demo.example")
    page.get_by_label("Password", exact=True).fill("weak")
    page.get_by_label("Note").fill("Shop, production")
    page.get_by_role("dialog").get_by_role("button", name="Add user").click()
    expect(page.get_by_role("alert").first).to_contain_text("a capital letter and a special character")
    expect(page.get_by_label("User name")).to_have_value("shop@demo.example")
    expect(page.get_by_label("Password", exact=True)).to_have_value("")

    page.get_by_role("button", name="Generate").click()
    generated = page.get_by_label("Password", exact=True).input_value()
    page.get_by_role("dialog").get_by_role("button", name="Add user").click()
    expect(page.get_by_role("heading", name="SMTP user added")).to_be_visible()
    assert copied(page, "Copy the password") == generated

    # What is shown is run as it is.
    page.get_by_text("curl", exact=True).click()
    curl = copied(page, "Copy the curl example")
    page.get_by_text("Python", exact=True).click()
    program = tmp_path / "send.py"
    program.write_text(copied(page, "Copy the Python example"))
    sent = subprocess.run(["sh", "-c", curl], capture_output=True, text=True, timeout=60, check=False)
    assert sent.returncode == 0, sent.stderr
    subprocess.run([sys.executable, str(program)], timeout=60, check=True, env=os.environ | {"PYTHONPATH": ""})
    assert [mail["subject"] for mail in dev.wait_for_mail(2)] == ["Hello", "Hello"]

    page.get_by_role("button", name="Close").click()
    row = page.get_by_role("row").filter(has_text="Shop, production")
    expect(row).to_be_visible()
    assert generated not in page.content()
    row.get_by_role("link", name="Edit").click()
    page.get_by_label("Recipients an hour").fill("500")
    page.get_by_label("Log-ins only over TLS").check()
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("row").filter(has_text="Shop, production")).to_contain_text("TLS only · 500 an hour")

    row.get_by_role("button", name="Disable").click()
    expect(row).to_contain_text("Disabled")
    assert refused_within_promise(dev, "shop@demo.example", generated) == 535
    row.get_by_role("button", name="Enable").click()
    expect(row).to_contain_text("Active")
    row.get_by_role("link", name="Remove").click()
    page.get_by_role("dialog").get_by_role("button", name="Remove").click()
    expect(page.get_by_role("row").filter(has_text="Shop, production")).to_have_count(0)


def refused_within_promise(dev: Dev, username: str, password: str) -> int:
    host, port = dev.facts["smtp"]["host"], dev.facts["smtp"]["port"]
    deadline = time.monotonic() + PROMISED_S
    while True:
        # A login that is still taken may end at the next command, which is the QUIT of leaving.
        try:
            with smtplib.SMTP(host, int(port), timeout=10) as client:
                client.starttls()
                client.login(username, password)
        except smtplib.SMTPResponseException as refused:
            return refused.smtp_code
        assert time.monotonic() < deadline, "it does not hold after five seconds"
        time.sleep(0.05)


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 1280), ("light", 390)])
def test_the_pages_are_never_wider_than_the_screen(dev: Dev, browser: Browser, scheme: str, width: int) -> None:
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)  # type: ignore[arg-type]
    sign_in(dev, context, f"olga{next(_numbers)}@demo.example")
    page = context.new_page()
    for path in (LIST, f"{LIST}/new", f"{LIST}/1/edit", f"{LIST}/1/password", f"{LIST}/1/remove"):
        page.goto(at(dev, path))
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), path
        if folder := os.environ.get("POSTROAD_SCREENSHOTS"):
            page.screenshot(path=f"{folder}/{path.strip('/').replace('/', '-')}-{scheme}-{width}.png", full_page=True)
    context.close()


ACTION_LINES = """() => [...document.querySelectorAll(".row-actions")].map((row) =>
  new Set([...row.querySelectorAll("a, button")].map((one) => Math.round(one.getBoundingClientRect().top))).size)"""
VALUES_FROM = """() => [...document.querySelectorAll("td[data-label]")].map((cell) => {
  const first = [...cell.childNodes].find((one) => one.textContent.trim());
  if (first.nodeType === Node.ELEMENT_NODE) return Math.round(first.getBoundingClientRect().left);
  const text = document.createRange();
  text.setStart(first, first.data.search(/\\S/));
  text.setEnd(first, first.length);
  return Math.round(text.getClientRects()[0].left);
})"""


def test_the_list_keeps_its_lines_on_a_desktop_and_its_column_on_a_phone(dev: Dev, page: Page) -> None:
    page.goto(at(dev, f"{LIST}/new"))
    page.get_by_label("User name").fill("monthly-statements@demo.example")
    page.get_by_role("button", name="Generate").click()
    page.get_by_label("Note").fill("The billing application, production")
    page.get_by_role("button", name="Add user").click()
    page.goto(at(dev, LIST))
    assert set(page.evaluate(ACTION_LINES)) == {1}
    screenshot(page, "list-1280")

    page.set_viewport_size({"width": 390, "height": 900})
    assert len(set(page.evaluate(VALUES_FROM))) == 1
    screenshot(page, "list-390")


def screenshot(page: Page, name: str) -> None:
    if folder := os.environ.get("POSTROAD_SCREENSHOTS"):
        page.screenshot(path=f"{folder}/smtp-users-{name}.png", full_page=True)

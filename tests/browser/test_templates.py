"""A template by clicking: its preview with sample data that no address has room for."""

import json

import pytest
from playwright.sync_api import Page, expect

from tests.browser.pages import at
from tests.scenarios.dev import Dev

pytestmark = pytest.mark.peer("chromium-headless-shell")


def test_a_preview_shows_what_long_sample_data_make(dev: Dev, page: Page) -> None:
    page.goto(at(dev, "/templates/new"))
    page.get_by_label("Name", exact=True).fill("order")
    page.get_by_label("HTML", exact=True).fill("<p style='color: red'>Hi {{name}}</p>")
    page.get_by_role("button", name="Add template").click()
    page.get_by_role("link", name="Preview").first.click()
    made = page.frame_locator("iframe.foreign").get_by_role("paragraph")
    expect(made).to_have_text("Hi Ada")

    page.get_by_label("Sample data").fill(json.dumps({"name": "Bob " + "é" * 15_000}, ensure_ascii=False))
    page.get_by_role("button", name="Show", exact=True).click()
    expect(made).to_have_text("Hi Bob " + "é" * 15_000)
    expect(made).to_have_css("color", "rgb(255, 0, 0)")

    page.get_by_label("Sample data").fill("{name: 1}")
    page.get_by_role("button", name="Show", exact=True).click()
    expect(page.get_by_role("alert")).to_contain_text("this cannot be read at line 1, column 2")

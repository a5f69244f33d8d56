"""Suppressions by clicking: an address by hand, a list with its progress, a search, and taking off."""

import itertools
import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from tests.browser.pages import FITS, at
from tests.browser.people import sign_in
from tests.scenarios.dev import Dev

pytestmark = pytest.mark.peer("chromium-headless-shell")

LIST = "/suppressions"
LONG = f"{'somebody.with.a.very.long.name' * 2}@{'subdomain.' * 8}example.net"

_numbers = itertools.count(1)


def test_an_address_is_added_found_and_taken_off(dev: Dev, page: Page) -> None:
    page.goto(at(dev, "/"))
    page.get_by_role("link", name="Suppressions").click()
    page.get_by_role("link", name="Add address").first.click()
    page.get_by_label("Address", exact=True).fill("nobody")
    page.get_by_label("List", exact=True).select_option("bounce")
    page.get_by_role("dialog").get_by_role("button", name="Add address").click()
    expect(page.get_by_role("alert")).to_contain_text("Write the address as local@domain")

    page.get_by_label("Address", exact=True).fill("Ann@Example.net")
    page.get_by_label("Reason").fill("Asked by phone")
    page.get_by_role("dialog").get_by_role("button", name="Add address").click()
    expect(page.get_by_role("status").first).to_contain_text("ann@example.net was added to demo.example")

    page.get_by_label("Beginning of an address").fill("bob")
    expect(page.get_by_role("heading", name="Nothing found")).to_be_visible()
    page.get_by_label("Beginning of an address").fill("AN")
    row = page.get_by_role("row").filter(has_text="Asked by phone")
    expect(row).to_contain_text("Bounce")
    # A slow finger: leaving the field does not search anew, which would take the link away from under it.
    row.get_by_role("link", name="Remove ann@example.net").click(delay=500)
    expect(page.get_by_role("dialog")).to_contain_text("bounce list of demo.example")
    page.get_by_role("dialog").get_by_role("button", name="Remove").click()
    expect(page.get_by_role("status").first).to_contain_text("was removed")
    expect(page.get_by_text("ann@example.net", exact=True)).to_have_count(0)


def test_what_is_typed_before_the_page_has_its_scripts_is_searched_for(dev: Dev, page: Page) -> None:
    held: list[Route] = []
    page.route("**/static/vendor/htmx-*.js", lambda route: held.append(route))
    page.goto(at(dev, f"{LIST}?kind=block"), wait_until="commit")
    page.get_by_label("Beginning of an address").fill("nobody.begins.so")
    with page.expect_response(lambda answer: "q=nobody.begins.so" in answer.url):
        held.pop().continue_()
    expect(page.get_by_role("heading", name="Nothing found")).to_be_visible()
    expect(page).to_have_url(re.compile("q=nobody.begins.so"))


def test_an_address_is_checked_in_the_dialog(dev: Dev, page: Page) -> None:
    page.goto(at(dev, LIST))
    page.get_by_role("link", name="Check address").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Address", exact=True).fill("a b")
    dialog.get_by_role("button", name="Check").click()
    expect(dialog.get_by_role("status")).to_contain_text("Undeliverable")
    expect(dialog.get_by_role("status")).to_contain_text("It is no address.")

    # Whatever DNS says here, the name is what it looks like.
    dialog.get_by_label("Address", exact=True).fill("info@gmal.com")
    dialog.get_by_label("Address", exact=True).press("Enter")
    expect(dialog.get_by_role("status")).to_contain_text("info@gmail.com", timeout=15_000)
    expect(dialog.get_by_role("status")).to_contain_text("It is of a role or a team")


def test_a_list_is_uploaded_and_followed_to_its_end(dev: Dev, page: Page, tmp_path: Path) -> None:
    lines = ["address,kind", *(f"u{number}@example.net,bounce" for number in range(5_000)), "nobody,bounce"]
    (tmp_path / "gone.csv").write_text("\n".join(lines))
    page.goto(at(dev, f"{LIST}/upload"))
    page.get_by_label("CSV file").set_input_files(tmp_path / "gone.csv")
    page.get_by_role("button", name="Upload").click()

    expect(page.get_by_role("heading", name="gone.csv")).to_be_visible()
    # Without loading the page again.
    expect(page.locator("#import [role=status]")).to_contain_text("All 5,002 lines were read", timeout=60_000)
    expect(page.get_by_role("row").filter(has_text="5002")).to_contain_text("local@domain")

    page.goto(at(dev, f"{LIST}?q=u1"))
    rows = page.locator("#results tbody tr")
    expect(rows).to_have_count(51)
    page.get_by_role("link", name="More", exact=True).click()
    expect(rows).to_have_count(101)
    with page.expect_download() as download:
        page.get_by_role("link", name="Download").click()
    assert download.value.suggested_filename == "suppressions-all-domains.csv"
    addresses = {line.split(",")[0] for line in Path(download.value.path()).read_text().splitlines()}
    assert addresses >= {f"u{number}@example.net" for number in range(5_000)}


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 1280), ("light", 390)])
def test_the_pages_are_never_wider_than_the_screen(
    dev: Dev, browser: Browser, tmp_path: Path, scheme: str, width: int
) -> None:
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)  # type: ignore[arg-type]
    sign_in(dev, context, f"una{next(_numbers)}@demo.example")
    page = context.new_page()
    (tmp_path / f"{'a-long-file-name' * 8}.csv").write_text(f"address,reason\n{LONG},{'very' * 60}\n{'x' * 200}\n")
    page.goto(at(dev, f"{LIST}/upload"))
    assert page.evaluate(FITS)
    page.get_by_label("CSV file").set_input_files(next(tmp_path.glob("*.csv")))
    page.get_by_role("button", name="Upload").click()
    expect(page.locator("#import [role=status]")).to_contain_text("lines were read")
    assert page.evaluate(FITS)
    for path in (LIST, f"{LIST}?q=somebody", f"{LIST}?q=none", f"{LIST}/new"):
        page.goto(at(dev, path))
        assert page.evaluate(FITS), path
    page.goto(at(dev, f"{LIST}?q=somebody"))
    page.get_by_role("link", name=f"Remove {LONG}").click()
    expect(page.get_by_role("dialog")).to_be_visible()
    assert page.evaluate(FITS)
    context.close()

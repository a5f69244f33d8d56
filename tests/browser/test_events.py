"""Events in a real browser: rows that appear as they happen, filters in the address, a file with its progress."""

import asyncio
import csv
import io
import os
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import pytest
from playwright.sync_api import Browser, Page, expect

from postroad.model.event import EventType
from postroad.model.ids import IdSource
from postroad.model.user import Role
from postroad.net.clock import now_ms
from postroad.storage import domains
from postroad.storage.engine import open_database
from tests.browser.pages import FITS, at, watched
from tests.browser.people import sign_in
from tests.scenarios.dev import Dev
from tests.storage.samples import PARTITION, accepted, event_of

pytestmark = pytest.mark.peer("chromium-headless-shell")

SCREENSHOTS = os.environ.get("POSTROAD_SCREENSHOTS", "")
"""A folder to look at the pages in."""
_SIGN_IN = re.compile("/sign-in")
_ids = IdSource(200)


def _happen(dev: Dev, kind: EventType, to: str, count: int = 1, *, ago_ms: int = 0) -> None:
    """Write events beside the running node."""

    async def write() -> None:
        database = await open_database(
            "", data_dir=Path(dev.facts["data_dir"]), clock=now_ms, read_connections=1, is_checkpointer=False
        )
        try:
            domain = (await database.read(domains.list_all))[0]
            delivery = accepted(to, account_id=domain.account_id, domain_id=domain.id).deliveries[0]
            instant = now_ms() - ago_ms
            happened = [
                event_of(delivery, kind, at=instant, reply="250 2.0.0 Ok: queued as 4F2K") for _ in range(count)
            ]
            await database.append_events(
                [msgspec.structs.replace(one, id=_ids.next(instant, PARTITION)) for one in happened]
            )
        finally:
            await database.close()

    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, write()).result()


@pytest.fixture(params=[("light", 1280), ("dark", 1280), ("light", 390)], ids=["light", "dark", "phone"])
def page(dev: Dev, browser: Browser, request: pytest.FixtureRequest) -> Iterator[Page]:
    """A page of somebody who may only look."""
    scheme, width = request.param
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
    context.set_default_timeout(20_000)
    sign_in(dev, context, f"eve-{request.node.callspec.id}-{now_ms()}@demo.example", role=Role.USER)
    with watched(context.new_page()) as opened:
        yield opened
    context.close()


def _keep(page: Page, name: str, request: pytest.FixtureRequest) -> None:
    if SCREENSHOTS:
        page.screenshot(path=f"{SCREENSHOTS}/{name}-{request.node.callspec.id}.png", full_page=True)


def test_events_appear_as_they_happen(dev: Dev, page: Page, request: pytest.FixtureRequest) -> None:
    name = request.node.callspec.id
    _happen(dev, EventType.DELIVERED, f"before@{name}.example")
    page.goto(at(dev, "/events"))
    rows, live = page.locator("#event-rows tr"), page.get_by_role("button", name="Live")
    expect(rows.first).to_contain_text(f"before@{name}.example")
    before = rows.count()
    expect(live).to_have_attribute("aria-pressed", "false")
    live.focus()
    page.keyboard.press("Space")
    expect(live).to_have_attribute("aria-pressed", "true")
    expect(page.locator("#live-state")).to_have_text("Events appear as they happen.")
    _happen(dev, EventType.BOUNCED, f"after@{name}.example")
    _happen(dev, EventType.DELIVERED, f"other@{name}.example")

    expect(rows.first).to_contain_text(f"other@{name}.example")
    expect(page.locator("#event-rows")).to_contain_text(f"after@{name}.example")
    # What the page had shown already does not come twice.
    expect(rows).to_have_count(before + 2)
    expect(page.locator("#announcement")).to_contain_text("new event")
    assert page.evaluate("document.activeElement.id") == "live"
    assert page.evaluate(FITS)
    _keep(page, "events-live", request)

    page.locator("#type").select_option("bounced")
    expect(rows.first).to_contain_text(f"after@{name}.example")
    expect(page.locator("#event-rows")).not_to_contain_text("other@")
    assert page.url.endswith("?type=bounced")
    _happen(dev, EventType.DELIVERED, f"unseen@{name}.example")
    _happen(dev, EventType.BOUNCED, f"seen@{name}.example")
    expect(rows.first).to_contain_text(f"seen@{name}.example")
    expect(page.locator("#event-rows")).not_to_contain_text("unseen@")

    live.click()
    expect(live).to_have_attribute("aria-pressed", "false")
    page.locator("#recipient").fill("@nowhere.example")
    expect(page.get_by_text("Nothing found")).to_be_visible()
    _keep(page, "events-none", request)


def test_signing_out_ends_what_is_followed(dev: Dev, page: Page) -> None:
    page.goto(at(dev, "/events"))
    page.get_by_role("button", name="Live").click()
    expect(page.locator("#live-state")).to_have_text("Events appear as they happen.")
    other = page.context.new_page()
    other.goto(at(dev, "/events"))
    other.locator("details.menu summary").click()
    other.get_by_role("button", name="Sign out").click()
    expect(other).to_have_url(_SIGN_IN)
    expect(page).to_have_url(_SIGN_IN)


_KINDS = {"light": EventType.HELD, "dark": EventType.RELEASED, "phone": EventType.CANCELLED}
"""A type of event for each look, that nothing else makes."""


def test_a_file_is_saved_with_its_progress(dev: Dev, page: Page, request: pytest.FixtureRequest) -> None:
    kind = _KINDS[request.node.callspec.id]
    _happen(dev, kind, "a@file.example", 2_500, ago_ms=5_000)
    page.goto(at(dev, f"/events?type={kind.value}"))
    page.get_by_role("link", name="Export").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text(kind.value)
    _keep(page, "events-export", request)
    with page.expect_download() as saved:
        dialog.get_by_role("button", name="Export").click()
    expect(dialog).to_contain_text("2,500 events were saved.")
    expect(dialog.locator("progress")).to_have_attribute("value", "1")
    _keep(page, "events-exported", request)
    rows = list(csv.DictReader(io.StringIO(Path(saved.value.path()).read_text())))
    assert saved.value.suggested_filename.endswith(".csv")
    assert [row["recipient"] for row in rows] == ["a@file.example"] * 2_500


def test_a_file_is_saved_without_scripts(dev: Dev, browser: Browser) -> None:
    _happen(dev, EventType.DEDUPLICATED, "a@plain.example", ago_ms=5_000)
    context = browser.new_context(java_script_enabled=False)
    context.set_default_timeout(20_000)
    sign_in(dev, context, f"eve-plain-{now_ms()}@demo.example", role=Role.USER)
    page = context.new_page()
    page.goto(at(dev, "/events?type=deduplicated"))
    page.get_by_role("link", name="Export").click()
    page.get_by_label("NDJSON").check()
    with page.expect_download() as saved:
        page.get_by_role("button", name="Export").click()
    assert "a@plain.example" in Path(saved.value.path()).read_text()
    context.close()

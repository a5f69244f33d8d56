"""Statistics in a real browser: dragging over the chart zooms everything, series are switched, nothing breaks a policy."""

import asyncio
import os
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from postroad.model.event import EventType
from postroad.model.user import Role
from postroad.net.clock import now_ms
from postroad.storage import domains
from postroad.storage.engine import open_database
from tests.browser.pages import FITS, at, watched
from tests.browser.people import sign_in
from tests.scenarios.dev import Dev, running_dev
from tests.storage.samples import accepted, event_of

pytestmark = pytest.mark.peer("chromium-headless-shell")

HOUR_MS = 3_600_000
ZONE = "America/New_York"
SCREENSHOTS = os.environ.get("POSTROAD_SCREENSHOTS", "")
"""A folder to look at the pages in."""


@pytest.fixture(scope="module")
def dev(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dev]:
    with running_dev(tmp_path_factory.mktemp("browser")) as running:
        yield running


@pytest.fixture(scope="module")
def counted(dev: Dev) -> Dev:
    """The same with a week of mail: every hour some, one tag and one class early, others late."""
    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, _count(Path(dev.facts["data_dir"]))).result()
    return dev


async def _count(data_dir: Path) -> None:
    database = await open_database("", data_dir=data_dir, clock=now_ms, read_connections=1, is_checkpointer=False)
    try:
        domain = (await database.read(domains.list_all))[0]
        now = now_ms() // HOUR_MS * HOUR_MS
        for ago in range(6 * 24):
            await database.append_events(_events(domain.account_id, domain.id, now - ago * HOUR_MS, is_late=ago < 48))
    finally:
        await database.close()


def _events(account_id: int, domain_id: int, instant: int, *, is_late: bool) -> list[Any]:
    tag, to = ("late", "late.example") if is_late else ("early", "early.example")
    hour = instant // HOUR_MS
    one = accepted(f"u@{to}", account_id=account_id, domain_id=domain_id).deliveries[0]
    bounced = {"bounce_class": "quota" if is_late else "bad-mailbox", "is_expired": True}
    kinds: list[tuple[EventType, int, dict[str, Any]]] = [
        (EventType.ACCEPTED, 8 + hour % 7, {}),
        (EventType.DELIVERED, 6 + hour % 5, {}),
        (EventType.DEFERRED, hour % 3, {"bounce_class": "policy-related"}),
        (EventType.BOUNCED, 1 + hour % 2, bounced),
        (EventType.OPENED, 3, {"verdict": "human", "is_first": True}),
        (EventType.OPENED, 2, {"verdict": "machine"}),
        (EventType.CLICKED, 1, {"verdict": "human", "is_first": True}),
        (EventType.CLICKED, 2, {"verdict": "human"}),
    ]
    return [event_of(one, kind, at=instant, tags=[tag], **facts) for kind, count, facts in kinds for _ in range(count)]


@pytest.fixture(params=[("light", 1280), ("dark", 1280), ("light", 390)], ids=["light", "dark", "phone"])
def page(counted: Dev, browser: Browser, request: pytest.FixtureRequest) -> Iterator[Page]:
    """A page of somebody who may only look."""
    scheme, width = request.param
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme, timezone_id=ZONE)
    context.set_default_timeout(20_000)
    sign_in(counted, context, f"uma-{request.node.callspec.id}-{now_ms()}@demo.example", role=Role.USER)
    with watched(context.new_page()) as opened:
        yield opened
    context.close()


def _keep(page: Page, name: str, request: pytest.FixtureRequest) -> None:
    if SCREENSHOTS:
        page.screenshot(path=f"{SCREENSHOTS}/{name}-{request.node.callspec.id}.png", full_page=True)


def test_zoom_changes_all_tables_and_series_are_switched(
    counted: Dev, page: Page, request: pytest.FixtureRequest
) -> None:
    page.goto(at(counted, "/statistics"))
    tags, classes, destinations = (
        page.locator("#tag-table"),
        page.locator("#classes"),
        page.locator("#destination-table"),
    )
    over = page.locator("#chart .u-over")
    expect(over).to_be_visible()
    expect(tags).to_contain_text("early")
    expect(tags).to_contain_text("late")
    # 3 of 6 to 10 delivered each hour.
    expect(page.get_by_text(re.compile(r"^[0-9]+ of [0-9,]+ delivered$")).first).to_be_visible()
    expect(page.locator("#tag-responses-table")).to_contain_text("early")
    # The zone of the browser has come back as that of the page, before anything is dragged.
    expect(page.locator("#span")).to_have_attribute("data-zone", ZONE)
    assert page.evaluate(FITS)
    _keep(page, "delivery", request)

    over.scroll_into_view_if_needed()
    box = over.bounding_box()
    assert box is not None
    middle = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + box["width"] * 0.8, middle)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.9, middle, steps=4)
    page.mouse.up()

    expect(tags).not_to_contain_text("early")
    expect(destinations).not_to_contain_text("early.example")
    expect(classes).not_to_contain_text("Bad mailbox")
    expect(classes).to_contain_text("Mailbox full")
    assert "from=" in page.url
    assert len(page.evaluate("JSON.parse(document.getElementById('chart-data').textContent).times")) < 40

    page.get_by_role("link", name="7 days").focus()
    page.keyboard.press("Enter")
    expect(tags).to_contain_text("early")
    expect(page.get_by_role("link", name="7 days")).to_be_focused()
    page.go_back()
    expect(tags).not_to_contain_text("early")

    button = page.get_by_role("button", name="Delivered")
    button.focus()
    page.keyboard.press("Space")
    expect(button).to_have_attribute("aria-pressed", "false")
    expect(page.locator("#chart .u-series.u-off")).to_have_count(1)
    narrow = page.locator("#span").inner_text()
    page.get_by_role("link", name="Zoom out").click()
    expect(page.locator("#span")).not_to_have_text(narrow)
    expect(page.locator("#chart .u-series.u-off")).to_have_count(1)
    page.get_by_role("button", name="Delivered").click()
    expect(page.locator("#chart .u-series.u-off")).to_have_count(0)

    page.get_by_role("link", name="Bounces by class").click()
    expect(page.get_by_role("button", name="Mailbox full")).to_be_visible()
    page.get_by_role("link", name="30 days").click()
    expect(page.get_by_role("button", name="Bad mailbox")).to_be_visible()
    expect(page.locator("#timeline-title")).to_have_text("By the day")
    assert page.evaluate(FITS)
    _keep(page, "bounces", request)


def test_days_and_times_are_the_viewers(counted: Dev, page: Page) -> None:
    page.goto(at(counted, "/statistics?period=30d"))
    expect(page.locator("#span")).to_have_attribute("data-zone", ZONE)

    hours = page.evaluate(
        """() => JSON.parse(document.getElementById('chart-data').textContent).times.map(
             (seconds) => new Date(seconds * 1000).getHours())"""
    )
    assert set(hours) == {0}


def test_without_scripts_the_tables_and_links_do(counted: Dev, browser: Browser, dev: Dev) -> None:
    context = browser.new_context(java_script_enabled=False)
    sign_in(dev, context, f"nora-{now_ms()}@demo.example", role=Role.USER)
    page = context.new_page()
    page.goto(at(counted, "/statistics"))
    expect(page.get_by_role("group", name="Series")).to_be_hidden()
    page.get_by_text("The same as a table").click()
    expect(page.get_by_role("columnheader", name="Delivered").first).to_be_visible()
    page.get_by_role("link", name="24 hours").click()

    expect(page.locator("#tag-table")).not_to_contain_text("early")
    with page.expect_download() as download:
        page.get_by_role("link", name=re.compile("CSV of tags")).click()
    assert download.value.path().read_text().startswith("tag,accepted,")
    context.close()

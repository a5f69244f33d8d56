"""Signing in by an OpenID provider on another site, in a real browser with its rules for cookies and policies."""

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from postroad.accounts.people.oidc import CALLBACK_PATH
from postroad.model.user import User
from postroad.net.clock import now_ms
from postroad.storage import users
from postroad.storage.engine import open_database
from tests.browser.pages import watched
from tests.peers.openid import OpenIdPeer
from tests.peers.ports import free_port
from tests.scenarios.dev import running_dev

pytestmark = pytest.mark.peer("chromium-headless-shell", "npm:oidc-provider")

OLGA = "olga@host.example"


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A page that may break no rule of its policy, in a browser that does not look at certificates."""
    context = browser.new_context(ignore_https_errors=True)
    context.set_default_timeout(15_000)
    with watched(context.new_page()) as opened:
        yield opened
    context.close()


async def add_operator(data_dir: Path) -> None:
    database = await open_database("", data_dir=data_dir, clock=now_ms, read_connections=1, is_checkpointer=False)
    await database.write(users.add, User(id=0, account_id=None, email=OLGA, is_operator=True, created_at=now_ms()))
    await database.close()


def test_the_button_leads_to_the_provider_and_back_to_the_page_that_was_wanted(page: Page, tmp_path: Path) -> None:
    # To a browser an address and ``localhost`` are two sites.
    home = f"127.0.0.1:{free_port()}"
    with OpenIdPeer(f"http://{home}{CALLBACK_PATH}") as peer:
        settings = {
            "POSTROAD_HTTP__LISTEN": home,
            "POSTROAD_ACCOUNTS__OIDC__ISSUER": peer.issuer,
            "POSTROAD_ACCOUNTS__OIDC__CLIENT_ID": peer.client_id,
            "POSTROAD_ACCOUNTS__OIDC__CLIENT_SECRET": peer.client_secret,
            "POSTROAD_ACCOUNTS__OIDC__NAME": "Example Login",
            "POSTROAD_ACCOUNTS__OIDC__AUTHORITIES": str(peer.authorities),
            "POSTROAD_ACCOUNTS__OIDC__ALLOW_PRIVATE_ADDRESSES": "true",
        }
        with running_dev(tmp_path / "data", settings):
            with ThreadPoolExecutor(1) as thread:
                thread.submit(asyncio.run, add_operator(tmp_path / "data")).result()
            peer.signs_in("stranger", email="stranger@elsewhere.example", email_verified=True)
            page.goto(f"http://{home}/profile")
            page.get_by_role("link", name="Sign in with Example Login").click()
            expect(page.get_by_text("There is no user stranger@elsewhere.example here")).to_be_visible()

            page.context.clear_cookies()
            peer.signs_in("olga", email=OLGA, email_verified=True)
            page.goto(f"http://{home}/profile")
            page.get_by_role("link", name="Sign in with Example Login").click()

            expect(page.get_by_role("heading", name="Your profile")).to_be_visible()
            expect(page.get_by_text("by oidc")).to_be_visible()

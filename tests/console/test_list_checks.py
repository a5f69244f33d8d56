"""Checking whole lists of addresses in the console."""

import re

import httpx2

from postroad.httpd.console.console import Console
from postroad.model.actor import SYSTEM
from postroad.model.suppression import SuppressionKind
from postroad.net.clock import now_ms
from postroad.storage import audit
from postroad.storage.database import Database
from postroad.suppressions.list_checking import ListChecking

from .conftest import Client, SignIn, World

LIST = "/suppressions/check/lists"
CSV = b"email\nbob@r.example\nnobody\n=1+1\n"


async def upload(client: Client, octets: bytes = CSV) -> httpx2.Response:
    files = {"file": ("spring.csv", octets, "text/csv")}
    return await client.post(LIST, data={"csrf": client.csrf}, files=files, headers={"Sec-Fetch-Site": "same-origin"})


async def test_a_list_is_uploaded_followed_fetched_and_removed(
    admin: Client, user: Client, console: Console, database: Database, world: World
) -> None:
    await console.suppressions.add(SYSTEM, world.domain.name, "bob@r.example", SuppressionKind.BOUNCE)
    assert "No lists" in (await user.get(LIST)).text
    assert f'href="{LIST}"' in (await user.get("/suppressions")).text
    reply = await upload(admin)
    path = reply.headers["location"]
    assert re.fullmatch(rf"{LIST}/\d+", path)
    before = (await user.get(path)).text
    assert "0 of 3 addresses" in before
    assert 'hx-trigger="every 2s"' in before
    assert (await user.get(f"{path}/results.csv")).status_code == 404

    assert await ListChecking(database, console.address_checks, now_ms).work()

    after = (await user.get(path)).text
    assert "All 3 addresses were checked." in after
    assert "<dt>Undeliverable</dt><dd>3</dd>" in after
    assert "every 2s" not in after
    table = (await user.get(f"{path}/results.csv")).text.splitlines()
    assert table[0] == "address,result,confidence,reasons,did_you_mean,role,disposable,detail"
    assert table[1].startswith("bob@r.example,undeliverable,0,")
    assert "bounced" in table[1]
    assert table[3].startswith("'=1+1,undeliverable,0,syntax,")
    listed = (await user.get(LIST)).text
    assert "3 of 3" in listed
    assert "/remove" not in listed

    assert "Its results go with it." in (await admin.get(f"{path}/remove")).text.replace("\n", "")
    assert (await admin.send_form(f"{path}/remove")).status_code == 303
    assert (await admin.get(path)).status_code == 404
    entries = await database.read(audit.search, audit.AuditSelector(action="list_check"), 10)
    assert [one.action for one in entries] == ["list_check.removed", "list_check.begun"]


async def test_who_may_only_look_uploads_nothing_and_others_see_nothing(
    admin: Client, user: Client, sign_in: SignIn, world: World
) -> None:
    stranger = await sign_in(world.stranger)
    assert (await upload(user)).status_code == 403
    path = (await upload(admin)).headers["location"]
    assert (await user.get(f"{path}/remove")).status_code == 403
    for part in ("", "/results.csv", "/remove"):
        assert (await stranger.get(path + part)).status_code == 404
    assert "spring.csv" not in (await stranger.get(LIST)).text


async def test_what_is_no_list_is_said_at_its_field(admin: Client) -> None:
    for octets, sentence in ((b"", "The list is empty"), (b"name\nAnn\n", "no column of addresses")):
        reply = await upload(admin, octets)
        assert reply.status_code == 422
        assert re.search(rf'id="file-error".*{sentence}', reply.text)
    none = await admin.send_form(LIST)
    assert "Choose a CSV file." in none.text

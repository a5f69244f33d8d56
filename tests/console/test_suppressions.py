"""Suppressions in the console: search, by hand, and uploaded lists."""

import asyncio
import base64
import json
import re
from collections.abc import AsyncIterator

import httpx2
import pytest

from postroad.httpd.console.console import Console
from postroad.httpd.console.pages import suppressions as pages
from postroad.model.actor import SYSTEM
from postroad.model.suppression import SuppressionKind
from postroad.storage import audit, suppressions
from postroad.storage.audit import AuditSelector
from postroad.storage.database import Database
from postroad.storage.suppressions import Wanted, place_of
from postroad.suppressions import imports
from postroad.suppressions.suppressions import Search, place_text

from .conftest import Client, World, message_of

KIND = SuppressionKind
LIST = "/suppressions"
DIALOG = {"HX-Request": "true"}


@pytest.fixture
async def reading(console: Console) -> AsyncIterator[None]:
    """What reads uploaded lists runs."""
    task = asyncio.create_task(console.imports.run())
    yield
    task.cancel()


async def add(console: Console, world: World, address: str, kind: SuppressionKind = KIND.BLOCK, **facts: str) -> str:
    entry = await console.suppressions.add(SYSTEM, world.domain.name, address, kind, **facts)
    return place_text(place_of(entry))


async def listed(database: Database, world: World) -> list[tuple[str, str]]:
    found = await database.read(suppressions.page, Wanted(domain_ids=(world.domain.id,)), 100)
    return [(one.address, one.kind.value) for one in found]


async def actions(database: Database) -> list[tuple[str, str, str]]:
    entries = await database.read(audit.search, AuditSelector(action="suppression"), 10)
    return [(one.action, one.actor_name, one.target) for one in entries]


async def upload(
    client: Client, octets: bytes, *, kind: str = "block", domain: str = "news.acme.example"
) -> httpx2.Response:
    return await client.post(
        f"{LIST}/upload",
        data={"csrf": client.csrf, "kind": kind, "domain": domain},
        files={"file": ("gone.csv", octets, "text/csv")},
        headers={"Sec-Fetch-Site": "same-origin"},
    )


async def test_an_empty_page_says_what_to_do_and_the_menu_leads_to_it(admin: Client, user: Client) -> None:
    text = (await admin.get(LIST)).text

    assert "Nobody is suppressed" in text
    assert 'href="/suppressions/upload"' in text
    assert re.search(r'<a[^>]*href="/suppressions"[^>]*aria-current', text)
    assert 'href="/suppressions/new"' not in (await user.get(LIST)).text


async def test_an_address_is_added_searched_and_removed(
    admin: Client, console: Console, database: Database, world: World
) -> None:
    assert "Add address" in (await admin.get(f"{LIST}/new", headers=DIALOG)).text
    added = await admin.send_form(
        f"{LIST}/new", domain=world.domain.name, address="Ann@R.Example", kind="block", reason="Asked <b>by phone</b>"
    )
    await add(console, world, "bob@r.example", KIND.ALLOW)
    page = (await admin.get(LIST)).text
    found = (await admin.get(f"{LIST}?q=ANN&kind=block")).text
    other = (await admin.get(f"{LIST}?q=ann&kind=bounce")).text
    place = re.search(r"/suppressions/entries/([\w-]+)/remove", found)

    assert added.status_code == 303
    assert "ann@<wbr>r.<wbr>example" in page
    assert "bob@<wbr>r.<wbr>example" in page
    assert "Asked &lt;b&gt;by phone&lt;/<wbr>b&gt;" in found
    assert "bob@" not in found
    assert "Nothing found" in other
    assert place is not None
    asked = (await admin.get(place[0], headers=DIALOG)).text
    assert "Remove ann@" in asked
    assert await listed(database, world) == [("ann@r.example", "block"), ("bob@r.example", "allow")]
    await admin.send_form(place[0])
    assert await listed(database, world) == [("bob@r.example", "allow")]
    assert (await admin.send_form(place[0])).status_code == 404
    assert (await actions(database))[0] == (
        "suppression.removed",
        "ada@acme.example",
        "ann@r.example of news.acme.example",
    )


@pytest.mark.parametrize(
    ("fields", "field", "sentence"),
    [
        ({"address": "nobody"}, "address", "Write the address as local@domain"),
        ({"address": ""}, "address", "Write the address"),
        ({"address": "foo", "kind": "block"}, "address", "or @domain for all addresses there"),
        ({"address": "there@r.example"}, "address", "is on this list of news.acme.example already"),
        ({"address": "dear@r.example"}, "address", "is on the allow list"),
        ({"tag": "spring"}, "tag", "Only an unsubscribe"),
        ({"reason": "x" * 501}, "reason", "at most 500"),
        ({"kind": "spam"}, "kind", "Choose a list"),
        ({"domain": "news.globex.example"}, "domain", "There is no sending domain news.globex.example"),
        ({"domain": ""}, "domain", "Choose the sending domain"),
    ],
)
async def test_what_is_wrong_stands_at_its_field(
    admin: Client, console: Console, world: World, *, fields: dict[str, str], field: str, sentence: str
) -> None:
    await add(console, world, "there@r.example", KIND.BOUNCE)
    await add(console, world, "dear@r.example", KIND.ALLOW)
    typed = {"domain": world.domain.name, "address": "a@r.example", "kind": "bounce", "reason": "R-1"}
    reply = await admin.send_form(f"{LIST}/new", **typed | fields)

    assert reply.status_code == 422
    wrong = re.search(rf'id="{field}-error"[^>]*>(.*?)</p>', reply.text, re.DOTALL)
    assert wrong is not None
    assert sentence in wrong[1]


async def test_lists_follow_the_chosen_domain_and_stay_within_the_account(
    admin: Client, console: Console, world: World
) -> None:
    await add(console, world, "ours@r.example")
    await console.suppressions.add(SYSTEM, world.their_domain.name, "theirs@r.example", KIND.BLOCK)

    every = (await admin.get(LIST)).text
    admin.cookies.set("postroad-domain", str(world.their_domain.id))

    assert "ours@" in every
    assert "theirs@" not in every
    assert "theirs@" not in (await admin.get(LIST)).text
    assert "theirs@" not in (await admin.get(f"{LIST}/export")).text


async def test_pages_go_on_where_the_last_one_ended(
    admin: Client, console: Console, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, "PAGE_SIZE", 2)
    for name in "abc":
        await add(console, world, f"{name}@r.example")

    first = (await admin.get(LIST)).text
    more = re.search(r'href="(/suppressions\?after=[^"]+)"', first)
    assert more is not None
    second = (await admin.get(more[1])).text

    assert "a@<wbr>r" in first
    assert "c@<wbr>r" not in first
    assert "c@<wbr>r" in second
    assert "after=" not in second
    assert 'name="next" value="/suppressions"' in second
    for made_up in ("1", "WzEsMl0", "é", "a" * 400):
        assert (await admin.get(f"{LIST}?after={made_up}")).status_code == 404


@pytest.mark.usefixtures("reading")
async def test_an_uploaded_list_tells_how_far_it_is_and_what_was_wrong(
    admin: Client, user: Client, console: Console, database: Database, world: World
) -> None:
    await add(console, world, "known@r.example", KIND.BOUNCE)
    lines = ["address,kind", "known@r.example,bounce", "New@R.example", "not <one>", "x@r.example,spam"]
    reply = await upload(admin, "\r\n".join(lines).encode())
    path = reply.headers["location"]
    await console.imports.all_read()
    page = (await user.get(path)).text

    assert re.fullmatch(r"/suppressions/imports/\d+", path)
    assert "All 5 lines were read." in page
    for label, number in (("Added", 1), ("There already", 1), ("Not understood", 2)):
        assert f"<dt>{label}</dt><dd>{number}</dd>" in page
    assert "<td>4</td>" in page
    assert "not &lt;one&gt;" in page or "local@" in page
    assert 'hx-trigger="every' not in page
    assert await listed(database, world) == [("known@r.example", "bounce"), ("new@r.example", "block")]
    assert [action for action, _, _ in await actions(database)][:2] == [
        "suppression.imported",
        "suppression.import_begun",
    ]


@pytest.mark.usefixtures("reading")
async def test_a_list_can_write_anew_what_is_there(console: Console, world: World) -> None:
    await add(console, world, "known@r.example", KIND.BOUNCE, reason="old")
    csv = b"address,error\nknown@r.example,new\nother@r.example,new\n"
    begun = await console.imports.begin(SYSTEM, world.domain, KIND.BOUNCE, csv, "x.csv", is_anew=True)
    await console.imports.all_read()
    progress = (await console.imports.get(SYSTEM, begun.id)).progress
    [entry] = await console.suppressions.about(SYSTEM, world.domain.name, "known@r.example")

    assert (progress.added, progress.known) == (1, 1)
    assert (entry.reason, entry.way.value) == ("new", "import")


async def test_a_list_that_is_being_read_is_looked_at_again_until_nobody_reads_it(
    admin: Client, console: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = (await upload(admin, b"a@r.example\nb@r.example\n")).headers["location"]
    running = (await admin.get(path)).text
    monkeypatch.setattr(imports, "_SILENT_MS", -1_000_000_000_000)
    stopped = (await admin.get(path)).text

    assert 'hx-trigger="every 1s"' in running
    assert "0 of 2 lines" in running
    assert "It stopped at line 0" in stopped
    assert "every 1s" not in stopped


@pytest.mark.parametrize(
    ("octets", "sentence"),
    [
        (b"\xff\xfe\x00", "not UTF-8"),
        (b"", "The list is empty"),
        (b"name,city\nAnn,Oslo\n", "no column of addresses"),
        (b"a@r.example\n" * 200_001, "at most 200,000 lines"),
    ],
)
async def test_what_is_no_list_is_said_at_its_field(admin: Client, octets: bytes, sentence: str) -> None:
    reply = await upload(admin, octets)

    assert reply.status_code == 422
    assert re.search(rf'id="file-error".*{sentence}', reply.text)


async def test_an_upload_is_bounded_and_scoped(admin: Client, user: Client, database: Database, world: World) -> None:
    assert (await upload(admin, b"x" * (11 * 1024 * 1024))).status_code == 413
    assert (await upload(user, b"a@r.example")).status_code == 403
    assert (await upload(admin, b"a@r.example", domain="news.globex.example")).status_code == 422
    broken = await admin.post(
        f"{LIST}/upload", content=b"--x", headers={"Content-Type": "multipart/form-data; boundary=y"}
    )
    assert broken.status_code in {400, 403}
    for _ in range(4):
        assert (await upload(admin, b"a@r.example")).status_code == 303
    assert "Several lists are being read" in (await upload(admin, b"a@r.example")).text
    assert await listed(database, world) == []


@pytest.mark.usefixtures("reading")
async def test_what_is_downloaded_can_be_uploaded_again(
    admin: Client, user: Client, console: Console, database: Database, world: World
) -> None:
    await add(console, world, "a@r.example", KIND.UNSUBSCRIBE, tag="Spring")
    await add(console, world, "@s.example", KIND.ALLOW, reason="=1+1")
    reply = await user.get(f"{LIST}/export")
    before = await listed(database, world)
    async for entries in console.suppressions.export(SYSTEM, Search(domain_id=world.domain.id)):
        for one in entries:
            await console.suppressions.remove(SYSTEM, place_of(one))
    assert await listed(database, world) == []
    await upload(admin, reply.content)
    await console.imports.all_read()

    assert reply.headers["content-disposition"] == 'attachment; filename="suppressions-all-domains.csv"'
    assert ",'=1+1," in reply.text
    assert await listed(database, world) == before


async def test_a_message_tells_why_its_recipient_got_nothing(
    user: Client, console: Console, database: Database, world: World
) -> None:
    await add(console, world, "a@r.example", reason="Asked by phone")
    message = await message_of(database, world.ours, world.domain, "a@r.example")
    page = (await user.get(f"/messages/{message}")).text

    assert "The address is blocked: Asked by phone" in page
    assert "On the block list since" in page
    assert 'href="/suppressions?q=a%40r.example"' in page
    assert ">suppressed<" in page


@pytest.mark.parametrize(
    "place", [[10**22, "a@r.example", "block", ""], [0, "a@r.example", "block", ""], [1, "\0", "block", ""]]
)
async def test_a_place_that_no_database_can_have_does_not_exist(place: list[object], admin: Client) -> None:
    text = base64.urlsafe_b64encode(json.dumps(place).encode()).decode().rstrip("=")

    assert (await admin.get(f"/suppressions/entries/{text}/remove")).status_code == 404
    assert (await admin.get("/suppressions", params={"after": text})).status_code == 404

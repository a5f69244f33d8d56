"""Mailgun's calls that manage the lists of addresses."""

from typing import Any

import httpx2
import pytest

from postroad.accounts.api_key_check import ApiKeyCheck
from postroad.accounts.api_keys import ApiKeys
from postroad.dialects.mailgun.suppressions import LISTS
from postroad.model.actor import SYSTEM
from postroad.model.domain import DomainState, SendingDomain
from postroad.model.suppression import Suppression, SuppressionKind
from postroad.storage import accounts, audit, domains, suppressions
from postroad.storage.database import Database
from postroad.storage.suppressions import Wanted

from .services import NOW

PATH = "/v3/news.example.com"
AT = "Thu, 28 May 2026 20:26:40 GMT"


async def stored(database: Database, domain: SendingDomain) -> list[Suppression]:
    return await database.read(suppressions.page, Wanted(domain_ids=(domain.id,)), 1_000)


async def addresses(client: httpx2.AsyncClient, url: str) -> list[str]:
    return [one["address"] for one in (await client.get(url)).json()["items"]]


async def test_a_bounce_is_added_shown_written_anew_and_removed(client: httpx2.AsyncClient, database: Database) -> None:
    one = {"address": "Ann@dest.example", "code": "552", "error": "Mailbox is gone", "created_at": AT}
    made = await client.post(f"{PATH}/bounces", data=one)
    assert (made.status_code, made.json()) == (
        200,
        {"message": "Address has been added to the bounces table", "address": "Ann@dest.example"},
    )
    record = {"address": "ann@dest.example", "code": "552", "error": "Mailbox is gone", "created_at": AT}
    assert (await client.get(f"{PATH}/bounces/ANN@dest.example")).json() == record
    assert (await client.get(f"{PATH}/bounces")).json()["items"] == [record]
    # What is there already is written anew, by a form and by JSON; what is not said then is as for a new one.
    again = await client.post(f"{PATH}/bounces", data={"address": "ann@dest.example", "error": "other"})
    assert again.status_code == 200
    other = (await client.get(f"{PATH}/bounces/ann@dest.example")).json()
    assert (other["code"], other["error"], other["created_at"] != AT) == ("550", "other", True)
    await client.post(f"{PATH}/bounces", json=[one, {"address": "bob@dest.example"}])
    assert (await client.get(f"{PATH}/bounces/ann@dest.example")).json() == record
    await client.post(f"{PATH}/bounces", data={"address": "eve@dest.example", "code": "551"})
    bare = (await client.get(f"{PATH}/bounces/eve@dest.example")).json()
    assert (bare["code"], bare["error"]) == ("551", "")
    entries = await database.read(audit.search, audit.AuditSelector(action="suppression"), 10)
    told = [(one.action, one.target) for one in entries]
    assert told == [
        ("suppression.added", "eve@dest.example of news.example.com"),
        ("suppression.changed", "ann@dest.example of news.example.com"),
        ("suppression.added", "bob@dest.example of news.example.com"),
        ("suppression.changed", "ann@dest.example of news.example.com"),
        ("suppression.added", "ann@dest.example of news.example.com"),
    ]
    assert entries[3].before is not None
    assert entries[3].before["reason"] == "552 Mailbox is gone"

    gone = await client.delete(f"{PATH}/bounces/ann@dest.example")
    assert gone.json() == {"message": "Bounced address has been removed", "address": "ann@dest.example"}
    for method in ("GET", "DELETE"):
        missing = await client.request(method, f"{PATH}/bounces/ann@dest.example")
        assert (missing.status_code, missing.json()) == (404, {"message": "Address not found in bounces table"})


async def test_unsubscribes_are_of_tags_and_shown_once_for_an_address(client: httpx2.AsyncClient) -> None:
    url = f"{PATH}/unsubscribes"
    await client.post(url, data={"address": "bob@dest.example", "tag": "News"})
    await client.post(url, json={"address": "bob@dest.example", "tags": ["Sales", "*"]})
    await client.post(url, files={"address": (None, "eve@dest.example")})
    await client.post(url, data={"address": "zoe@dest.example", "created_at": "Sat, 01 Jan 2022 00:00:00 GMT"})

    for twice in ({"tag": ["a", "b", ""]}, {"tags": ["c", ""]}, {"tag": "", "tags": "d"}):
        await client.post(url, data={"address": "ada@dest.example"} | twice)

    ada, bob, eve, zoe = (await client.get(url)).json()["items"]
    assert ada["tags"] == ["a", "b", "c", "d"]
    assert (bob["tag"], bob["tags"]) == ("*", ["*", "news", "sales"])
    assert (eve["tags"], zoe["created_at"]) == (["*"], "Sat, 01 Jan 2022 00:00:00 GMT")
    # A page ends with an address, not between two of its tags.
    first = (await client.get(f"{url}?limit=1")).json()
    assert [one["tags"] for one in first["items"]] == [ada["tags"]]
    assert await addresses(client, first["paging"]["next"]) == ["bob@dest.example"]

    await client.delete(f"{url}/bob@dest.example?tag=SALES")
    assert (await client.get(f"{url}/bob@dest.example")).json()["tags"] == ["*", "news"]
    await client.delete(f"{url}/bob@dest.example?tag=*")
    assert (await client.get(f"{url}/bob@dest.example")).json()["tags"] == ["news"]
    await client.delete(f"{url}/bob@dest.example")
    assert (await client.get(f"{url}/bob@dest.example")).status_code == 404


async def test_complaints_and_the_allow_list(
    client: httpx2.AsyncClient, database: Database, domain: SendingDomain
) -> None:
    await client.post(f"{PATH}/complaints", json=[{"address": "carl@dest.example", "created_at": AT}])
    assert (await client.get(f"{PATH}/complaints")).json()["items"] == [
        {"address": "carl@dest.example", "created_at": AT}
    ]

    made = await client.post(f"{PATH}/whitelists", data={"domain": "Dest.example", "reason": "ours", "createdAt": AT})
    assert made.json() == {
        "message": "Address/Domain has been added to the whitelists table",
        "type": "domain",
        "value": "Dest.example",
    }
    await client.post(f"{PATH}/whitelists", data={"address": "dan@other.example", "createdAt": AT})
    items = (await client.get(f"{PATH}/whitelists")).json()["items"]
    assert [(one["value"], one["type"], one["reason"], one["createdAt"]) for one in items] == [
        ("dest.example", "domain", "ours", AT),
        ("dan@other.example", "address", "", AT),
    ]
    assert (await client.get(f"{PATH}/whitelists/dest.example")).json() == items[0]
    # The domain's entry is no entry of the address.
    assert (await client.get(f"{PATH}/whitelists/ann@dest.example")).status_code == 404

    refused = await client.post(f"{PATH}/bounces", data={"address": "ann@dest.example"})
    assert (refused.status_code, refused.json()) == (
        400,
        {"message": "ann@dest.example is on the allow list of news.example.com: remove it there first"},
    )
    gone = await client.delete(f"{PATH}/whitelists/dest.example")
    assert gone.json() == {"message": "Whitelist address/domain has been removed", "value": "dest.example"}
    assert {one.address for one in await stored(database, domain)} == {"carl@dest.example", "dan@other.example"}


async def test_pages_lead_forth_and_back_by_the_query_alone(client: httpx2.AsyncClient) -> None:
    url = f"{PATH}/bounces"
    names = [f"{letter}@dest.example" for letter in "abcde"]
    await client.post(url, json=[{"address": name} for name in names])

    page = (await client.get(f"{url}?limit=2")).json()
    seen = []
    while page["items"]:
        seen.append([one["address"] for one in page["items"]])
        assert set(page["paging"]) == {"first", "last", "next", "previous"}
        page = (await client.get(page["paging"]["next"])).json()
    assert seen == [names[:2], names[2:4], names[4:]]
    back = page["paging"]["previous"]
    assert await addresses(client, back) == names[2:4]
    assert await addresses(client, page["paging"]["last"]) == names[3:]
    assert await addresses(client, page["paging"]["first"]) == names[:2]
    assert await addresses(client, f"{url}?term=c") == ["c@dest.example"]
    assert (
        "http://api.example.net/v3/news.example.com/bounces?page=next"
        in (await client.get(url)).json()["paging"]["next"]
    )


async def test_a_page_cuts_no_address_in_two_forth_or_back(client: httpx2.AsyncClient) -> None:
    url = f"{PATH}/unsubscribes"
    await client.post(
        url, json=[{"address": f"{letter}@dest.example", "tags": ["news", "offers", "sale"]} for letter in "abc"]
    )

    async def shown(link: str) -> list[tuple[str, list[str]]]:
        return [(one["address"][0], one["tags"]) for one in (await client.get(link)).json()["items"]]

    tags = ["news", "offers", "sale"]
    assert await shown(f"{url}?limit=2") == [("a", tags)]
    assert await shown(f"{url}?limit=4") == [("a", tags), ("b", tags)]
    assert await shown(f"{url}?limit=2&page=last") == [("c", tags)]
    assert await shown(f"{url}?limit=4&page=last") == [("b", tags), ("c", tags)]
    assert await shown(f"{url}?limit=1&page=previous&address=c@dest.example") == [("b", tags)]


@pytest.mark.parametrize("name", sorted(LISTS))
async def test_several_are_added_and_a_list_is_cleared(
    client: httpx2.AsyncClient, database: Database, domain: SendingDomain, name: str
) -> None:
    await client.post(f"{PATH}/complaints", data={"address": "other@dest.example"})
    records = [{"address": "a@dest.example"}, {"address": "b@dest.example"}]
    many = await client.post(f"{PATH}/{name}", json=records)
    assert many.json() == {"message": LISTS[name].several_added.format(2)}
    cleared = await client.delete(f"{PATH}/{name}")
    assert cleared.json() == {"message": LISTS[name].cleared}
    left = {one.kind for one in await stored(database, domain)}
    assert left == (set() if name == "complaints" else {SuppressionKind.COMPLAINT})
    [recorded] = await database.read(audit.search, audit.AuditSelector(action="suppression.cleared"), 10)
    assert recorded.target == f"{LISTS[name].kind.value} entries of news.example.com"
    assert recorded.before == {"entries": 3 if name == "complaints" else 2}


async def test_a_csv_is_taken(client: httpx2.AsyncClient, check: ApiKeyCheck) -> None:
    csv = b"address,code,error,created_at\na@dest.example,550,gone,\nb@dest.example,551,moved,\n"
    taken = await client.post(f"{PATH}/bounces/import", files={"file": ("bounces.csv", csv, "text/csv")})
    assert (taken.status_code, taken.json()) == (202, {"message": "file uploaded successfully"})
    for bad in ({"data": {"x": "1"}}, {"files": {"file": ("x.csv", b"\xff\xfe", "text/csv")}}):
        refused = await client.post(f"{PATH}/bounces/import", **bad)
        assert refused.status_code == 400


@pytest.mark.parametrize(
    ("name", "body", "said"),
    [
        ("bounces", {"code": "550"}, "address parameter is missing"),
        ("bounces", {"address": "nobody"}, "Write the address as local@domain"),
        ("bounces", {"address": "a@b.example", "code": "hello"}, "code must be a reply code"),
        ("bounces", {"address": "a@b.example", "created_at": "yesterday"}, "is no time"),
        ("bounces", {"address": ["a@b.example"]}, "address must be a text"),
        ("bounces", [], "Give 1 to 1000 records"),
        ("bounces", [{"address": "a@b.example"}, 7], "1: a record is an object"),
        ("bounces", [{"address": "a@b.example"}, {"address": ""}], "1: address parameter is missing"),
        ("bounces", [{"address": "a@b.example"}, {"address": "x"}], "1: "),
        ("unsubscribes", {"address": "a@b.example", "tags": [1]}, "tags must be a list of texts"),
        ("unsubscribes", {"address": "a@b.example", "tags": ["x" * 200]}, "A tag has at most"),
        ("unsubscribes", {"address": "a@b.example", "tags": ["a\0b"]}, "A tag has no control characters"),
        ("unsubscribes", {"address": "a@b.example", "tag": "a\0b"}, "A tag has no control characters"),
        ("whitelists", {"reason": "x"}, "Give either address or domain"),
        ("whitelists", {"address": "b.example"}, "a domain is given as domain"),
    ],
)
async def test_what_is_no_record_changes_nothing(client: httpx2.AsyncClient, name: str, body: Any, said: str) -> None:
    refused = await client.post(f"{PATH}/{name}", json=body)
    assert refused.status_code == 400
    assert said in refused.json()["message"]
    assert (await client.get(f"{PATH}/{name}")).json()["items"] == []


async def test_json_that_is_none_and_pages_that_are_none(client: httpx2.AsyncClient) -> None:
    broken = await client.post(f"{PATH}/bounces", content=b"[{", headers={"Content-Type": "application/json"})
    assert (broken.status_code, broken.json()["message"].startswith("the body is no JSON")) == (400, True)
    for query in ("page=second", "limit=1001", "limit=x"):
        assert (await client.get(f"{PATH}/bounces?{query}")).status_code == 400


async def test_others_lists_do_not_exist(
    client: httpx2.AsyncClient, database: Database, keys: ApiKeys, domain: SendingDomain
) -> None:
    other = await database.write(accounts.add, "globex", NOW)
    theirs = SendingDomain(id=0, account_id=other.id, name="theirs.example", state=DomainState.ACTIVE, created_at=NOW)
    theirs = await database.write(domains.add, theirs)
    kept = Suppression(
        account_id=other.id, domain_id=theirs.id, kind=SuppressionKind.BOUNCE, address="a@b.example", created_at=NOW
    )
    await database.write(suppressions.add, [kept])
    for method, path in (
        ("GET", "bounces"),
        ("POST", "bounces"),
        ("DELETE", "bounces"),
        ("GET", "bounces/a@b.example"),
        ("DELETE", "bounces/a@b.example"),
        ("POST", "bounces/import"),
    ):
        answer = await client.request(method, f"/v3/theirs.example/{path}")
        assert (answer.status_code, answer.json()) == (404, {"message": "Domain not found: theirs.example"})
    assert await stored(database, theirs) == [kept]

    own = str((await keys.add_for_domain(SYSTEM, domain.name)).text)
    client.auth = ("api", own)
    assert (await client.get(f"{PATH}/bounces")).status_code == 403
    assert (await client.delete(f"{PATH}/bounces")).status_code == 403


@pytest.mark.parametrize(
    "path",
    ["bounces?term=a%00", "bounces?page=next&address=%00", "bounces/a%00@b.example", "tags/%00", "templates/%00"],
)
async def test_nothing_is_looked_for_by_what_postgresql_cannot_hold(client: httpx2.AsyncClient, path: str) -> None:
    refused = await client.get(f"{PATH}/{path}")
    assert (refused.status_code, refused.json()) == (
        400,
        {"message": "The path and the query can have no NUL characters."},
    )

"""Mailgun's calls that have whole lists of addresses checked."""

import asyncio

import httpx2
import pytest

from postroad.accounts.api_key_check import ApiKeyCheck
from postroad.accounts.api_keys import ApiKeys
from postroad.httpd.api.services import ApiServices
from postroad.model.actor import SYSTEM
from postroad.model.domain import SendingDomain
from postroad.net.clock import now_ms
from postroad.policy import list_check_csv
from postroad.storage import audit
from postroad.storage.database import Database
from postroad.suppressions import list_checks
from postroad.suppressions.list_checking import ListChecking

from .services import api_services

BULK = "/v4/address/validate/bulk"
CSV = b"name,email\nAnn,ann@good.example\nBob,bob\nInfo,info@gone.example\n,\n"


@pytest.fixture
def services(check: ApiKeyCheck) -> ApiServices:
    return api_services(check)


@pytest.fixture
def checking(services: ApiServices) -> ListChecking:
    return ListChecking(services.database, services.management.address_checks, now_ms)


async def send(client: httpx2.AsyncClient, name: str, csv: bytes = CSV) -> httpx2.Response:
    return await client.post(f"{BULK}/{name}", files={"file": ("list.csv", csv, "text/csv")})


async def test_a_list_is_checked_and_its_results_are_fetched(
    client: httpx2.AsyncClient, checking: ListChecking, database: Database
) -> None:
    taken = await send(client, "spring")
    assert (taken.status_code, taken.json()) == (
        202,
        {"id": "spring", "message": "The validation job was submitted."},
    )
    waiting = (await client.get(f"{BULK}/spring")).json()
    assert (waiting["status"], waiting["quantity"], waiting["records_processed"]) == ("created", 3, 0)
    assert "download_url" not in waiting
    early = await client.get(f"{BULK}/spring/results.csv")
    assert (early.status_code, early.json()) == (404, {"message": "spring has no results yet: 0 of 3 are checked"})

    assert [await checking.work() for _ in range(2)] == [True, False]

    done = (await client.get(f"{BULK}/spring")).json()
    assert done["status"] == "uploaded"
    assert done["summary"] == {
        "result": {"catch_all": 0, "deliverable": 0, "do_not_send": 0, "undeliverable": 3, "unknown": 0},
        "risk": {"high": 3, "low": 0, "medium": 0, "unknown": 0},
    }
    table = (await client.get(done["download_url"]["csv"])).text.splitlines()
    assert table == [
        "address,is_disposable_address,is_role_address,reason,result,risk,did_you_mean",
        "ann@good.example,false,false,no_mx,undeliverable,high,",
        "bob,false,false,failed custom grammar check,undeliverable,high,",
        'info@gone.example,false,true,"no_mx,mailbox_is_role_address",undeliverable,high,',
    ]
    documents = (await client.get(done["download_url"]["json"])).json()
    assert [one["address"] for one in documents] == ["ann@good.example", "bob", "info@gone.example"]
    single = (await client.get("/v4/address/validate", params={"address": "info@gone.example"})).json()
    assert documents[2] == single

    listed = (await client.get(BULK)).json()
    assert (listed["jobs"], listed["total"]) == ([done], 1)
    assert (await client.get(listed["paging"]["next"])).json()["jobs"] == []
    gone = await client.delete(f"{BULK}/spring")
    assert gone.json() == {"message": "Validation job canceled."}
    for method, path in (("GET", ""), ("DELETE", ""), ("GET", "/results.json")):
        missing = await client.request(method, f"{BULK}/spring{path}")
        assert (missing.status_code, missing.json()) == (404, {"message": "validation job not found"})
    entries = await database.read(audit.search, audit.AuditSelector(action="list_check"), 10)
    assert [(one.action, one.target) for one in entries] == [
        ("list_check.removed", "spring"),
        ("list_check.begun", "spring"),
    ]


async def test_a_list_of_several_parts_is_one_result(
    client: httpx2.AsyncClient, checking: ListChecking, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(list_checks, "PART", 2)
    await send(client, "many", b"\n".join(b"%d" % number + b"@x.example" for number in range(5)))
    assert await checking.work()
    part = (await client.get(f"{BULK}/many")).json()
    assert (part["status"], part["records_processed"]) == ("processing", 2)
    while await checking.work():
        pass
    documents = (await client.get(f"{BULK}/many/results.json")).json()
    assert [one["address"] for one in documents] == [f"{number}@x.example" for number in range(5)]


async def test_a_fault_of_ours_ends_a_list(
    client: httpx2.AsyncClient, checking: ListChecking, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: object) -> None:
        raise LookupError

    await send(client, "spring")
    monkeypatch.setattr(checking._checks, "check_of_list", broken)
    assert [await checking.work() for _ in range(2)] == [True, False]
    assert (await client.get(f"{BULK}/spring")).json()["status"] == "failed"
    assert (await client.get(f"{BULK}/spring/results.csv")).status_code == 404


async def test_what_is_no_list_is_refused(client: httpx2.AsyncClient) -> None:
    for name, csv, said in (
        ("x", b"", "The list is empty."),
        ("x", b"email\n", "The list is empty."),
        ("x", b"name,city\nAnn,Oslo\n", "no column of addresses"),
        ("x", b"\xff\xfe", "not UTF-8"),
        ("x", b'"a@b.example\nb@b.example\n', "A cell that ends at line 2 has several lines: end its quotation mark"),
        ("x", b'email,name\na@b.co,"Bob\nc@d.co,X\ne@f.co,Y\n', "A cell that ends at line 4 has several lines"),
        ("x", b'email,name\ra@b.co,"Bob\rc@d.co,X"\re@f.co,Y\r', "A cell that ends at line 3 has several lines"),
        ("x", b'"a@b.example\n' + b"x@x.example\n" * 20_000, "is no CSV: field larger"),
        ("a b", CSV, "1 to 128 letters"),
        ("x" * 129, CSV, "1 to 128 letters"),
    ):
        refused = await send(client, name, csv)
        assert refused.status_code == 400
        assert said in refused.json()["message"]
    assert (await client.get(BULK)).json()["total"] == 0


async def test_lists_are_bounded(client: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(list_check_csv, "MOST_ADDRESSES", 3)
    monkeypatch.setattr(list_check_csv, "MOST_LINES", 6)
    monkeypatch.setattr(list_check_csv, "MOST_OCTETS", 100)
    monkeypatch.setattr(list_checks, "MOST_OF_ACCOUNT", 3)
    monkeypatch.setattr(list_checks, "MOST_WAITING", 2)
    assert "at most 3 addresses" in (await send(client, "a", CSV + b"x,x@x.example\n")).json()["message"]
    assert "at most 6 lines, empty ones included" in (await send(client, "a", b"\n" * 7)).json()["message"]
    assert "at most 0 MB" in (await send(client, "a", CSV * 2)).json()["message"]
    assert (await client.post(f"{BULK}/a", data={"x": "1"})).status_code == 400
    assert (await send(client, "a")).status_code == 202
    assert "There is a list a already" in (await send(client, "a")).json()["message"]
    assert (await send(client, "b")).status_code == 202
    assert "2 lists are being checked already" in (await send(client, "c")).json()["message"]


async def test_lists_that_come_at_once_are_bounded_too(
    client: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(list_checks, "MOST_WAITING", 2)
    replies = await asyncio.gather(*(send(client, name) for name in "abcdef"))
    assert sorted(one.status_code for one in replies) == [202, 202, 400, 400, 400, 400]
    assert (await client.get(BULK)).json()["total"] == 2


async def test_others_lists_do_not_exist(
    client: httpx2.AsyncClient, keys: ApiKeys, domain: SendingDomain, foreign: SendingDomain
) -> None:
    await send(client, "spring")
    client.auth = ("api", str((await keys.add_for_account(SYSTEM, foreign.account_id)).text))
    for method, path in (("GET", ""), ("DELETE", ""), ("GET", "/results.csv"), ("GET", "/results.json")):
        assert (await client.request(method, f"{BULK}/spring{path}")).status_code == 404
    assert (await client.get(BULK)).json()["jobs"] == []
    # A name is taken in one account only.
    assert (await send(client, "spring")).status_code == 202
    client.auth = ("api", str((await keys.add_for_domain(SYSTEM, domain.name)).text))
    for method, path in (("GET", ""), ("GET", "/spring"), ("POST", "/spring"), ("DELETE", "/spring")):
        assert (await client.request(method, f"{BULK}{path}")).status_code == 403

"""The tracker's door: who is led where, what is told of it, and what nobody can make it do."""

from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest

from postroad.httpd.tracker.app import Tracker
from postroad.model.suppression import Way
from postroad.model.tracking import Hit, HitKind, Unsubscribing
from postroad.storage.errors import StorageUnavailable
from postroad.tracking.token import PATHS, Kind, Leaving, Signer, TrackingKey, leaving_payload

HOST = "t.example.com"
KEY = TrackingKey(1, 0, b"k" * 32)
AGENT = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
URL = "https://shop.example/%C3%A4?a=1&b=%26&c=<>#part"
NOW = 1_800_000_000_000


class Everything:
    """What the tracker works with, and what it was told."""

    def __init__(self) -> None:
        self.secrets = {1: KEY.secret}
        self.blocked: frozenset[str] = frozenset()
        self.hits: list[Hit] = []
        self.leaving: list[Unsubscribing] = []
        self.counts: Counter[str] = Counter()
        self.is_storage_away = False
        self.named = 0
        self.has_groups = True

    async def name(self, domain_id: int) -> str:
        assert domain_id == 7
        self.named += 1
        return "" if self.is_storage_away else "news.example.com"

    async def has_group(self, domain_id: int, group_id: int) -> bool:
        assert (domain_id, group_id) == (7, 12)
        return self.has_groups

    def take(self, hit: Hit) -> None:
        self.hits.append(hit)

    async def unsubscribe(self, asked: Unsubscribing) -> None:
        if self.is_storage_away:
            raise StorageUnavailable("no database")
        self.leaving.append(asked)

    def tracked(self, result: str) -> None:
        self.counts[result] += 1


@pytest.fixture
def around() -> Everything:
    return Everything()


@pytest.fixture
async def client(around: Everything) -> AsyncIterator[httpx2.AsyncClient]:
    transport = httpx2.ASGITransport(
        app=Tracker(around, around, around, lambda: NOW, name_of_domain=around.name, has_group=around.has_group),
        client=("203.0.113.7", 5),
    )
    async with httpx2.AsyncClient(
        transport=transport, base_url=f"http://{HOST}", headers={"User-Agent": AGENT}
    ) as opened:
        yield opened


def path(kind: Kind, payload: bytes = b"", host: str = HOST) -> str:
    return PATHS[kind] + Signer(KEY, host, domain_id=7, delivery_id=5).token(kind, payload)


def leaving_path(*tags: str) -> str:
    return path(Kind.UNSUBSCRIBE, leaving_payload(Leaving("a<b@example.net", tags)))


async def test_a_link_leads_to_exactly_where_it_says(client: httpx2.AsyncClient, around: Everything) -> None:
    reply = await client.get(path(Kind.CLICK, URL.encode()))

    assert (reply.status_code, reply.headers["Location"]) == (302, URL)
    assert "no-store" in reply.headers["Cache-Control"]
    assert around.hits == [
        Hit(kind=HitKind.CLICK, delivery_id=5, domain_id=7, at=NOW, url=URL, agent=AGENT, client_address="203.0.113.7")
    ]
    assert around.counts == {"clicked": 1}


async def test_a_pixel_is_a_picture_that_nobody_keeps(client: httpx2.AsyncClient, around: Everything) -> None:
    reply = await client.get(path(Kind.OPEN) + "?more=1")

    assert (reply.status_code, reply.headers["Content-Type"]) == (200, "image/gif")
    assert reply.content.startswith(b"GIF89a")
    assert len(reply.content) < 50
    assert "no-store" in reply.headers["Cache-Control"]
    assert [one.kind for one in around.hits] == [HitKind.OPEN]


@pytest.mark.parametrize("kind", [Kind.OPEN, Kind.CLICK])
async def test_head_is_answered_alike_without_a_body(
    client: httpx2.AsyncClient, around: Everything, kind: Kind
) -> None:
    wanted = path(kind, URL.encode() if kind is Kind.CLICK else b"")
    got, headed = await client.get(wanted), await client.head(wanted)

    assert (headed.status_code, headed.content) == (got.status_code, b"")
    assert headed.headers == got.headers
    assert [one.is_head for one in around.hits] == [False, True]


async def test_a_connection_is_kept_for_a_proxy_alone(client: httpx2.AsyncClient) -> None:
    alone = await client.get(path(Kind.OPEN))
    proxied = await client.get(path(Kind.OPEN), headers={"X-Forwarded-For": "203.0.113.9"})

    assert (alone.headers.get("Connection"), proxied.headers.get("Connection")) == ("close", None)


async def test_who_looks_ahead_says_so(client: httpx2.AsyncClient, around: Everything) -> None:
    for name in ("Sec-Purpose", "Purpose", "X-Moz"):
        await client.get(path(Kind.CLICK, URL.encode()), headers={name: "prefetch;prerender"})

    assert [one.is_prefetch for one in around.hits] == [True] * 3


@pytest.mark.parametrize(
    "wanted",
    [
        path(Kind.CLICK, URL.encode())[:-1],
        path(Kind.CLICK, URL.encode()) + "A",
        path(Kind.CLICK, URL.encode(), "other.example"),
        path(Kind.OPEN).replace("/o/", "/c/"),
        path(Kind.CLICK, URL.encode()).replace("/c/", "/u/"),
        "/c/",
        "/c/https://evil.example/",
        "/u/" + "A" * 3000,
        "/o/%00%ff",
    ],
)
async def test_what_we_did_not_sign_leads_nowhere(client: httpx2.AsyncClient, around: Everything, wanted: str) -> None:
    for method in ("GET", "HEAD", "POST"):
        reply = await client.request(method, wanted)

        assert reply.status_code == 404
        assert "Location" not in reply.headers
    assert (around.hits, around.leaving, around.counts) == ([], [], {"refused": 3})


async def test_a_destination_that_was_taken_down_is_gone(client: httpx2.AsyncClient, around: Everything) -> None:
    around.blocked = frozenset({"shop.example"})
    reply = await client.get(path(Kind.CLICK, URL.encode()))

    assert reply.status_code == 410
    assert "Location" not in reply.headers
    assert (around.hits, around.counts) == ([], {"blocked": 1})


@pytest.mark.parametrize(
    ("method", "query", "reply"),
    [
        ("GET", "?q=a%20b&x=%C3%A4", (302, "https://shop.example/%C3%A4?q=a%20b&x=%C3%A4#part")),
        ("GET", "", (302, URL)),
        ("POST", "", (307, URL)),
    ],
)
async def test_a_form_takes_its_fields_along(
    client: httpx2.AsyncClient, around: Everything, method: str, query: str, reply: tuple[int, str]
) -> None:
    given = {"a": "b"} if method == "POST" else None
    answer = await client.request(method, path(Kind.FORM, URL.encode()) + query, data=given)

    assert (answer.status_code, answer.headers["Location"]) == reply
    assert [(one.kind, one.url) for one in around.hits] == [(HitKind.CLICK, URL)]


async def test_what_is_added_to_a_link_changes_nothing(client: httpx2.AsyncClient) -> None:
    assert (await client.get(path(Kind.CLICK, URL.encode()) + "?next=https://evil.example/")).headers["Location"] == URL


async def test_the_hidden_link_is_told_of_and_shows_nothing(client: httpx2.AsyncClient, around: Everything) -> None:
    assert (await client.get(path(Kind.TRAP))).status_code == 200
    assert [one.kind for one in around.hits] == [HitKind.TRAP]


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_looking_at_the_unsubscribe_page_unsubscribes_nobody(
    client: httpx2.AsyncClient, around: Everything, method: str
) -> None:
    reply = await client.request(method, leaving_path())

    assert reply.status_code == 200
    assert around.leaving == []
    assert around.named == (method == "GET")
    if method == "GET":
        assert "a&lt;b@example.net will get mail of this kind from news.example.com no more" in reply.text
        assert '<form method="post">' in reply.text
        assert "default-src 'none'" in reply.headers["Content-Security-Policy"]


async def test_the_page_names_a_group_as_people_call_it(client: httpx2.AsyncClient, around: Everything) -> None:
    wanted = path(Kind.UNSUBSCRIBE, leaving_payload(Leaving("a@example.net", ("group:12",), "<Weekly> news")))

    asked, left = await client.get(wanted), await client.post(wanted, data={"leave": "yes"})

    assert "will get mail about &lt;Weekly&gt; news from" in asked.text
    assert "gets mail about &lt;Weekly&gt; news from" in left.text
    assert [(one.tags, one.group_id) for one in around.leaving] == [(("group:12",), 12)]


async def test_the_page_says_that_all_mail_is_left_where_the_group_is_gone(
    client: httpx2.AsyncClient, around: Everything
) -> None:
    around.has_groups = False
    wanted = path(Kind.UNSUBSCRIBE, leaving_payload(Leaving("a@example.net", ("group:12",), "Weekly")))

    asked, left = await client.get(wanted), await client.post(wanted, data={"leave": "yes"})

    assert "will get mail of this kind from news.example.com no more" in asked.text
    assert "gets mail of this kind from news.example.com no more" in left.text


async def test_a_tag_that_looks_like_a_group_is_the_clients_own(client: httpx2.AsyncClient, around: Everything) -> None:
    reply = await client.post(leaving_path("group:13"), data={"leave": "yes"})

    assert "mail about group:13 from" in reply.text
    assert [(one.tags, one.group_id) for one in around.leaving] == [(("group:13",), None)]


@pytest.mark.parametrize(
    ("sent", "way"),
    [
        ({"data": {"List-Unsubscribe": "One-Click"}}, Way.ONE_CLICK),
        ({"files": {"List-Unsubscribe": (None, "One-Click")}}, Way.ONE_CLICK),
        ({"content": b"List-Unsubscribe=One-Click\r\n"}, Way.ONE_CLICK),
        (
            {
                "content": b"--b\r\nContent-Disposition: form-data; name=List-Unsubscribe\r\n\r\nOne-Click\r\n--b--\r\n",
                "headers": {"Content-Type": "multipart/form-data; boundary=b"},
            },
            Way.ONE_CLICK,
        ),
        ({"data": {"leave": "yes"}}, Way.LINK),
    ],
)
async def test_a_post_unsubscribes_at_once(
    client: httpx2.AsyncClient, around: Everything, sent: dict[str, Any], way: Way
) -> None:
    reply = await client.post(leaving_path("news"), **sent)

    assert reply.status_code == 200
    [asked] = around.leaving
    assert (asked.address, asked.tags, asked.way, asked.at) == ("a<b@example.net", ("news",), way, NOW)
    assert (asked.delivery_id, asked.domain_id) == (5, 7)
    assert around.counts == {"unsubscribed": 1}


@pytest.mark.parametrize(
    "sent",
    [
        {},
        {"data": {"List-Unsubscribe": "Two-Click"}},
        {"content": b"List-Unsubscribe=One-Click" + b"&" * 5000},
        {"files": {"other": (None, "One-Click")}},
    ],
)
async def test_a_post_that_says_nothing_asks_again(
    client: httpx2.AsyncClient, around: Everything, sent: dict[str, Any]
) -> None:
    assert (await client.post(leaving_path(), **sent)).status_code == 400
    assert around.leaving == []


async def test_while_storage_is_away_links_lead_on_and_nobody_is_told_to_be_unsubscribed(
    client: httpx2.AsyncClient, around: Everything
) -> None:
    around.is_storage_away = True
    reply = await client.post(leaving_path(), data={"List-Unsubscribe": "One-Click"})

    assert reply.status_code == 503
    assert "not unsubscribed yet" in reply.text
    assert around.counts == {"failed": 1}
    assert (await client.get(path(Kind.CLICK, URL.encode()))).status_code == 302
    assert "from this sender" in (await client.get(leaving_path())).text


@pytest.mark.parametrize("kind", [Kind.OPEN, Kind.CLICK, Kind.UNSUBSCRIBE])
async def test_other_methods_are_refused(client: httpx2.AsyncClient, around: Everything, kind: Kind) -> None:
    wanted = leaving_path() if kind is Kind.UNSUBSCRIBE else path(kind, URL.encode() if kind is Kind.CLICK else b"")
    reply = await client.put(wanted, content=b"List-Unsubscribe=One-Click")

    assert reply.status_code == 405
    assert "GET" in reply.headers["Allow"]
    assert (around.hits, around.leaving) == ([], [])


async def test_a_port_and_the_case_of_a_host_change_nothing(client: httpx2.AsyncClient) -> None:
    for host in ("T.Example.com", f"{HOST}:8025", f"{HOST}."):
        assert (await client.get(path(Kind.OPEN), headers={"Host": host})).status_code == 200

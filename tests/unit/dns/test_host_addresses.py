"""Addresses of hosts for the HTTP client, by our own resolver, and what the client makes of those that lead inwards."""

import socket

import pytest

from postroad.dns.answer import Answer, AnswerStatus, RecordType, temporary
from postroad.dns.host_addresses import HostAddresses
from postroad.net.http_client import HttpClient, HttpError


class Zone:
    """Answers from a table; what is not in it does not exist."""

    def __init__(self, table: dict[tuple[str, RecordType], Answer]) -> None:
        self.table = table

    async def resolve(self, name: str, record_type: RecordType) -> Answer:
        return self.table.get((name, record_type), Answer(status=AnswerStatus.NO_SUCH_DOMAIN))


def address(*texts: str) -> Answer:
    return Answer(status=AnswerStatus.FOUND, records=texts)


ZONE = Zone(
    {
        ("both.test", RecordType.A): address("192.0.2.1"),
        ("both.test", RecordType.AAAA): address("2001:db8::1"),
        ("old.test", RecordType.A): address("192.0.2.2"),
        ("lame.test", RecordType.A): temporary("SERVFAIL"),
        ("metadata.test", RecordType.A): address("169.254.169.254"),
        ("translated.test", RecordType.AAAA): address("64:ff9b::a00:1"),
        ("tunnelled.test", RecordType.AAAA): address("2002:7f00:1::"),
    }
)


async def test_a_host_is_found_by_both_families() -> None:
    found = await HostAddresses(ZONE).resolve("both.test", 443)

    assert [(one["host"], one["port"], one["family"]) for one in found] == [
        ("192.0.2.1", 443, socket.AF_INET),
        ("2001:db8::1", 443, socket.AF_INET6),
    ]


async def test_only_the_wanted_family_is_given() -> None:
    addresses = HostAddresses(ZONE)

    assert [one["host"] for one in await addresses.resolve("both.test", family=socket.AF_INET6)] == ["2001:db8::1"]
    with pytest.raises(OSError, match=r"old\.test has no address"):
        await addresses.resolve("old.test", family=socket.AF_INET6)


@pytest.mark.parametrize(
    ("host", "why"),
    [("gone.test", "the host gone.test does not exist"), ("lame.test", "the look-up of lame.test failed: SERVFAIL")],
)
async def test_a_host_that_is_nowhere_says_why(host: str, why: str) -> None:
    with pytest.raises(OSError, match=why):
        await HostAddresses(ZONE).resolve(host)


@pytest.mark.parametrize("host", ["localhost", "any.LOCALHOST."])
async def test_local_names_are_loopback_without_asking(host: str) -> None:
    assert [one["host"] for one in await HostAddresses(Zone({})).resolve(host)] == ["127.0.0.1", "::1"]


@pytest.mark.parametrize("host", ["metadata.test", "translated.test", "tunnelled.test", "localhost"])
async def test_a_name_that_leads_inwards_is_refused_by_the_client(host: str) -> None:
    client = HttpClient(resolver=HostAddresses(ZONE))
    try:
        with pytest.raises(HttpError, match="not an address of the public Internet"):
            await client.request("POST", f"http://{host}/")
    finally:
        await client.aclose()


async def test_a_host_that_does_not_exist_is_named_in_the_failure() -> None:
    client = HttpClient(resolver=HostAddresses(ZONE))
    try:
        with pytest.raises(HttpError, match=r"gone\.test"):
            await client.request("POST", "http://gone.test/")
    finally:
        await client.aclose()

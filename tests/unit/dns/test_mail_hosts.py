"""Composing MX and address answers into a destination's mail hosts."""

import pytest

from postroad.dns.answer import Answer, AnswerStatus, Mx, RecordType, temporary
from postroad.dns.mail_hosts import MailHostDirectory, find_mail_hosts, literal_address
from postroad.model.route import MailHost, MxStatus

NOW = 1_790_000_000_000
NOTHING = Answer(status=AnswerStatus.NO_DATA, expires_at=NOW + 900_000)
GONE = Answer(status=AnswerStatus.NO_SUCH_DOMAIN, expires_at=NOW + 900_000)
FAILED = temporary("SERVFAIL")


class Zone:
    """Answers from a table; what is not in it exists without such a record."""

    def __init__(self, table: dict[tuple[str, RecordType], Answer]) -> None:
        self.table = table
        self.asked = 0

    async def resolve(self, name: str, record_type: RecordType) -> Answer:
        self.asked += 1
        return self.table.get((name, record_type), NOTHING)


def mx(*records: tuple[int, str], ttl_s: int = 3600) -> Answer:
    exchangers = tuple(Mx(preference, host) for preference, host in records)
    return Answer(status=AnswerStatus.FOUND, records=exchangers, expires_at=NOW + ttl_s * 1000)


def address(*texts: str, ttl_s: int = 3600) -> Answer:
    return Answer(status=AnswerStatus.FOUND, records=texts, expires_at=NOW + ttl_s * 1000)


async def test_the_whole_expires_with_its_shortest_part() -> None:
    zone = Zone(
        {
            ("d.test", RecordType.MX): mx((10, "a.test"), (20, "b.test")),
            ("a.test", RecordType.A): address("192.0.2.1", ttl_s=1200),
            ("a.test", RecordType.AAAA): address("2001:db8::1"),
            ("b.test", RecordType.A): address("192.0.2.2", ttl_s=60),
            ("b.test", RecordType.AAAA): address("2001:db8::2"),
        }
    )

    assert (await find_mail_hosts(zone, "d.test", NOW)).expires_at == NOW + 60_000


async def test_a_host_without_address_is_left_out() -> None:
    zone = Zone(
        {
            ("d.test", RecordType.MX): mx((10, "gone.test"), (20, "b.test")),
            ("gone.test", RecordType.A): GONE,
            ("gone.test", RecordType.AAAA): GONE,
            ("b.test", RecordType.A): address("192.0.2.2"),
        }
    )

    hosts = await find_mail_hosts(zone, "d.test", NOW)

    assert hosts.hosts == (MailHost("b.test", 20, ("192.0.2.2",)),)


async def test_hosts_that_were_found_are_used_while_another_fails_and_soon_looked_up_again() -> None:
    zone = Zone(
        {
            ("d.test", RecordType.MX): mx((10, "a.test"), (20, "b.test")),
            ("a.test", RecordType.A): FAILED,
            ("a.test", RecordType.AAAA): FAILED,
            ("b.test", RecordType.A): address("192.0.2.2"),
        }
    )

    hosts = await find_mail_hosts(zone, "d.test", NOW)

    assert (hosts.status, [host.name for host in hosts.hosts], hosts.expires_at) == (
        MxStatus.FOUND,
        ["b.test"],
        NOW + 60_000,
    )


@pytest.mark.parametrize("family", [RecordType.A, RecordType.AAAA])
async def test_without_any_address_one_failure_leaves_the_question_open(family: RecordType) -> None:
    zone = Zone({("d.test", RecordType.MX): mx((10, "a.test")), ("a.test", family): FAILED})

    hosts = await find_mail_hosts(zone, "d.test", NOW)

    assert (hosts.status, hosts.expires_at) == (MxStatus.TEMPORARY, NOW + 5_000)
    assert hosts.detail == "no address of a mail host of d.test could be looked up: SERVFAIL"


async def test_a_failed_mx_look_up_never_falls_back_to_the_address() -> None:
    zone = Zone({("d.test", RecordType.MX): FAILED, ("d.test", RecordType.A): address("192.0.2.1")})

    hosts = await find_mail_hosts(zone, "d.test", NOW)

    assert (hosts.status, zone.asked) == (MxStatus.TEMPORARY, 1)


async def test_a_domain_with_mx_is_never_reached_by_its_own_address() -> None:
    zone = Zone({("d.test", RecordType.MX): mx((10, "a.test")), ("d.test", RecordType.A): address("192.0.2.1")})

    assert (await find_mail_hosts(zone, "d.test", NOW)).status is MxStatus.NO_HOSTS


async def test_no_more_than_twenty_hosts_are_looked_up() -> None:
    zone = Zone({("d.test", RecordType.MX): mx(*((number, f"h{number}.test") for number in range(1000)))})

    await find_mail_hosts(zone, "d.test", NOW)

    assert zone.asked == 1 + 2 * 20


@pytest.mark.parametrize(
    ("domain", "literal"),
    [
        ("[192.0.2.1]", "192.0.2.1"),
        ("[IPv6:2001:DB8::1]", "2001:db8::1"),
        ("192.0.2.1", "192.0.2.1"),
        ("2001:db8::1", "2001:db8::1"),
    ],
)
async def test_an_address_literal_is_its_own_host(domain: str, literal: str) -> None:
    zone = Zone({})

    hosts = await find_mail_hosts(zone, domain, NOW)

    assert (hosts.status, [host.addresses for host in hosts.hosts], zone.asked) == (MxStatus.FOUND, [(literal,)], 0)


@pytest.mark.parametrize("domain", ["example.test", "[example.test]", "[192.0.2]", "[IPv6:192.0.2.x]", ""])
def test_a_name_is_no_address_literal(domain: str) -> None:
    assert literal_address(domain) is None


async def test_the_result_is_kept_until_it_expires() -> None:
    now = NOW
    zone = Zone({("d.test", RecordType.MX): mx((10, "a.test")), ("a.test", RecordType.A): address("192.0.2.1")})
    directory = MailHostDirectory(zone, lambda: now)
    assert directory.cached("d.test") is None

    hosts = await directory.mail_hosts("d.test")

    assert directory.cached("d.test") is hosts
    assert await directory.mail_hosts("d.test") is hosts
    now += 900_000
    assert directory.cached("d.test") is None


async def test_the_directory_is_bounded() -> None:
    directory = MailHostDirectory(Zone({}), lambda: NOW, cache_size=2)

    for name in ("a.test", "b.test", "c.test"):
        await directory.mail_hosts(name)

    known = [name for name in ("a.test", "b.test", "c.test") if directory.cached(name)]
    assert known == ["b.test", "c.test"]

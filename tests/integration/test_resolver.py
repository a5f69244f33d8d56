"""The resolver and the search for mail hosts against real name servers, and against one that misbehaves."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator

import dns.edns
import dns.flags
import dns.message
import pytest

from postroad.dns.answer import Answer, AnswerStatus, Mx, RecordType
from postroad.dns.cache import Cache
from postroad.dns.mail_hosts import MailHostDirectory
from postroad.dns.resolver import Resolver, from_settings, parse_nameserver
from postroad.dns.settings import DnsSettings
from postroad.model.route import MailHost, MailHosts, MxStatus
from postroad.net.clock import now_ms
from tests.peers import ports
from tests.peers.nameserver import Authority, Recursor, respond, scripted

LONG = "x" * 250

ZONE = f"""\
@ MX 20 mx2
@ MX 10 mx1b
@ MX 10 mx1a
mx1a A 192.0.2.1
mx1a AAAA 2001:db8::1
mx1b A 192.0.2.2
mx1b A 192.0.2.3
mx2 CNAME mx1a
plain A 192.0.2.9
deaf MX 0 .
halfdeaf MX 0 .
halfdeaf MX 10 mx1b
alias CNAME plain
mailalias CNAME target
target MX 5 mx1b
hopeless MX 10 nowhere
hopeless MX 20 text
dangling CNAME nowhere
text TXT "v=spf1 " "-all"
long TXT "{LONG}" "{LONG}" "{LONG}" "{LONG}" "{LONG}" "{LONG}"
far CNAME host.elsewhere.test.
"""


@pytest.fixture(scope="module")
def authority() -> Iterator[Authority]:
    with Authority({"example.test": ZONE, "elsewhere.test": "host A 192.0.2.77\nhost MX 1 host"}) as server:
        yield server


@pytest.fixture
async def resolver(authority: Authority) -> AsyncIterator[Resolver]:
    resolver = resolver_for(authority.resolver)
    yield resolver
    await resolver.aclose()


def resolver_for(*resolvers: str, attempt_timeout_ms: int = 2_000, lifetime_ms: int = 10_000) -> Resolver:
    settings = DnsSettings(resolvers=resolvers, attempt_timeout_ms=attempt_timeout_ms, lifetime_ms=lifetime_ms)
    return from_settings(settings, now_ms)


async def mail_hosts(resolver: Resolver, domain: str) -> MailHosts:
    return await MailHostDirectory(resolver, now_ms).mail_hosts(domain)


async def ask(server: str, name: str = "example.test", record_type: RecordType = RecordType.A) -> Answer:
    resolver = resolver_for(server, attempt_timeout_ms=200, lifetime_ms=500)
    try:
        return await resolver.resolve(name, record_type)
    finally:
        await resolver.aclose()


pytestmark = pytest.mark.peer("nsd", "unbound")


async def test_mail_hosts_come_in_order_of_preference_with_the_addresses_of_both_families(resolver: Resolver) -> None:
    hosts = await mail_hosts(resolver, "example.test")

    first, second, third = hosts.hosts
    assert hosts.status == MxStatus.FOUND
    assert MailHost("mx1a.example.test", 10, ("2001:db8::1", "192.0.2.1")) == first
    assert (
        second.name,
        second.preference,
        sorted(second.addresses),
    ) == ("mx1b.example.test", 10, ["192.0.2.2", "192.0.2.3"])
    # RFC 5321 §5.1 forbids an alias as exchanger; many domains have one, and it works.
    assert MailHost("mx2.example.test", 20, ("2001:db8::1", "192.0.2.1")) == third
    assert not hosts.is_implicit


@pytest.mark.parametrize(
    ("domain", "status"),
    [
        ("deaf.example.test", MxStatus.NULL_MX),
        ("missing.example.test", MxStatus.NO_SUCH_DOMAIN),
        ("dangling.example.test", MxStatus.NO_SUCH_DOMAIN),
        ("text.example.test", MxStatus.NO_HOSTS),
        ("hopeless.example.test", MxStatus.NO_HOSTS),
        # NSD refuses what it is not in charge of: nothing is known of the domain.
        ("other.invalid", MxStatus.TEMPORARY),
    ],
)
async def test_each_way_to_have_no_mail_host_is_told_apart(resolver: Resolver, domain: str, status: MxStatus) -> None:
    hosts = await mail_hosts(resolver, domain)

    assert (status, ()) == (hosts.status, hosts.hosts)
    assert domain in hosts.detail


@pytest.mark.parametrize(
    ("domain", "host"),
    [("plain.example.test", "plain.example.test"), ("alias.example.test", "plain.example.test")],
)
async def test_a_domain_without_mx_is_its_own_mail_host(resolver: Resolver, domain: str, host: str) -> None:
    hosts = await mail_hosts(resolver, domain)

    assert (True, (MailHost(host, 0, ("192.0.2.9",)),)) == (hosts.is_implicit, hosts.hosts)


async def test_an_alias_of_the_domain_leads_to_the_other_names_mail_hosts(resolver: Resolver) -> None:
    hosts = await mail_hosts(resolver, "mailalias.example.test")

    assert [(host.name, host.preference) for host in hosts.hosts] == [("mx1b.example.test", 5)]


async def test_a_null_mx_beside_others_is_skipped(resolver: Resolver) -> None:
    hosts = await mail_hosts(resolver, "halfdeaf.example.test")

    assert [host.name for host in hosts.hosts] == ["mx1b.example.test"]


async def test_an_alias_into_another_zone_is_followed_by_the_recursor(authority: Authority) -> None:
    with Recursor(authority) as recursor:
        resolver = resolver_for(recursor.resolver)
        hosts = await mail_hosts(resolver, "far.example.test")
        lost = await mail_hosts(resolver, "missing.example.test")
        await resolver.aclose()

    assert (MailHost("host.elsewhere.test", 1, ("192.0.2.77",)),) == hosts.hosts
    assert lost.status == MxStatus.NO_SUCH_DOMAIN


async def test_the_strings_of_a_text_record_are_joined(resolver: Resolver) -> None:
    answer = await resolver.resolve("text.example.test", RecordType.TXT)

    assert answer.records == ("v=spf1 -all",)
    assert answer.ttl_s == 300


async def test_an_answer_too_large_for_udp_comes_by_tcp(resolver: Resolver) -> None:
    answer = await resolver.resolve("long.example.test", RecordType.TXT)

    assert answer.records == (LONG * 6,)


async def test_many_questions_share_one_socket_and_each_gets_its_own_answer(resolver: Resolver) -> None:
    names = [f"{'mx1a' if number % 2 else 'plain'}.example.test" for number in range(400)]

    answers = await asyncio.gather(*(resolver.resolve(name, RecordType.A) for name in names))

    assert [("192.0.2.1",) if "mx1a" in name else ("192.0.2.9",) for name in names] == [
        answer.records for answer in answers
    ]


async def test_a_refusal_is_temporary_and_names_the_resolver(authority: Authority) -> None:
    answer = await ask(authority.resolver, "other.invalid")

    assert answer.status == AnswerStatus.TEMPORARY
    assert f"resolver {authority.resolver}: REFUSED" in answer.detail


async def test_a_server_failure_is_temporary_and_carries_the_servers_explanation() -> None:
    def bogus(query: dns.message.Message, _: str) -> dns.message.Message:
        response = respond(query, rcode="SERVFAIL")
        response.use_edns(0, options=[dns.edns.EDEOption(dns.edns.EDECode.DNSSEC_BOGUS, "signature is wrong")])
        return response

    async with scripted(bogus) as server:
        answer = await ask(server.resolver)

    assert (AnswerStatus.TEMPORARY, f"resolver {server.resolver}: SERVFAIL: signature is wrong") == (
        answer.status,
        answer.detail,
    )


async def test_silence_ends_as_temporary_within_the_life_time() -> None:
    started = time.monotonic()
    async with scripted(lambda _query, _protocol: None) as server:
        answer = await ask(server.resolver)

    assert (AnswerStatus.TEMPORARY, f"resolver {server.resolver}: no answer within 0.2 s") == (
        answer.status,
        answer.detail,
    )
    assert time.monotonic() - started < 2


async def test_a_port_where_nobody_listens_fails_at_once() -> None:
    resolver = resolver_for(f"127.0.0.1:{ports.free_port()}", attempt_timeout_ms=30_000, lifetime_ms=60_000)
    async with asyncio.timeout(10):
        answer = await resolver.resolve("example.test", RecordType.A)
    await resolver.aclose()

    assert answer.status == AnswerStatus.TEMPORARY
    assert "nobody listens there" in answer.detail


async def test_the_next_resolver_is_asked_where_the_first_is_silent_and_goes_first_from_then_on() -> None:
    async with (
        scripted(lambda _query, _protocol: None) as silent,
        scripted(lambda query, _: respond(query, "example.test. 60 A 192.0.2.5")) as good,
    ):
        resolver = resolver_for(silent.resolver, good.resolver, attempt_timeout_ms=100)
        first = await resolver.resolve("example.test", RecordType.A)
        second = await resolver.resolve("example.test", RecordType.A)
        await resolver.aclose()

    assert [first.records, second.records] == [("192.0.2.5",)] * 2
    assert (len(silent.questions), len(good.questions)) == (1, 2)


async def test_a_server_failure_moves_on_to_the_next_resolver() -> None:
    async with (
        scripted(lambda query, _: respond(query, rcode="SERVFAIL")) as failing,
        scripted(lambda query, _: respond(query, "example.test. 60 A 192.0.2.5")) as good,
    ):
        resolver = resolver_for(failing.resolver, good.resolver)
        answer = await resolver.resolve("example.test", RecordType.A)
        await resolver.aclose()

    assert answer.records == ("192.0.2.5",)


@pytest.mark.parametrize(
    "forge",
    [
        lambda wire: bytes([wire[0] ^ 1, *wire[1:]]),
        lambda wire: wire.replace(b"\x07example", b"\x07exbmple"),
        lambda wire: bytes([wire[0], wire[1], wire[2] & 0x7F, *wire[3:]]),
        lambda wire: wire[:11],
    ],
    ids=["wrong id", "other question", "not a response", "too short"],
)
async def test_a_forged_answer_is_not_taken(forge: object) -> None:
    assert callable(forge)
    async with scripted(lambda query, _: forge(respond(query, "example.test. 60 A 192.0.2.66").to_wire())) as server:
        answer = await ask(server.resolver)

    assert (answer.status, answer.records) == (AnswerStatus.TEMPORARY, ())


async def test_a_malformed_answer_is_temporary() -> None:
    async with scripted(lambda query, _: respond(query, "example.test. 60 A 192.0.2.66").to_wire()[:-15]) as server:
        answer = await ask(server.resolver)

    assert answer.status == AnswerStatus.TEMPORARY
    assert "malformed" in answer.detail


@pytest.mark.parametrize("keeps", [12, 35], ids=["head only", "cut within a record"])
async def test_a_cut_off_answer_is_asked_for_again_by_tcp(keeps: int) -> None:
    def cut(query: dns.message.Message, protocol: str) -> dns.message.Message | bytes:
        full = respond(query, 'example.test. 60 TXT "whole"')
        if protocol == "tcp":
            return full
        full.flags |= dns.flags.TC
        return full.to_wire()[: max(keeps, 12 + len(b"\x07example\x04test\x00") + 4)]

    async with scripted(cut) as server:
        answer = await ask(server.resolver, record_type=RecordType.TXT)

    assert answer.records == ("whole",)
    assert [protocol for protocol, _, _ in server.questions] == ["udp", "tcp"]


async def test_a_resolver_that_closes_the_tcp_connection_early_is_temporary() -> None:
    def cut(query: dns.message.Message, protocol: str) -> dns.message.Message | None:
        return respond(query, flags=dns.flags.TC) if protocol == "udp" else None

    async with scripted(cut) as server:
        answer = await ask(server.resolver)

    assert "closed before the answer was complete" in answer.detail


async def test_the_local_port_changes_after_enough_questions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("postroad.dns.upstream._QUESTIONS_PER_SOCKET", 3)
    async with scripted(lambda query, _: respond(query, "example.test. 60 A 192.0.2.5")) as server:
        resolver = resolver_for(server.resolver)
        for _ in range(4):
            await resolver.resolve("example.test", RecordType.A)
        await resolver.aclose()

    first, *same, last = server.client_ports
    assert [first, first] == same
    assert first != last


async def test_an_authentic_answer_of_a_local_resolver_is_marked() -> None:
    async with scripted(
        lambda query, _: respond(query, "example.test. 60 MX 0 mx.example.test.", flags=dns.flags.AD)
    ) as server:
        answer = await ask(server.resolver, record_type=RecordType.MX)

    assert (True, (Mx(0, "mx.example.test"),)) == (answer.is_authentic, answer.records)


async def test_an_outage_is_bridged_with_the_old_answer(authority: Authority) -> None:
    now = now_ms()
    async with scripted(lambda query, _: respond(query, "example.test. 60 A 192.0.2.5")) as server:
        settings = DnsSettings(resolvers=(server.resolver,), attempt_timeout_ms=100, lifetime_ms=200)
        resolver = Resolver((parse_nameserver(server.resolver),), lambda: now, attempt_timeout_s=0.1, lifetime_s=0.2)
        cache = Cache(resolver, lambda: now, settings)
        await cache.resolve("example.test", RecordType.A)
        server.script = lambda _query, _protocol: None
        now += 61_000
        during = await cache.resolve("example.test", RecordType.A)
        now += 86_400_000
        after = await cache.resolve("example.test", RecordType.A)
        await cache.aclose()
        await resolver.aclose()

    assert (during.status, during.records) == (AnswerStatus.FOUND, ("192.0.2.5",))
    assert after.status == AnswerStatus.TEMPORARY

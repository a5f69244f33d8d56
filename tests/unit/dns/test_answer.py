"""What a DNS message says of its question."""

import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import pytest

from postroad.dns.answer import Answer, AnswerStatus, Mx, RecordType, encode_name, read_answer

NOW = 1_790_000_000_000
SOA = "ns.example.test. hostmaster.example.test. 1 3600 600 86400 {minimum}"


def response(
    *records: str, rcode: str = "NOERROR", authority: str | None = None, record_type: str = "A", flags: int = 0
) -> dns.message.Message:
    message = dns.message.make_response(dns.message.make_query("example.test.", record_type))
    message.set_rcode(dns.rcode.from_text(rcode))
    message.flags |= flags
    for record in records:
        name, ttl, kind, data = record.split(" ", 3)
        message.answer.append(dns.rrset.from_text(name, int(ttl), "IN", kind, data))
    if authority:
        message.authority.append(dns.rrset.from_text("example.test.", 600, "IN", "SOA", authority))
    return message


def read(message: dns.message.Message, record_type: RecordType = RecordType.A) -> Answer:
    return read_answer(message, record_type, NOW, is_trusted=False)


def test_the_smallest_ttl_on_the_way_counts() -> None:
    answer = read(response("example.test. 60 CNAME other.test.", "other.test. 3600 A 192.0.2.1"))

    assert answer == Answer(
        status=AnswerStatus.FOUND,
        records=("192.0.2.1",),
        canonical_name="other.test",
        ttl_s=60,
        expires_at=NOW + 60_000,
    )


@pytest.mark.parametrize(
    ("rcode", "status"), [("NOERROR", AnswerStatus.NO_DATA), ("NXDOMAIN", AnswerStatus.NO_SUCH_DOMAIN)]
)
@pytest.mark.parametrize(("minimum", "ttl_s"), [(60, 60), (3600, 600)])
def test_an_absence_is_kept_for_the_lesser_of_the_soas_two_times(
    rcode: str, status: AnswerStatus, minimum: int, ttl_s: int
) -> None:
    answer = read(response(rcode=rcode, authority=SOA.format(minimum=minimum)))

    assert (answer.status, answer.ttl_s) == (status, ttl_s)


def test_an_absence_without_soa_is_not_kept() -> None:
    assert read(response()).ttl_s == 0


def test_an_alias_whose_target_is_absent_is_no_such_domain() -> None:
    answer = read(response("example.test. 60 CNAME gone.test.", rcode="NXDOMAIN"))

    assert (answer.status, answer.canonical_name) == (AnswerStatus.NO_SUCH_DOMAIN, "gone.test")


def test_the_alias_itself_can_be_asked_for() -> None:
    answer = read(response("example.test. 60 CNAME Other.Test.", record_type="CNAME"), RecordType.CNAME)

    assert answer.records == ("other.test",)


def test_aliases_in_a_circle_are_temporary() -> None:
    answer = read(response("example.test. 60 CNAME b.test.", "b.test. 60 CNAME example.test."))

    assert (answer.status, answer.detail) == (AnswerStatus.TEMPORARY, "the answer's aliases go round in a circle")


@pytest.mark.parametrize("rcode", ["SERVFAIL", "REFUSED", "FORMERR", "NOTIMP"])
def test_every_other_code_is_temporary_and_named(rcode: str) -> None:
    answer = read(response(rcode=rcode))

    assert (answer.status, answer.detail) == (AnswerStatus.TEMPORARY, rcode)


def test_records_that_were_not_asked_for_are_left_out() -> None:
    answer = read(response("unasked.test. 60 A 192.0.2.66", "example.test. 60 A 192.0.2.1"))

    assert answer.records == ("192.0.2.1",)


def test_the_null_mx_is_an_empty_host_and_exchangers_are_in_order() -> None:
    message = response("example.test. 60 MX 20 B.example.test.", record_type="MX")
    message.answer[0].add(dns.rrset.from_text("x.", 60, "IN", "MX", "10 c.example.test.")[0])
    message.answer[0].add(dns.rrset.from_text("x.", 60, "IN", "MX", "10 .")[0])

    answer = read(message, RecordType.MX)

    assert answer.exchangers == (Mx(10, ""), Mx(10, "c.example.test"), Mx(20, "b.example.test"))
    assert answer.texts == ()


@pytest.mark.parametrize(("is_trusted", "flags", "expected"), [(True, 32, True), (True, 0, False), (False, 32, False)])
def test_only_a_trusted_resolvers_word_makes_an_answer_authentic(is_trusted: bool, flags: int, expected: bool) -> None:
    message = response("example.test. 60 A 192.0.2.1", flags=flags)

    assert int(dns.flags.AD) == 32
    assert read_answer(message, RecordType.A, NOW, is_trusted=is_trusted).is_authentic is expected


@pytest.mark.parametrize("name", ["a..b", "x" * 64 + ".test", ".".join(["x" * 60] * 5), ".x"])
def test_a_name_that_dns_cannot_hold_is_none(name: str) -> None:
    assert encode_name(name) is None


def test_a_final_dot_makes_no_difference() -> None:
    assert encode_name("example.test.") == encode_name("example.test")

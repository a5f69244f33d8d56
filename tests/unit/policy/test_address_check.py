"""What is said of an address, by what is known of it."""

from typing import Any

import msgspec
import pytest

from postroad.model.address_check import AddressCheck, AddressHistory, AddressReason, AddressResult
from postroad.model.route import MailHost, MailHosts, MxStatus
from postroad.policy.address_check import KnownNames, judge, malformed, understood
from postroad.protocol.smtp.address import AddressError

REASON, RESULT = AddressReason, AddressResult
NAMES = KnownNames(
    roles=frozenset({"info", "no-reply"}),
    disposable=frozenset({"throwaway.example"}),
    providers=frozenset({"gmail.com", "hotmail.com", "mail.com", "gmx.de", "yahoo.com"}),
    misspelt=("gmail.com", "hotmail.com", "yahoo.com", "gmx.de"),
)
FOUND = MailHosts(status=MxStatus.FOUND, hosts=(MailHost("mx.example.net", 10, ("192.0.2.1",)),))
AWAY = {status: MailHosts(status=status, detail="the domain is so") for status in MxStatus}


def check(text: str = "ann@example.net", hosts: MailHosts = FOUND, **history: Any) -> AddressCheck:
    return judge(text, understood(text), hosts, AddressHistory(**history), NAMES)


@pytest.mark.parametrize(
    "text",
    ["", "ann", "ann@", "@example.net", "a b@example.net", "ann@example", "ann@-x.example", "<ann@example.net>", "a..b@x.example",
     "@relay.example:ann@example.net", f"{'a' * 65}@example.net", f"ann@{'x' * 600}.example", "ann@exa_mple.net", "a\0@x.example"],
)  # fmt: skip
def test_what_is_no_address_is_undeliverable(text: str) -> None:
    with pytest.raises(AddressError) as refused:
        understood(text)
    found = malformed(text, refused.value)

    assert (found.result, found.reasons, found.takes_mail, found.confidence) == (
        RESULT.UNDELIVERABLE,
        (REASON.SYNTAX,),
        False,
        0,
    )
    assert found.detail.endswith(".")
    assert not found.detail.endswith("..")


def test_an_address_of_a_domain_that_takes_mail_is_deliverable() -> None:
    found = check(" Ann+news@Example.NET ")

    assert (found.result, found.reasons, found.takes_mail, found.detail) == (RESULT.DELIVERABLE, (), True, "")
    assert (found.address, found.local_part, found.domain) == ("Ann+news@Example.NET", "Ann+news", "example.net")
    assert 0 < found.confidence < check(delivered_at=1).confidence <= 100


def test_international_addresses_are_understood() -> None:
    assert check("zoë@bücher.example").domain == "xn--bcher-kva.example"


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (MxStatus.NO_SUCH_DOMAIN, REASON.NO_SUCH_DOMAIN),
        (MxStatus.NULL_MX, REASON.NULL_MX),
        (MxStatus.NO_HOSTS, REASON.NO_MAIL_HOST),
    ],
)
def test_a_domain_without_mail_makes_it_undeliverable(status: MxStatus, reason: AddressReason) -> None:
    found = check(hosts=AWAY[status], delivered_at=1)

    assert (found.result, found.reasons, found.takes_mail) == (RESULT.UNDELIVERABLE, (reason,), False)
    assert found.detail == "The domain is so."


def test_without_an_answer_of_dns_it_is_unknown_unless_it_bounced() -> None:
    unknown = check("info@throwaway.example", hosts=AWAY[MxStatus.TEMPORARY])

    assert (unknown.result, unknown.reasons[0]) == (RESULT.UNKNOWN, REASON.DNS_AWAY)
    assert unknown.takes_mail, "nothing is known against its domain"
    assert (unknown.is_role, unknown.is_disposable) == (True, True)
    assert check(hosts=AWAY[MxStatus.TEMPORARY], bounce_listed_at=1).result is RESULT.UNDELIVERABLE


@pytest.mark.parametrize(
    ("history", "reasons"),
    [
        ({"bounce_listed_at": 5}, (REASON.BOUNCED,)),
        ({"bounce_listed_at": 5, "delivered_at": 4}, (REASON.BOUNCED,)),
        ({"bounce_listed_at": 5, "delivered_at": 6}, ()),
        ({"bounce_listed_at": 5, "failed_at": 5}, (REASON.BOUNCED,)),
        ({"failed_at": 5}, (REASON.FAILING,)),
        ({"failed_at": 5, "delivered_at": 6}, ()),
        ({"failed_at": 5, "delivered_at": 4}, (REASON.FAILING,)),
    ],
)
def test_the_newer_of_a_bounce_and_a_delivery_counts(
    history: dict[str, Any], reasons: tuple[AddressReason, ...]
) -> None:
    found = check(**history)

    assert found.reasons == reasons
    assert found.was_delivered == (not reasons)
    expected = {(REASON.BOUNCED,): RESULT.UNDELIVERABLE, (REASON.FAILING,): RESULT.RISKY, (): RESULT.DELIVERABLE}
    assert found.result is expected[reasons]


@pytest.mark.parametrize(
    "text", ["info@example.net", "INFO@example.net", '"info"@example.net', "info+shop@example.net"]
)
def test_a_role_is_told_by_its_name(text: str) -> None:
    found = check(text)

    assert (found.is_role, found.result, found.reasons) == (True, RESULT.RISKY, (REASON.ROLE,))


@pytest.mark.parametrize(
    ("domain", "is_disposable"),
    [("throwaway.example", True), ("a.b.throwaway.example", True), ("notthrowaway.example", False), ("example", False)],
)
def test_disposable_domains_hold_for_what_is_below_them(domain: str, is_disposable: bool) -> None:
    text = f"ann@{domain}" if "." in domain else f"ann@{domain}.net"

    assert check(text).is_disposable is is_disposable


@pytest.mark.parametrize(
    ("domain", "meant"),
    [
        ("gmial.com", "gmail.com"),
        ("gamil.com", "gmail.com"),
        ("gmail.con", "gmail.com"),
        ("gmil.com", "gmail.com"),
        ("gmail.comm", "gmail.com"),
        ("hotmial.con", "hotmail.com"),
        ("hotmaill.com", "hotmail.com"),
        ("ahoo.com", "yahoo.com"),
        # Another provider, a short name, too far away, and the same.
        ("mail.com", None),
        ("gmx.se", None),
        ("gnaik.com", None),
        ("hotmail.com", None),
        ("gmail.com.example", None),
        # Providers have names under many countries; some endings are rather half of another.
        ("hotmail.cz", None),
        ("hotmail.co", "hotmail.com"),
        ("gmail.cm", "gmail.com"),
    ],
)
def test_a_misspelt_domain_is_told(domain: str, meant: str | None) -> None:
    found = check(f"Ann.B@{domain}")

    assert found.suggestion == (None if meant is None else f"Ann.B@{meant}")
    assert found.suggested_domain == meant
    assert found.result is (RESULT.DELIVERABLE if meant is None else RESULT.RISKY)


def test_usual_endings_are_meant_where_there_is_no_such_domain() -> None:
    assert check("a@shop.con", hosts=AWAY[MxStatus.NO_SUCH_DOMAIN]).suggestion == "a@shop.com"
    assert check("a@shop.ogr", hosts=AWAY[MxStatus.NO_SUCH_DOMAIN]).suggestion == "a@shop.org"
    assert check("a@shop.example", hosts=AWAY[MxStatus.NO_SUCH_DOMAIN]).suggestion is None
    assert check("a@shop.con").suggestion is None


def test_mail_that_arrived_was_meant_as_it_is_written() -> None:
    assert check("ann@gmial.com", delivered_at=1).suggestion is None
    assert check("ann@gmial.com", delivered_at=1, failed_at=2).suggestion == "ann@gmail.com"


def test_an_address_literal_is_no_misspelt_name() -> None:
    found = check("ann@[192.0.2.1]")

    assert (found.result, found.suggestion, found.domain) == (RESULT.DELIVERABLE, None, "[192.0.2.1]")


def test_the_weightiest_reason_comes_first() -> None:
    found = check("info@throwaway.example", failed_at=1)

    assert found.reasons == (REASON.DISPOSABLE, REASON.FAILING, REASON.ROLE)
    assert found.confidence == check("ann@throwaway.example").confidence < check("info@example.net").confidence


def test_a_misspelt_name_that_is_for_sale_is_a_misspelt_one_first() -> None:
    names = msgspec.structs.replace(NAMES, disposable=frozenset({"gmial.com"}))
    found = judge("a@gmial.com", understood("a@gmial.com"), FOUND, AddressHistory(), names)

    assert found.reasons == (REASON.TYPO, REASON.DISPOSABLE)

"""Routes: what is looked up, in which order hosts are tried, and why there is none."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postroad.model.outcome import BounceClass
from postroad.model.route import EgressSource, Hop, Login, MailHost, MailHosts, MxStatus, Route, TlsRule
from postroad.policy.routing import (
    Fate,
    NextHop,
    NoRoute,
    RouteRule,
    RoutingRules,
    next_hop,
    route,
    rule_for,
    site_name,
)

ANY = EgressSource(name="main", ehlo_name="mail.example.net")
V4 = EgressSource(name="four", ehlo_name="mail.example.net", ipv4="192.0.2.1")
V6 = EgressSource(name="six", ehlo_name="mail.example.net", ipv6="2001:db8::1")
RULES = RoutingRules()


def found(*hosts: MailHost) -> MailHosts:
    return MailHosts(status=MxStatus.FOUND, hosts=hosts)


def keep(hosts: list[MailHost]) -> None:
    """Leaves the order as it is."""


def routed(mail_hosts: MailHosts, source: EgressSource = ANY, rules: RoutingRules = RULES) -> Route:
    result = route(next_hop("example.com", rules), mail_hosts, source, rules, keep)
    assert isinstance(result, Route)
    return result


def unrouted(mail_hosts: MailHosts, source: EgressSource = ANY, rules: RoutingRules = RULES) -> NoRoute:
    result = route(next_hop("example.com", rules), mail_hosts, source, rules, keep)
    assert isinstance(result, NoRoute)
    return result


def test_hosts_are_tried_by_preference() -> None:
    hosts = found(MailHost("b.test", 20, ("192.0.2.20",)), MailHost("a.test", 10, ("192.0.2.10",)))
    assert (Hop("a.test", "192.0.2.10", 25), Hop("b.test", "192.0.2.20", 25)) == routed(hosts).hops


def test_hosts_of_one_preference_are_shuffled_among_themselves() -> None:
    hosts = found(
        MailHost("a.test", 10, ("192.0.2.1",)),
        MailHost("b.test", 10, ("192.0.2.2",)),
        MailHost("c.test", 20, ("192.0.2.3",)),
    )
    result = route(NextHop("example.com", None), hosts, ANY, RULES, list.reverse)
    assert isinstance(result, Route)
    assert [hop.host for hop in result.hops] == ["b.test", "a.test", "c.test"]


def test_families_are_interleaved_with_ipv4_first() -> None:
    host = MailHost("a.test", 10, ("2001:db8::a", "2001:db8::b", "192.0.2.1", "192.0.2.2", "192.0.2.3"))
    assert [hop.address for hop in routed(found(host)).hops] == [
        "192.0.2.1",
        "2001:db8::a",
        "192.0.2.2",
        "2001:db8::b",
        "192.0.2.3",
    ]


@pytest.mark.parametrize(("source", "expected"), [(V4, ["192.0.2.1"]), (V6, ["2001:db8::a"])])
def test_only_families_of_the_source_are_used(source: EgressSource, expected: list[str]) -> None:
    host = MailHost("a.test", 10, ("2001:db8::a", "192.0.2.1"))
    assert expected == [hop.address for hop in routed(found(host), source).hops]


def test_no_common_family_is_deferred_because_the_operator_can_mend_it() -> None:
    verdict = unrouted(found(MailHost("a.test", 10, ("2001:db8::a",))), V4)
    assert (verdict.fate, verdict.enhanced_status) == (Fate.DEFERRED, "4.4.4")
    assert "four" in verdict.text


@pytest.mark.parametrize(
    ("status", "fate", "code", "bounce_class"),
    [
        (MxStatus.NULL_MX, Fate.BOUNCED, "5.1.10", BounceClass.BAD_DOMAIN),
        (MxStatus.NO_SUCH_DOMAIN, Fate.BOUNCED, "5.1.2", BounceClass.BAD_DOMAIN),
        (MxStatus.NO_HOSTS, Fate.BOUNCED, "5.4.4", BounceClass.BAD_DOMAIN),
        (MxStatus.TEMPORARY, Fate.DEFERRED, "4.4.3", BounceClass.ROUTING),
    ],
)
def test_each_failure_of_dns_has_its_own_end(
    status: MxStatus, fate: Fate, code: str, bounce_class: BounceClass
) -> None:
    verdict = unrouted(MailHosts(status=status, detail="the server said so"))
    assert (fate, code, bounce_class) == (verdict.fate, verdict.enhanced_status, verdict.bounce_class)
    assert verdict.text.startswith("example.com ")
    assert verdict.text.endswith(": the server said so.")


LOOP = found(
    MailHost("better.test", 5, ("192.0.2.5",)),
    MailHost("us.test", 10, ("192.0.2.10",)),
    MailHost("equal.test", 10, ("192.0.2.11",)),
    MailHost("worse.test", 20, ("192.0.2.20",)),
)


@pytest.mark.parametrize(
    "rules",
    [RoutingRules(own_hosts=frozenset({"us.test"})), RoutingRules(own_addresses=frozenset({"192.0.2.10"}))],
)
def test_our_own_host_and_those_no_better_are_left_out(rules: RoutingRules) -> None:
    assert [hop.host for hop in routed(LOOP, rules=rules).hops] == ["better.test"]


def test_a_destination_whose_best_host_is_ourselves_bounces_as_a_loop() -> None:
    verdict = unrouted(LOOP, rules=RoutingRules(own_hosts=frozenset({"better.test"})))
    assert (verdict.fate, verdict.enhanced_status, verdict.is_loop) == (Fate.BOUNCED, "5.4.6", True)


BOUNDED = RoutingRules(is_allowed=lambda address: not address.startswith("10."))


def test_addresses_that_are_not_allowed_are_left_out() -> None:
    hosts = found(MailHost("a.test", 10, ("10.0.0.1", "192.0.2.1")), MailHost("b.test", 20, ("10.0.0.2",)))
    assert [hop.address for hop in routed(hosts, rules=BOUNDED).hops] == ["192.0.2.1"]


def test_a_destination_with_nothing_but_addresses_that_are_not_allowed_bounces() -> None:
    verdict = unrouted(found(MailHost("a.test", 10, ("10.0.0.1",))), rules=BOUNDED)
    assert (verdict.fate, verdict.enhanced_status, verdict.bounce_class) == (
        Fate.BOUNCED,
        "5.4.4",
        BounceClass.BAD_DOMAIN,
    )


def test_a_relay_may_have_any_address() -> None:
    rule = RouteRule(pattern="*", host="relay.test")
    rules = RoutingRules(rules=(rule,), is_allowed=lambda _address: False)
    verdict = route(NextHop("relay.test", rule), found(MailHost("relay.test", 0, ("10.0.0.1",))), ANY, rules, keep)
    assert isinstance(verdict, Route)


def test_a_relay_may_be_one_of_our_own_hosts() -> None:
    rules = RoutingRules(rules=(RouteRule(pattern="*", host="us.test"),), own_hosts=frozenset({"us.test"}))
    assert [hop.host for hop in routed(found(MailHost("us.test", 0, ("192.0.2.1",))), rules=rules).hops] == ["us.test"]


def test_a_smarthost_brings_port_tls_rule_and_login() -> None:
    login = Login("user", "word")
    rule = RouteRule(pattern="*", host="relay.test", port=465, tls_rule=TlsRule.VERIFY, implicit_tls=True, login=login)
    rules = RoutingRules(rules=(rule,), port=2525)
    assert next_hop("example.com", rules).domain == "relay.test"
    result = routed(found(MailHost("relay.test", 0, ("192.0.2.1",))), rules=rules)
    assert result.site == "relay.test:465"
    assert (Hop("relay.test", "192.0.2.1", 465),) == result.hops
    assert (TlsRule.VERIFY, login, True) == (result.tls_rule, result.login, result.implicit_tls)


def test_a_rule_without_a_host_sets_terms_and_keeps_the_mail_hosts() -> None:
    rules = RoutingRules(rules=(RouteRule(pattern="example.com", tls_rule=TlsRule.VERIFY, port=99),), port=2525)
    assert next_hop("example.com", rules).domain == "example.com"
    result = routed(found(MailHost("a.test", 0, ("192.0.2.1",))), rules=rules)
    assert (result.tls_rule, result.hops[0].port, result.site) == (TlsRule.VERIFY, 2525, "a.test!verify")


@pytest.mark.parametrize(
    ("destination", "expected"),
    [
        ("example.com", "example.com"),
        ("a.example.com", "*.example.com"),
        ("b.a.example.com", "*.a.example.com"),
        ("notexample.com", "*"),
        ("other.test", "*"),
    ],
)
def test_the_most_exact_pattern_wins(destination: str, expected: str) -> None:
    patterns = ("*", "*.example.com", "example.com", "*.a.example.com")
    rule = rule_for(destination, [RouteRule(pattern=pattern) for pattern in patterns])
    assert rule is not None
    assert expected == rule.pattern


def test_no_rule_fits_without_a_star() -> None:
    assert rule_for("other.test", [RouteRule(pattern="example.com")]) is None


def test_a_relay_named_by_an_ipv6_address_has_a_readable_site() -> None:
    rules = RoutingRules(rules=(RouteRule(pattern="*", host="::1", port=2525),))
    assert routed(found(MailHost("::1", 0, ("::1",))), rules=rules).site == "[::1]:2525"


HOSTS = st.lists(
    st.builds(
        MailHost,
        st.sampled_from(["a.test", "b.test", "c.test", "d.test"]),
        st.integers(0, 3),
        st.just(("192.0.2.1",)),
    ),
    min_size=1,
    max_size=6,
)


@given(HOSTS, st.randoms(use_true_random=False))
def test_the_site_depends_on_the_set_alone(hosts: list[MailHost], random: Random) -> None:
    shuffled = list(hosts)
    random.shuffle(shuffled)
    assert site_name(hosts) == site_name(shuffled)


@given(HOSTS, st.randoms(use_true_random=False))
def test_every_host_is_tried_once_in_order_of_preference(hosts: list[MailHost], random: Random) -> None:
    named = [MailHost(f"{index}.{host.name}", host.preference, host.addresses) for index, host in enumerate(hosts)]
    result = route(NextHop("example.com", None), found(*named), ANY, RULES, random.shuffle)
    assert isinstance(result, Route)
    preference = {host.name: host.preference for host in named}
    tried = [hop.host for hop in result.hops]
    assert sorted(tried) == sorted(preference)
    assert sorted(preference[name] for name in tried) == [preference[name] for name in tried]


def test_different_sets_are_different_sites() -> None:
    one, two = MailHost("a.test", 10, ()), MailHost("b.test", 20, ())
    assert len({site_name([one]), site_name([one, two]), site_name([one, MailHost("b.test", 30, ())])}) == 3

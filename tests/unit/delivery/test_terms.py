"""What the delivery settings come to."""

import pytest

from postroad.delivery.settings import DeliverySettings, QueueSettings, RouteSettings, SourceSettings
from postroad.delivery.terms import split_host, understand, with_stored_routes
from postroad.model.route import EgressSource, Login, TlsRule
from postroad.policy.egress import Pool, WeightedSource
from postroad.policy.routing import RouteRule
from postroad.storage.routes import StoredRoute

NONE: frozenset[str] = frozenset()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("relay.test", ("relay.test", 25)),
        ("relay.test:2525", ("relay.test", 2525)),
        ("127.0.0.1:2526", ("127.0.0.1", 2526)),
        ("[2001:db8::1]:2525", ("2001:db8::1", 2525)),
        ("[2001:db8::1]", ("2001:db8::1", 25)),
        ("2001:db8::1", ("2001:db8::1", 25)),
    ],
)
def test_a_host_is_read_with_and_without_port(text: str, expected: tuple[str, int]) -> None:
    assert split_host(text, 25) == expected


@pytest.mark.parametrize("text", ["relay.test:", "relay.test:0", "relay.test:70000", "relay.test:smtp"])
def test_a_port_that_is_none_is_refused_with_a_sentence(text: str) -> None:
    with pytest.raises(ValueError, match=r"write host, host:port"):
        split_host(text, 25)


def test_without_settings_there_is_one_pool_with_the_systems_address() -> None:
    terms = understand(DeliverySettings(hostname="mail.test"), frozenset({"rp.test"}), frozenset({"192.0.2.1"}))
    source = EgressSource(name="default", ehlo_name="mail.test")
    assert terms.pools == {"default": Pool("default", (WeightedSource(source, 1),))}
    assert terms.rules.own_hosts == {"rp.test", "mail.test"}
    assert terms.rules.own_addresses == {"192.0.2.1"}


def test_sources_share_the_default_pool_unless_pools_are_named() -> None:
    sources = {"one": SourceSettings(ipv4="192.0.2.1"), "two": SourceSettings(ipv6="2001:db8::2", hostname="two.test")}
    plain = understand(DeliverySettings(hostname="mail.test", sources=sources), NONE, NONE)
    assert [member.source.ehlo_name for member in plain.pools["default"].members] == ["mail.test", "two.test"]
    named = DeliverySettings(hostname="mail.test", sources=sources, pools={"bulk": {"two": 3, "elsewhere": 1}})
    assert [member.weight for member in understand(named, NONE, NONE).pools["bulk"].members] == [3]


def test_a_source_without_an_address_is_refused() -> None:
    with pytest.raises(ValueError, match=r"delivery\.sources\.one has no address"):
        understand(DeliverySettings(sources={"one": SourceSettings()}), NONE, NONE)


def test_a_smarthost_is_the_route_for_all_others() -> None:
    settings = DeliverySettings(
        smarthost="relay.test:587",
        routes=(RouteSettings(destination="*.Example.com", host="inner.test", username="u", password="p"),),
    )
    assert understand(settings, NONE, NONE).rules.rules == (
        RouteRule(pattern="*.example.com", host="inner.test", login=Login("u", "p")),
        RouteRule(pattern="*", host="relay.test", port=587),
    )


def test_a_smarthost_beside_a_route_for_all_is_refused() -> None:
    settings = DeliverySettings(smarthost="relay.test", routes=(RouteSettings(destination="*", host="other.test"),))
    with pytest.raises(ValueError, match=r"names '\*' twice"):
        understand(settings, NONE, NONE)


def test_limits_follow_the_settings_and_stay_consistent() -> None:
    queue = QueueSettings(batch=3, first_sessions=9, sessions_per_site=4, first_pause_s=100, longest_pause_s=50)
    limits = understand(DeliverySettings(queue=queue), NONE, NONE).limits
    assert (limits.smallest_batch, limits.largest_batch) == (3, 3)
    assert (limits.window.initial, limits.window.maximum) == (4, 4)
    assert (limits.window.first_pause_s, limits.window.longest_pause_s) == (100, 100)


def test_a_lease_shorter_than_a_transfer_is_refused() -> None:
    with pytest.raises(ValueError, match="1350 is the least"):
        understand(DeliverySettings(queue=QueueSettings(lease_s=900)), NONE, NONE)


@pytest.mark.parametrize(
    "address", ["127.0.0.1", "10.1.2.3", "169.254.169.254", "::1", "fe80::1", "64:ff9b::a00:1", "x"]
)
def test_private_addresses_are_refused_unless_allowed(address: str) -> None:
    is_allowed = understand(DeliverySettings(), NONE, NONE).rules.is_allowed
    assert is_allowed is not None
    assert not is_allowed(address)
    assert is_allowed("9.9.9.9")
    assert understand(DeliverySettings(allow_private_addresses=True), NONE, NONE).rules.is_allowed is None


def test_stored_routes_replace_configured_ones() -> None:
    configured = understand(DeliverySettings(smarthost="relay.test"), NONE, NONE).rules
    stored = [
        StoredRoute(destination=".below.test", host="a.test", port=25, tls_rule=TlsRule.VERIFY, created_at=0),
        StoredRoute(destination="*", host="b.test", port=26, tls_rule=TlsRule.NEVER, created_at=0),
    ]
    assert {(rule.pattern, rule.host, rule.tls_rule) for rule in with_stored_routes(configured, stored).rules} == {
        ("*.below.test", "a.test", TlsRule.VERIFY),
        ("*", "b.test", TlsRule.NEVER),
    }

"""Deliveries get their lot, and DNS is asked no more than it must be."""

import random

import msgspec

from postroad.delivery.router import Course, Router
from postroad.model.route import EgressSource, MailHost, MailHosts, MxStatus, Route
from postroad.policy.egress import Pool, WeightedSource
from postroad.policy.routing import NoRoute, RouteRule, RoutingRules
from postroad.queue.scheduler import LotKey
from tests.unit.queue.deliveries import make_delivery

SOURCE = EgressSource(name="main", ehlo_name="mail.test")
POOLS = {"default": Pool("default", (WeightedSource(SOURCE),))}
DELIVERY = make_delivery(1)


class Hosts:
    """Answers for every domain, and counts how often it was asked."""

    def __init__(self, status: MxStatus = MxStatus.FOUND) -> None:
        self.status = status
        self.asked: list[str] = []
        self.looked_at: list[str] = []
        self.answers: dict[str, MailHosts] = {}

    def cached(self, domain: str) -> MailHosts | None:
        self.looked_at.append(domain)
        return self.answers.get(domain)

    async def mail_hosts(self, domain: str) -> MailHosts:
        self.asked.append(domain)
        hosts = (MailHost(f"a.{domain}", 10, ("192.0.2.1",)), MailHost(f"b.{domain}", 10, ("192.0.2.2",)))
        self.answers[domain] = MailHosts(status=self.status, hosts=hosts, expires_at=1000)
        return self.answers[domain]


def make_router(hosts: Hosts, rules: RoutingRules | None = None) -> Router:
    return Router(hosts, POOLS, rules or RoutingRules(), random.Random(5).shuffle)


async def test_a_destination_is_looked_up_once_and_then_known() -> None:
    hosts = Hosts()
    router = make_router(hosts)
    assert router.known(DELIVERY, 0) is None
    course = await router.find(DELIVERY)
    assert isinstance(course, Course)
    assert course.key.source == "main"
    assert course.key.site.startswith("a.dest.test~")
    looked_at = len(hosts.looked_at)
    assert router.known(DELIVERY, 999) is course
    assert len(hosts.looked_at) == looked_at
    assert hosts.asked == ["dest.test"]


async def test_what_dns_said_is_used_as_long_as_it_is_valid() -> None:
    hosts = Hosts()
    router = make_router(hosts)
    await router.find(DELIVERY)
    hosts.answers.clear()
    assert router.known(DELIVERY, 1000) is None


async def test_what_another_look_up_has_found_is_used() -> None:
    hosts = Hosts()
    await hosts.mail_hosts("dest.test")
    assert isinstance(make_router(hosts).known(DELIVERY, 0), Course)


async def test_a_destination_without_route_is_known_too() -> None:
    router = make_router(Hosts(MxStatus.NULL_MX))
    assert isinstance(await router.find(DELIVERY), NoRoute)
    assert isinstance(router.known(DELIVERY, 0), NoRoute)


async def test_each_route_of_a_lot_has_its_own_order() -> None:
    router = make_router(Hosts())
    course = await router.find(DELIVERY)
    assert isinstance(course, Course)
    routes = [router.route(course) for _ in range(30)]
    assert {route.hops[0].host for route in routes if isinstance(route, Route)} == {"a.dest.test", "b.dest.test"}
    assert {route.site for route in routes if isinstance(route, Route)} == {course.key.site}


async def test_new_rules_hold_at_once() -> None:
    router = make_router(Hosts())
    await router.find(DELIVERY)
    router.replace_rules(RoutingRules(rules=(RouteRule(pattern="*", host="relay.test", port=26),)))
    assert router.known(DELIVERY, 0) is None
    course = await router.find(DELIVERY)
    assert isinstance(course, Course)
    assert course.key == LotKey("main", "relay.test:26")


async def test_destinations_of_one_relay_share_a_lot() -> None:
    router = make_router(Hosts(), RoutingRules(rules=(RouteRule(pattern="*", host="relay.test"),)))
    one = await router.find(DELIVERY)
    two = await router.find(msgspec.structs.replace(make_delivery(2), destination="other.test"))
    assert isinstance(one, Course)
    assert isinstance(two, Course)
    assert one.key == two.key

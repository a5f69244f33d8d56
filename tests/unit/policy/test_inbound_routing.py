"""A domain's routes, one after another."""

from typing import Any

from postroad.model.inbound_route import InboundAction, InboundRoute
from postroad.policy.inbound_routing import depends_on_subject, may_be_taken, routing_of


def route(position: int, forward_to: str = "", **expressions: Any) -> InboundRoute:
    action = InboundAction.FORWARD if forward_to else InboundAction.STOP
    return InboundRoute(
        account_id=1, domain_id=1, position=position, action=action, forward_to=forward_to, created_at=0, **expressions
    )


ROUTES = [
    route(1, mail_from=r"@spam\.example$"),
    route(2, "desk@x.example", mail_to="^help@"),
    route(3, "books@x.example", subject="invoice"),
    route(4, "desk@x.example", mail_to="help"),
]


def test_forwarding_goes_on_and_stopping_does_not() -> None:
    found = routing_of(ROUTES, "a@b.example", "help@news.example", "An Invoice")
    assert (found.forward_to, found.matched) == (("desk@x.example", "books@x.example"), (2, 3, 4))
    stopped = routing_of(ROUTES, "a@spam.example", "help@news.example", "An Invoice")
    assert (stopped.forward_to, stopped.is_taken, stopped.matched) == ((), True, (1,))


def test_what_nothing_matches_is_not_taken() -> None:
    assert not routing_of(ROUTES, "a@b.example", "sales@news.example", "Hello").is_taken
    assert not routing_of([], "a@b.example", "sales@news.example", "Hello").is_taken


def test_what_can_be_known_before_the_subject() -> None:
    assert may_be_taken(ROUTES, "a@b.example", "sales@news.example")
    assert depends_on_subject(ROUTES, "a@b.example", "sales@news.example")
    assert not depends_on_subject(ROUTES, "a@b.example", "help@news.example")
    assert not may_be_taken(ROUTES[:2], "a@b.example", "sales@news.example")

"""Where mail for a sending domain goes: its routes, one after another."""

from collections.abc import Sequence

import msgspec

from postroad.model.inbound_route import InboundAction, InboundRoute
from postroad.policy.pattern import pattern

MOST_ROUTES = 50
"""Of one domain: all of them may have to be tried for a message."""


class Routing(msgspec.Struct, frozen=True, kw_only=True):
    """What a domain's routes say of one recipient of a message."""

    forward_to: tuple[str, ...] = ()
    is_taken: bool = False
    """Some route matches: it is forwarded, or discarded."""
    matched: tuple[int, ...] = ()
    """Positions of the routes that match."""


def routing_of(routes: Sequence[InboundRoute], mail_from: str, mail_to: str, subject: str) -> Routing:
    """Return where a message goes."""
    forward_to: list[str] = []
    matched: list[int] = []
    for route in routes:
        if not (_matches(route, mail_from, mail_to) and _is_match(route.subject, subject)):
            continue
        matched.append(route.position)
        if route.action is InboundAction.STOP:
            break
        if route.forward_to not in forward_to:
            forward_to.append(route.forward_to)
    return Routing(forward_to=tuple(forward_to), is_taken=bool(matched), matched=tuple(matched))


def may_be_taken(routes: Sequence[InboundRoute], mail_from: str, mail_to: str) -> bool:
    """Whether some subject would have a route take the message: what is known before its text comes."""
    return any(_matches(route, mail_from, mail_to) for route in routes)


def depends_on_subject(routes: Sequence[InboundRoute], mail_from: str, mail_to: str) -> bool:
    """Whether a message could still be refused once its subject is known."""
    possible = [route for route in routes if _matches(route, mail_from, mail_to)]
    return bool(possible) and all(route.subject for route in possible)


def _matches(route: InboundRoute, mail_from: str, mail_to: str) -> bool:
    return _is_match(route.mail_from, mail_from) and _is_match(route.mail_to, mail_to)


def _is_match(expression: str, text: str) -> bool:
    return not expression or pattern(expression).matches(text)

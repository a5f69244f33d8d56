"""Inbound routes in the words of Mailgun's API: an expression, and actions.

``match_recipient("re") and match_header("subject", "re")``, or ``catch_all()``; ``forward("address")`` and ``stop()``.
What such a route could not do here is refused.
"""

import re
from collections.abc import Sequence
from typing import Any

import msgspec

from postroad.dialects.mailgun.parameters import gmt
from postroad.model.inbound_route import InboundAction, InboundRoute, RouteGroup
from postroad.model.refused import RefusedError
from postroad.policy.pattern import PatternError, pattern

LONGEST_EXPRESSION = 2000
MOST_ACTIONS = 10
_LONGEST_DESCRIPTION = 500
_TEXT = r"""("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')"""
_CALL = re.compile(rf"\s*([a-z_]+)\s*\(\s*(?:{_TEXT}\s*(?:,\s*{_TEXT}\s*)?)?\)\s*", re.IGNORECASE)
_AND = re.compile(r"and\b", re.IGNORECASE)
_DOMAIN = re.compile(r"@((?:[a-z0-9-]+\\?\.)+[a-z0-9-]+)", re.IGNORECASE)
_AT_END = re.compile(r"@((?:[a-z0-9-]+\\?\.)+[a-z0-9-]+)\)*\$?\)*\Z", re.IGNORECASE)
_CONDITIONS = 'match_recipient("…"), match_header("subject", "…"), match_sender("…") or catch_all()'
_STORES = "messages are not stored for later"


class Condition(msgspec.Struct, frozen=True, kw_only=True):
    """What an expression says."""

    mail_from: str = ""
    mail_to: str = ""
    subject: str = ""
    domain: str = ""
    """Which the pattern for the recipient ends with; empty where that is for more than one name."""


def read_expression(text: str) -> Condition:
    """Return what an expression says; raises RefusedError where it could not be kept."""
    if len(text) > LONGEST_EXPRESSION:
        raise _wrong(f"has {len(text)} characters; {LONGEST_EXPRESSION} are allowed")
    if "\0" in text:
        raise _wrong("holds a NUL, which no text here may hold")
    given: dict[str, str] = {}
    domain = ""
    for name, arguments in _calls(text):
        field, expression = _condition(name, arguments)
        if field in given:
            raise _wrong(f"says {name} twice: one pattern must say all")
        if field:
            given[field] = _anchored(name, expression)
        if field == "mail_to":
            domain = _domain_of(expression)
    return Condition(**given, domain=domain)


def read_actions(texts: Sequence[str]) -> tuple[tuple[str, ...], bool]:
    """Return the addresses that actions forward to, and whether they stop; raises RefusedError for others."""
    if len(texts) > MOST_ACTIONS:
        raise RefusedError(f"action may be given {MOST_ACTIONS} times at most, not {len(texts)}", field="action")
    forward_to: list[str] = []
    is_stop = False
    for text in texts:
        found = _CALL.fullmatch(text) if len(text) <= LONGEST_EXPRESSION else None
        name = "" if found is None else found[1].lower()
        if is_stop:
            raise RefusedError(f"action {text[:60]} stands behind stop(), which ends the route", field="action")
        if text.lower().startswith("store"):
            raise RefusedError(
                f"action store() cannot be carried out: {_STORES}; forward to an address", field="action"
            )
        if found is None or name not in {"forward", "stop"}:
            raise RefusedError(
                f'action {text[:60]} is not understood: forward("address") and stop() are', field="action"
            )
        if name == "store":
            raise RefusedError(
                f"action store() cannot be carried out: {_STORES}; forward to an address", field="action"
            )
        if name == "stop":
            is_stop = True
            continue
        address = _unquoted(found[2] or "").strip()
        if "://" in address:
            raise RefusedError(f"action forward() takes an address, not the URL {address[:60]}", field="action")
        forward_to.append(address)
    if not texts:
        raise RefusedError("action parameter is missing", field="action")
    return tuple(forward_to), is_stop


def read_description(text: str) -> str:
    """Return what a route is for; raises RefusedError."""
    if len(text) > _LONGEST_DESCRIPTION:
        raise RefusedError(
            f"description has {len(text)} characters; {_LONGEST_DESCRIPTION} are allowed", field="description"
        )
    if "\0" in text:
        raise RefusedError("description holds a NUL, which no text here may hold", field="description")
    return text


def group_of(routes: Sequence[InboundRoute]) -> RouteGroup:
    """Return what stored routes of one group say."""
    first = routes[0]
    return RouteGroup(
        mail_from=first.mail_from,
        mail_to=first.mail_to,
        subject=first.subject,
        forward_to=tuple(one.forward_to for one in routes if one.action is InboundAction.FORWARD),
        is_stop=any(one.action is InboundAction.STOP for one in routes),
        priority=first.priority,
        description=first.description,
        expression=first.expression,
    )


def document_of(routes: Sequence[InboundRoute], domain: str) -> dict[str, Any]:
    """Return the routes of one group as one."""
    first = routes[0]
    return {
        "id": str(first.group),
        "priority": first.priority,
        "description": first.description,
        "expression": first.expression or _expression(first),
        "actions": [
            f"forward({_quoted(one.forward_to)})" if one.action is InboundAction.FORWARD else "stop()" for one in routes
        ],
        "created_at": gmt(first.created_at),
        "domain": domain,
    }


def _calls(text: str) -> list[tuple[str, list[str]]]:
    calls: list[tuple[str, list[str]]] = []
    at = 0
    while True:
        found = _CALL.match(text, at)
        if found is None:
            raise _wrong(f"is not understood at {text[at : at + 40]!r}: it joins {_CONDITIONS} by and")
        calls.append((found[1].lower(), [_unquoted(one) for one in found.groups()[1:] if one is not None]))
        if found.end() == len(text):
            return calls
        joint = _AND.match(text, found.end())
        if joint is None:
            raise _wrong(f"is not understood at {text[found.end() : found.end() + 40]!r}: only and may join conditions")
        at = joint.end()


def _condition(name: str, arguments: list[str]) -> tuple[str, str]:
    match name, arguments:
        case "catch_all", []:
            return "", ""
        case "match_recipient", [expression]:
            return "mail_to", expression
        case "match_sender", [expression]:
            return "mail_from", expression
        case "match_header", [header, expression]:
            if header.lower() != "subject":
                raise _wrong(
                    f"looks at the header {header[:60]}: only subject can be looked at, and the sender of the envelope by "
                    'match_sender("…")'
                )
            return "subject", expression
    raise _wrong(f"says {name} with {len(arguments)} texts: it may have {_CONDITIONS}")


def _domain_of(expression: str) -> str:
    """Return the domain that a pattern for the recipient ends with; raises RefusedError where it names several."""
    named = {one.replace("\\", "").lower() for one in _DOMAIN.findall(expression)}
    if len(named) > 1:
        raise _wrong(f"is for {' and '.join(sorted(named))}: a route is of one domain here, so add one for each")
    return named.pop() if named and _AT_END.search(expression) else ""


def _anchored(name: str, expression: str) -> str:
    """Return a pattern that holds from the beginning of a text, as Mailgun's do."""
    if not expression:
        raise _wrong(f"has an empty pattern for {name}")
    is_so = expression.startswith(".*") or (expression.startswith("^") and "|" not in expression)
    anchored = expression if is_so else f"^(?:{expression})"
    try:
        pattern(expression)
        pattern(anchored)
    except PatternError as error:
        raise _wrong(f"has a pattern for {name} that {error}") from error
    return anchored


def _expression(route: InboundRoute) -> str:
    """Return the condition of a route that was added elsewhere."""
    parts = [
        f"match_recipient({_quoted(route.mail_to)})" if route.mail_to else "",
        f'match_header("subject", {_quoted(route.subject)})' if route.subject else "",
        f"match_sender({_quoted(route.mail_from)})" if route.mail_from else "",
    ]
    return " and ".join(one for one in parts if one) or "catch_all()"


def _unquoted(text: str) -> str:
    # A backslash belongs to the pattern, but for the one before a quote.
    return text[1:-1].replace(f"\\{text[0]}", text[0]) if text else ""


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '\\"') + '"'


def _wrong(what: str) -> RefusedError:
    return RefusedError(f"expression {what}", field="expression")

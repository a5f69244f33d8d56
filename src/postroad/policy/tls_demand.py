"""What a sender demands of the connection its message leaves by: over the site's own rule, never under it."""

import msgspec

from postroad.model.attempt import Attempt, FailureKind
from postroad.model.options import TlsDemand
from postroad.model.outcome import BounceClass, Deferred, Phase, Scope
from postroad.model.route import Route, TlsRule

UNMET = "4.7.10"
"""RFC 5248 registry: X.7.10, encryption needed."""
UNMET_AT_THE_END = "5.7.10"

_BY_STRENGTH = (TlsRule.NEVER, TlsRule.OPPORTUNISTIC, TlsRule.ENCRYPT, TlsRule.VERIFY)
_RULE_OF = {TlsDemand.ENCRYPT: TlsRule.ENCRYPT, TlsDemand.VERIFY: TlsRule.VERIFY}
_WORDS = {
    TlsRule.ENCRYPT: "the sender demands an encrypted connection",
    TlsRule.VERIFY: "the sender demands an encrypted connection to a host that an authority vouches for",
}


def strengthened(route: Route, demand: TlsDemand | None) -> Route:
    """Return a route with the stricter of its own rule and the demand; the same one where its own is as strict."""
    rule = _RULE_OF.get(demand) if demand is not None else None
    if rule is None or _BY_STRENGTH.index(rule) <= _BY_STRENGTH.index(route.tls_rule):
        return route
    return msgspec.structs.replace(route, tls_rule=rule)


def unmet(attempt: Attempt, route: Route) -> Deferred | None:
    """Return what an attempt over a strengthened route showed where nothing but the demand stood in the way.

    It concerns this delivery alone: the site takes the mail of others as before.
    """
    if attempt.failure is not FailureKind.TLS and not (attempt.failure and attempt.facts.phase is Phase.STARTTLS):
        return None
    text = f"{_WORDS[route.tls_rule]}: {attempt.facts.text}"
    facts = msgspec.structs.replace(attempt.facts, code=None, enhanced_status=UNMET, text=text)
    return Deferred(facts, Scope.RECIPIENT, BounceClass.POLICY)

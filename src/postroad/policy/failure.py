"""What a failed attempt means: deferred or bounced, and how far the failure reaches.

Two questions are answered apart. *How far* follows from where it happened:

=====================================  =========  ===========================================================
where                                  scope      what follows
=====================================  =========  ===========================================================
DNS, connect, greeting, EHLO,          site       every host of the route was tried; the site's others wait
STARTTLS, AUTH
421, or a connection that ended        session    the others of the session go to another one
MAIL, DATA, content, final dot         message    the message is refused whoever it is for
RCPT                                   recipient  nobody else is concerned
a reply that speaks of rates or        site       the window of the site closes
of our address's reputation
=====================================  =========  ===========================================================

*Deferred or bounced* follows from the class of the code, with the exceptions below. All but one lean to deferring:
another try costs little, a wrong bounce loses mail.
"""

import re

import msgspec

from postroad.model.attempt import Attempt, FailureKind
from postroad.model.outcome import AttemptFacts, BounceClass, Bounced, Deferred, Delivered, Outcome, Phase, Scope
from postroad.policy.bounce_class import bounce_class_of

SET_UP = frozenset({Phase.DNS, Phase.CONNECT, Phase.GREETING, Phase.EHLO, Phase.STARTTLS, Phase.AUTH})
"""The phases before a host takes transactions: what fails there concerns every delivery of the site."""

_OVER_RATE = re.compile(
    r"rate.?limit|throttl|too many (?:connections|messages|concurrent|sessions|errors)|slow down|too fast"
    r"|unusual rate|try (?:again )?from another|temporarily rate|connection rate",
    re.IGNORECASE,
)
_OUR_ADDRESS = re.compile(
    r"spamhaus|spamcop|barracuda|\b[dr]n?s?bl\b|\bblock ?list|\bblack ?list|(?:ip|host|client|server|network)\b.{0,40}"
    r"(?:blocked|reputation|banned|denied)|reputation|reverse dns|\bptr\b",
    re.IGNORECASE,
)
_TRY_LATER = re.compile(
    r"try (?:again |it )?later|temporar(?:y|ily)|gr[ae]y ?list|please retry|come back later|^4\.\d{1,3}\.\d{1,3}\b",
    re.IGNORECASE,
)


def judge(attempt: Attempt) -> Outcome:
    """Return what an attempt showed."""
    if attempt.failure is None:
        return Delivered(attempt.facts)
    if attempt.failure is FailureKind.REPLY:
        return _judge_reply(attempt.facts)
    facts = msgspec.structs.replace(attempt.facts, enhanced_status=_STATUS_OF_KIND[attempt.failure])
    match attempt.failure:
        case FailureKind.NEEDS_SMTPUTF8:
            # RFC 6531 §3.5: the message cannot go on to a host without the extension.
            return Bounced(facts, Scope.RECIPIENT, BounceClass.PROTOCOL)
        case FailureKind.LOST | FailureKind.TIMEOUT:
            # RFC 5321 §4.5.3.2.6 and RFC 1047: after the final dot the message may have been taken.
            is_unknown = facts.phase is Phase.FINAL_DOT
            return Deferred(facts, _scope_of_set_up(facts) or Scope.SESSION, maybe_delivered=is_unknown)
        case FailureKind.DNS | FailureKind.CONNECT:
            return Deferred(facts, Scope.SITE, BounceClass.ROUTING)
        case FailureKind.TLS:
            return Deferred(facts, Scope.SITE, BounceClass.POLICY)
        case FailureKind.PROTOCOL:
            return Deferred(facts, _scope_of_set_up(facts) or Scope.SESSION, BounceClass.PROTOCOL)


# RFC 3463 §3.5: network and routing status; §3.8 for TLS; RFC 6531 §3.5 for SMTPUTF8.
_STATUS_OF_KIND: dict[FailureKind, str] = {
    FailureKind.DNS: "4.4.3",
    FailureKind.CONNECT: "4.4.1",
    FailureKind.LOST: "4.4.2",
    FailureKind.TIMEOUT: "4.4.2",
    FailureKind.TLS: "4.7.5",
    FailureKind.NEEDS_SMTPUTF8: "5.6.7",
    FailureKind.PROTOCOL: "4.5.0",
}


def _judge_reply(facts: AttemptFacts) -> Outcome:
    code = facts.code or 0
    if not 400 <= code < 600:
        # A positive reply where a failure is reported: the dialogue went out of step.
        return Deferred(facts, Scope.SESSION, BounceClass.PROTOCOL)
    bounce_class = bounce_class_of(facts.phase, code, facts.enhanced_status, facts.text)
    if code == 421:
        # RFC 5321 §3.8: the host is about to close the connection; what it holds of the message is undone.
        return Deferred(facts, _scope_of_set_up(facts) or Scope.SESSION, bounce_class)
    scope = _scope_of(facts)
    if _is_transient(facts, code):
        return Deferred(facts, scope, bounce_class)
    return Bounced(facts, scope, bounce_class)


def _is_transient(facts: AttemptFacts, code: int) -> bool:
    if code < 500:
        return True
    if facts.phase in SET_UP:
        # A refusal before MAIL is about us or about the host, not about this message; what is wrong is often mended
        # within hours. RFC 7504 §4: 521 alone says that no later try will do better.
        return code != 521
    if facts.enhanced_status == "5.2.2":
        # RFC 3463 §3.3: a full mailbox "should be used as a persistent transient failure", whatever the code.
        return True
    if code == 552 and facts.phase is Phase.RCPT and facts.enhanced_status is None:
        # RFC 5321 §4.5.3.1.10: old hosts say 552 at RCPT where 452 is meant.
        return True
    # The text asks for another try, or carries a 4.y.z status that disagrees with the code: the milder one counts.
    return _TRY_LATER.search(facts.text) is not None


def _scope_of(facts: AttemptFacts) -> Scope:
    if facts.phase in SET_UP or _OVER_RATE.search(facts.text) or _OUR_ADDRESS.search(facts.text):
        return Scope.SITE
    return Scope.RECIPIENT if facts.phase is Phase.RCPT else Scope.MESSAGE


def _scope_of_set_up(facts: AttemptFacts) -> Scope | None:
    return Scope.SITE if facts.phase in SET_UP else None

"""Fuzz target: the expression and the actions of a route as Mailgun's clients write them; what we write is read the same.

``python -m tests.fuzz mailgun_route`` runs it. Behind a line feed the expression ends and the action begins.
"""

from postroad.dialects.mailgun.routes import document_of, read_actions, read_expression
from postroad.model.inbound_route import InboundAction, InboundRoute
from postroad.model.refused import RefusedError

_NOW = 1_780_000_000_000


def run_one(data: bytes) -> None:
    """Read ``data``; an exception other than a refusal, or a meaning that changes once it is written, is a finding."""
    expression, _, action = data.decode("utf-8", "replace").partition("\n")
    try:
        condition = read_expression(expression)
        forward_to, is_stop = read_actions([action])
    except RefusedError:
        return
    route = InboundRoute(
        account_id=1,
        domain_id=1,
        mail_from=condition.mail_from,
        mail_to=condition.mail_to,
        subject=condition.subject,
        action=InboundAction.STOP if is_stop else InboundAction.FORWARD,
        forward_to="".join(forward_to),
        created_at=_NOW,
    )
    document = document_of([route], "news.example.com")
    assert read_actions(document["actions"]) == (forward_to, is_stop)
    again = read_expression(document["expression"])
    for name in ("mail_from", "mail_to", "subject"):
        before, after = getattr(condition, name), getattr(again, name)
        # What holds from the beginning may be said to do so twice.
        assert after in {before, f"^(?:{before})"}, (before, after)

"""Who may do what: looking needs the account, changing needs the admin's role in it, some things need the operator."""

from postroad.model.actor import Actor
from postroad.model.refused import ForbiddenError, MissingError


def require_sight(actor: Actor, account_id: int | None, what: str) -> None:
    """Raise MissingError where something of ``account_id`` does not exist for the actor; ``what`` names it."""
    if not actor.sees(account_id):
        raise MissingError(f"There is no {what}.")


def require_change(actor: Actor, account_id: int | None, what: str) -> None:
    """Raise MissingError or ForbiddenError where the actor may not change something of ``account_id``."""
    require_sight(actor, account_id, what)
    if not actor.may_change:
        raise ForbiddenError("You may look at this account but not change it: ask one of its admins.")


def require_operator(actor: Actor) -> None:
    """Raise ForbiddenError where the actor does not run the installation."""
    if not actor.is_operator:
        raise ForbiddenError("Only an operator of this installation may do that.")

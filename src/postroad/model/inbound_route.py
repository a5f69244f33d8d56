"""Routes for mail that a sending domain receives and that is no system mail."""

import enum

import msgspec


class InboundAction(enum.Enum):
    """What a route does with a message that it matches."""

    FORWARD = "forward"
    """It goes to another address; the routes behind are looked at all the same."""
    STOP = "stop"
    """No route behind is looked at; what none before has forwarded is discarded."""


class InboundRoute(msgspec.Struct, frozen=True, kw_only=True):
    """One route of a sending domain; every expression that it has must match."""

    id: int = 0
    account_id: int
    domain_id: int
    position: int = 0
    """From 1, in the order in which routes are looked at."""
    mail_from: str = ""
    """Regular expression for the address of MAIL FROM; empty for any."""
    mail_to: str = ""
    """For the recipient."""
    subject: str = ""
    action: InboundAction
    forward_to: str = ""
    """Where ``forward`` sends it."""
    created_at: int
    created_by: str = ""
    group_id: int | None = None
    """What routes share that were added as one, with the same condition; null where a route stands alone."""
    priority: int = 0
    """Which place a group asked for among the others of its domain: lower ones come first."""
    description: str = ""
    expression: str = ""
    """The condition in the words of whoever added the group."""

    @property
    def group(self) -> int:
        """The id of the group, or of the route that stands alone."""
        return self.id if self.group_id is None else self.group_id


class RouteGroup(msgspec.Struct, frozen=True, kw_only=True):
    """Routes of one condition that are added, changed and removed as one."""

    mail_from: str = ""
    mail_to: str = ""
    subject: str = ""
    forward_to: tuple[str, ...] = ()
    is_stop: bool = False
    """No route behind is looked at."""
    priority: int = 0
    description: str = ""
    expression: str = ""

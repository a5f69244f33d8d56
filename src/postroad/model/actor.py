"""Who changes something, by what right: every administrative change is made by an actor and recorded with it."""

import enum

import msgspec

from postroad.model.user import Role


class ActorKind(enum.Enum):
    """By which way somebody acts."""

    USER = "user"
    """A person in the console."""
    COMMAND = "command"
    """Whoever may run commands on a node, and so may do everything."""
    API_KEY = "api_key"
    SYSTEM = "system"
    """Postroad by itself."""


class Actor(msgspec.Struct, frozen=True, kw_only=True):
    """Who acts now, and where."""

    kind: ActorKind
    id: int | None = None
    """Of the user or API key."""
    name: str
    """For people: an email address, an API key's prefix, the name of whoever runs the command."""
    client_address: str = ""
    account_id: int | None = None
    """The account acted in; null for the whole installation, which only operators and commands reach."""
    role: Role = Role.USER
    is_operator: bool = False

    @property
    def may_change(self) -> bool:
        """Whether the actor may change things in its account."""
        return self.is_operator or self.role is Role.ADMIN

    def sees(self, account_id: int | None) -> bool:
        """Whether something of an account, or of none, exists for this actor."""
        return self.is_operator and self.account_id is None if account_id is None else self._reaches(account_id)

    def _reaches(self, account_id: int) -> bool:
        return self.account_id == account_id or (self.is_operator and self.account_id is None)


SYSTEM = Actor(kind=ActorKind.SYSTEM, name="postroad", is_operator=True)


def stranger(client_address: str) -> Actor:
    """Return the actor of what anybody may have done: nobody was proven, only where it came from is known."""
    return Actor(kind=ActorKind.SYSTEM, name="nobody signed in", client_address=client_address)


def command_actor(name: str) -> Actor:
    """Return the actor of a command that ``name`` runs on a node."""
    return Actor(kind=ActorKind.COMMAND, name=name, is_operator=True)

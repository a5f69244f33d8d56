"""Groups: kinds of a sending domain's mail that a recipient leaves one by one."""

import msgspec

MOST = 200
"""Groups of one sending domain."""
MOST_TOLD = 1_000
"""Groups of several domains that are told at once."""
MOST_COUNTED = 10_000
"""Who left a group are counted up to this, as many groups are told at once."""
LONGEST_NAME = 30
LONGEST_DESCRIPTION = 100
_PREFIX = "group:"


class UnsubscribeGroup(msgspec.Struct, frozen=True, kw_only=True):
    """A kind of mail of a sending domain."""

    id: int
    """Never given to another one, as links in old mail name it."""
    account_id: int
    domain_id: int
    name: str
    """Compared without case within the domain; recipients read it."""
    description: str = ""
    is_default: bool = False
    """The client calls it so; it decides nothing."""
    created_at: int

    @property
    def tag(self) -> str:
        """The tag that entries of who left it are about."""
        return tag_of_group(self.id)


class MailGroup(msgspec.Struct, frozen=True, omit_defaults=True):
    """The group that a message is of, as it was when the message was accepted."""

    id: int
    name: str
    is_bypassed: bool = False
    """It goes to who left the group, too."""


def tag_of_group(group_id: int) -> str:
    """Return the tag that entries of who left a group are about."""
    return f"{_PREFIX}{group_id}"


def group_of_tag(tag: str) -> int | None:
    """Return the group that a tag stands for; None for every other tag."""
    digits = tag.removeprefix(_PREFIX)
    is_one = tag.startswith(_PREFIX) and digits.isascii() and digits.isdigit() and len(digits) < 19
    return int(digits) if is_one else None

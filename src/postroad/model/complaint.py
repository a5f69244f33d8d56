"""Complaints: a recipient does not want a message, and the mailbox provider passes that on."""

import enum

import msgspec


class FeedbackResult(enum.Enum):
    """What a feedback report came to."""

    COUNTED = "counted"
    REPEATED = "repeated"
    """It is known already: the recipient complained before, or the report came twice."""
    LEFT_ALONE = "left_alone"
    """It says something else than that a recipient complained."""
    UNREADABLE = "unreadable"
    """It is no feedback report."""
    UNMATCHED = "unmatched"
    """It brings back no identifier of ours."""
    FORGED = "forged"
    """It brings one back that this installation never signed."""
    UNKNOWN = "unknown"
    """It is about a message of ours that is no longer kept."""

    @property
    def is_failure(self) -> bool:
        """Whether somebody should look at it: a report that should have been counted was not."""
        return self in _FAILURES


_FAILURES = frozenset(
    {FeedbackResult.UNREADABLE, FeedbackResult.UNMATCHED, FeedbackResult.FORGED, FeedbackResult.UNKNOWN}
)


class Complaint(msgspec.Struct, frozen=True, kw_only=True):
    """What a report says about a message of ours, of which a signed identifier came back."""

    delivery_id: int | None
    """Where its return path came back; it goes before the message."""
    message_id: int | None
    recipients: tuple[str, ...]
    """Addresses of the recipient, where the report names any: they tell which delivery of a message it was."""
    feedback_type: str
    reporter: str
    """The software that wrote the report, by its own word."""
    report: str
    """Names the report, so that one that comes twice is known again."""

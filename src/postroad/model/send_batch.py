"""A batch: messages that a client holds or cancels together before they leave."""

import enum

import msgspec


class BatchStatus(enum.Enum):
    """What a client has asked for a batch."""

    PAUSE = "pause"
    CANCEL = "cancel"


class SendBatch(msgspec.Struct, frozen=True, kw_only=True):
    """The name that messages of a sending domain share."""

    id: str
    account_id: int
    domain_id: int
    status: BatchStatus | None = None
    created_at: int

"""Settings of what is kept, and for how long."""

from typing import Annotated

import msgspec


class RetentionSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How long finished mail and its history stay; counters stay for ever."""

    messages_days: Annotated[
        int,
        msgspec.Meta(ge=1, le=3650, description="Days message and delivery rows stay after the last delivery ended."),
    ] = 30
    audit_days: Annotated[int, msgspec.Meta(ge=1, le=36_500, description="Days entries of the audit log stay.")] = 400
    events_days: Annotated[int, msgspec.Meta(ge=1, le=3650, description="Days events stay.")] = 30
    slice_rows: Annotated[
        int, msgspec.Meta(ge=1, le=10_000, description="Rows deleted or folded in one transaction of upkeep.")
    ] = 500
    interval_s: Annotated[
        int, msgspec.Meta(ge=1, le=3600, description="Seconds between two rounds of upkeep when nothing is left over.")
    ] = 10
    worker_silence_s: Annotated[
        int,
        msgspec.Meta(
            ge=10, le=3600, description="Seconds without a sign of life after which a worker's deliveries are freed."
        ),
    ] = 60

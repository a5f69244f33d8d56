"""All operations of our own API that are served by their tables."""

from postroad.dialects.postroad import (
    api_keys,
    domains,
    events,
    message_search,
    message_states,
    smtp_users,
    statistics,
    suppressions,
    templates,
    webhooks,
)
from postroad.dialects.postroad.operation import Operation

OPERATIONS: tuple[Operation, ...] = (
    *message_search.OPERATIONS,
    *message_states.OPERATIONS,
    *events.OPERATIONS,
    *statistics.OPERATIONS,
    *domains.OPERATIONS,
    *suppressions.OPERATIONS,
    *templates.OPERATIONS,
    *webhooks.OPERATIONS,
    *smtp_users.OPERATIONS,
    *api_keys.OPERATIONS,
)

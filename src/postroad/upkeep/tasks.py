"""The work of upkeep, each kind in slices of one short transaction, so that accepting never waits for it."""

from collections.abc import Awaitable, Callable

import structlog

from postroad.model.ids import lowest_at
from postroad.storage import (
    audit,
    bodies,
    call_keys,
    client_faults,
    counters,
    dedupe,
    events,
    invitations,
    list_checks,
    messages,
    one_time_tokens,
    quotas,
    search_index,
    send_batches,
    site_limits,
    templates,
    web_sessions,
    webhook_calls,
    webhook_log,
    workers,
)
from postroad.storage.database import Database
from postroad.storage.search_index import Pass
from postroad.upkeep.settings import RetentionSettings

log = structlog.get_logger()

Task = Callable[[Database, int, RetentionSettings], Awaitable[int]]
"""Does one slice and returns how many rows it dealt with; as many as a slice holds means that more may be left."""

_DAY_MS = 86_400_000
_CLIENT_FAULT_DAYS = 7
_RECEIVER_DAYS = 7
_LIST_CHECK_DAYS = 30
_UNUSED_BATCH_DAYS = 60
_TEMPLATE_OUTLASTED_DAYS = 60
"""A message may be dated a month ahead, and is then tried for some days."""
# An id is made before its transaction commits. What is younger is looked at by searches themselves; what commits even
# later than that is found by the second pass.
_UNSETTLED_MS = 5_000
_SETTLED_MS = 600_000


async def delete_content(database: Database, now: int, settings: RetentionSettings) -> int:
    """Remove the content of messages whose deliveries have ended and whose domain keeps it no longer."""
    return await database.write(bodies.delete_due, now, settings.slice_rows)


async def delete_messages(database: Database, now: int, settings: RetentionSettings) -> int:
    """Remove message and delivery rows that late bounces and clicks need no longer."""
    before = now - settings.messages_days * _DAY_MS
    return await database.write(messages.delete_finished_before, before, settings.slice_rows)


async def delete_events(database: Database, now: int, settings: RetentionSettings) -> int:
    """Remove old events; what they counted stays in the counters."""
    before = now - settings.events_days * _DAY_MS
    return await database.write(events.delete_before, before, settings.slice_rows)


async def delete_webhook_attempts(database: Database, now: int, settings: RetentionSettings) -> int:
    """Remove what the log tells of webhook calls whose events are no longer kept."""
    before = now - settings.events_days * _DAY_MS
    return await database.write(webhook_log.delete_before, before, settings.slice_rows)


async def forget_receivers(database: Database, now: int, settings: RetentionSettings) -> int:
    """Forget how receivers of webhook calls did that were sent none for a week."""
    return await database.write(webhook_calls.forget_receivers, now - _RECEIVER_DAYS * _DAY_MS, settings.slice_rows)


async def fold_counters(database: Database, _now: int, settings: RetentionSettings) -> int:
    """Move counter deltas into the hourly and daily counters."""
    return await database.write(counters.fold, settings.slice_rows)


async def index_messages(database: Database, now: int, settings: RetentionSettings) -> int:
    """Let new messages be found by the index."""
    before = lowest_at(now - _UNSETTLED_MS)
    return await database.write(search_index.fill, Pass.FIRST, before, settings.slice_rows)


async def index_late_messages(database: Database, now: int, settings: RetentionSettings) -> int:
    """Look again at what has been indexed, for messages whose transaction took long."""
    before = lowest_at(now - _SETTLED_MS)
    return await database.write(search_index.fill, Pass.SECOND, before, settings.slice_rows)


async def forget_send_batches(database: Database, now: int, settings: RetentionSettings) -> int:
    """Forget batches whose messages were removed, or which never had any."""
    before = now - _UNUSED_BATCH_DAYS * _DAY_MS
    return await database.write(send_batches.delete_before, before, settings.slice_rows)


async def forget_site_limits(database: Database, now: int, _settings: RetentionSettings) -> int:
    """Forget what was learnt of sites that no mail went to for a day."""
    return await database.write(site_limits.delete_before, now - _DAY_MS)


async def forget_quota_usage(database: Database, now: int, settings: RetentionSettings) -> int:
    """Forget how much of limits was used in periods that have ended; the longest is a day."""
    return await database.write(quotas.delete_before, now - 2 * _DAY_MS, settings.slice_rows)


async def delete_audit_entries(database: Database, now: int, settings: RetentionSettings) -> int:
    """Remove old entries of the audit log."""
    return await database.write(audit.delete_before, now - settings.audit_days * _DAY_MS, settings.slice_rows)


async def forget_expired_sessions(database: Database, now: int, settings: RetentionSettings) -> int:
    """Remove sessions of the console that have expired."""
    return await database.write(web_sessions.delete_before, now, settings.slice_rows)


async def forget_expired_tokens(database: Database, now: int, settings: RetentionSettings) -> int:
    """Remove links and tickets that have expired."""
    return await database.write(one_time_tokens.delete_before, now, settings.slice_rows)


async def forget_expired_invitations(database: Database, now: int, settings: RetentionSettings) -> int:
    """Remove invitations that nobody took up in time."""
    return await database.write(invitations.delete_before, now, settings.slice_rows)


async def forget_removed_templates(database: Database, now: int, settings: RetentionSettings) -> int:
    """Remove the versions of removed templates when no message can wait any more that was accepted with them."""
    before = now - _TEMPLATE_OUTLASTED_DAYS * _DAY_MS
    return await database.write(templates.delete_removed_before, before, settings.slice_rows)


async def forget_dedupe_keys(database: Database, now: int, settings: RetentionSettings) -> int:
    """Remove what repeats were noticed by when their window is over."""
    return await database.write(dedupe.delete_before, now, settings.slice_rows)


async def forget_call_keys(database: Database, now: int, settings: RetentionSettings) -> int:
    """Remove what named calls were answered with when their window is over."""
    return await database.write(call_keys.delete_before, now, settings.slice_rows)


async def forget_client_faults(database: Database, now: int, settings: RetentionSettings) -> int:
    """Remove what clients did wrong and have not done again for a week."""
    return await database.write(client_faults.delete_before, now - _CLIENT_FAULT_DAYS * _DAY_MS, settings.slice_rows)


async def forget_list_checks(database: Database, now: int, settings: RetentionSettings) -> int:
    """Remove lists of addresses whose check was finished a month ago."""
    return await database.write(list_checks.delete_before, now - _LIST_CHECK_DAYS * _DAY_MS, settings.slice_rows)


async def free_dead_workers(database: Database, now: int, settings: RetentionSettings) -> int:
    """Give back what workers hold that show no sign of life; their own supervisor would have done so at once."""
    gone = await database.write(workers.expire, now - settings.worker_silence_s * 1000)
    if gone:
        log.warning("workers_expired", incarnations=list(gone))
    return len(gone)


TASKS: dict[str, Task] = {
    "free_dead_workers": free_dead_workers,
    "fold_counters": fold_counters,
    "index_messages": index_messages,
    "index_late_messages": index_late_messages,
    "delete_content": delete_content,
    "delete_messages": delete_messages,
    "delete_events": delete_events,
    "delete_webhook_attempts": delete_webhook_attempts,
    "forget_receivers": forget_receivers,
    "delete_audit_entries": delete_audit_entries,
    "forget_expired_sessions": forget_expired_sessions,
    "forget_expired_tokens": forget_expired_tokens,
    "forget_expired_invitations": forget_expired_invitations,
    "forget_site_limits": forget_site_limits,
    "forget_quota_usage": forget_quota_usage,
    "forget_dedupe_keys": forget_dedupe_keys,
    "forget_call_keys": forget_call_keys,
    "forget_send_batches": forget_send_batches,
    "forget_client_faults": forget_client_faults,
    "forget_removed_templates": forget_removed_templates,
    "forget_list_checks": forget_list_checks,
}
"""Every task by the name it is counted under, the most urgent first."""

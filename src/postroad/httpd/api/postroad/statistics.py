"""``/api/postroad/v1/statistics``: what happened, counted."""

from postroad.dialects.postroad.paging import QueryRefusedError
from postroad.dialects.postroad.statistics import (
    SHOW_STATISTICS,
    ShownStatistics,
    StatisticsQuery,
    StatisticsStep,
    shown,
)
from postroad.events.time_spans import Span
from postroad.httpd.api.postroad.calls import Call, served
from postroad.model.refused import MissingError, RefusedError
from postroad.storage.counters import Period

_PERIODS = {StatisticsStep.HOUR: Period.HOUR, StatisticsStep.DAY: Period.DAY}


async def show(call: Call[StatisticsQuery, None]) -> ShownStatistics:
    """Count by hour or day."""
    query, managing = call.query, call.managing
    since, until = query.span(managing.services.clock())
    try:
        targets = await managing.domains(query.domain)
    except MissingError:
        raise
    except RefusedError as error:
        raise QueryRefusedError(str(error), field="domain") from error
    found = await call.management.statistics.over_time(
        managing.actor, _PERIODS[query.by], Span(since, until), targets=targets, tag=query.tag
    )
    return shown(query.by, since, until, {one.begins_at: one.by_type for one in found})


SERVED = (served(SHOW_STATISTICS, show),)

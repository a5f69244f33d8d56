"""Reports that come back to a return path: from mail to the end of a delivery that bounced after all."""

import asyncio
import hashlib
from typing import Protocol

import structlog

from postroad.feedback.complaints import Complaints
from postroad.model.ids import text_of
from postroad.model.returned import Returned, ReturnedStatus, ReturnResult
from postroad.net.clock import Clock
from postroad.protocol.dsn_reader import RFC_3464, AutoReply, DeliveryReport, RecipientStatus, read_delivery_report
from postroad.storage import returns
from postroad.storage.database import Database
from postroad.storage.deliveries import NewId

log = structlog.get_logger()

_LARGEST_INLINE = 65_536
"""Larger mail is read in a thread, so that other sessions go on meanwhile."""
_ARF_MARK = b"feedback-report"
_ARF_LOOKED_AT = 65_536


class ReturnMeter(Protocol):
    """Hears of what no event tells."""

    def returned(self, result: str) -> None:
        """Count one piece of mail that came back, by what it came to."""


class Returns:
    """Takes what comes to the return paths of deliveries; the same as often as it likes, from strangers as well."""

    def __init__(self, database: Database, complaints: Complaints, clock: Clock, new_id: NewId) -> None:
        self._database = database
        self._complaints = complaints
        self._clock = clock
        self._new_id = new_id

    async def receive(self, delivery_id: int, content: bytes, client_address: str) -> ReturnResult:
        """Do what a report asks for; it is stored and synced by then. Raises StorageError."""
        report = await read(content)
        is_for_programs = isinstance(report, DeliveryReport) and report.shape == RFC_3464
        # Some providers send complaints to the return path, as they know no other address.
        if not is_for_programs and _ARF_MARK in content[:_ARF_LOOKED_AT].lower():
            await self._complaints.receive(content)
            return ReturnResult.COMPLAINT
        if isinstance(report, AutoReply):
            return ReturnResult.AUTO_REPLY
        if report is None:
            return ReturnResult.UNREADABLE
        returned = _returned(delivery_id, report, content, client_address)
        recorded = await self._database.write(returns.record, returned, at=self._clock(), new_id=self._new_id)
        log.info("report_returned", result=recorded.result.value, delivery=text_of(delivery_id), shape=report.shape)
        return recorded.result


async def read(content: bytes) -> DeliveryReport | AutoReply | None:
    """Read a report, a large one in a thread."""
    if len(content) <= _LARGEST_INLINE:
        return read_delivery_report(content)
    return await asyncio.to_thread(read_delivery_report, content)


def _returned(delivery_id: int, report: DeliveryReport, content: bytes, client_address: str) -> Returned:
    return Returned(
        delivery_id=delivery_id,
        statuses=tuple(_status(one) for one in report.recipients),
        shape=report.shape,
        report=hashlib.sha256(report.report_id.encode() or content).hexdigest()[:32],
        client_address=client_address,
    )


def _status(status: RecipientStatus) -> ReturnedStatus:
    return ReturnedStatus(
        action=status.action,
        status=status.status,
        code=status.code,
        addresses=tuple(one for one in (status.final_recipient, status.original_recipient) if one),
        diagnosis=status.diagnosis,
        host=status.remote_host,
    )

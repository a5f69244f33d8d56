"""From the ready set to sessions: batches get their content, their route and an agent, and every attempt its outcome."""

import asyncio
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from functools import partial
from typing import Protocol

import msgspec
import structlog

from postroad.delivery import test_mode
from postroad.delivery.content_budget import ContentBudget
from postroad.delivery.contents import Impossible, Made, Origin, Outgoing, Unfit
from postroad.delivery.intake import Intake
from postroad.delivery.parts import Parts
from postroad.delivery.sites import Reception, Sites
from postroad.delivery.terms import longest_transfer_s
from postroad.delivery.test_mode import TEST_LOT
from postroad.delivery.transmission import Transmission
from postroad.model.attempt import Attempt
from postroad.model.delivery import Delivery
from postroad.model.message import Message
from postroad.model.options import TlsDemand
from postroad.model.outcome import AttemptFacts, BounceClass, Bounced, Deferred, Phase, Scope
from postroad.model.route import Route
from postroad.policy.failure import judge
from postroad.policy.routing import NoRoute
from postroad.policy.settlement import unattempted
from postroad.policy.tls_demand import strengthened, unmet
from postroad.queue.scheduler import Batch
from postroad.rendering.pipeline import Rendered
from postroad.rendering.return_path import make_return_path
from postroad.storage.errors import StorageError

log = structlog.get_logger()

_LONGEST_WAIT_S = 1.0
_AFTER_STORAGE_ERROR_MS = 5_000


class DeliveryAgent(Protocol):
    """Works one batch over one route; ``delivery.agent`` does."""

    async def run(self, route: Route, batch: Sequence[Transmission], on_attempt: Callable[[Attempt], None]) -> None:
        """Try to deliver a batch, reporting each transmission once."""

    async def close(self) -> None:
        """Close the kept connections, with QUIT."""


class Dispatcher:
    """Gives ready deliveries to sessions."""

    def __init__(
        self, parts: Parts, intake: Intake, sites: Sites, agent: DeliveryAgent, return_path_key: bytes
    ) -> None:
        self._database = parts.database
        self._scheduler = parts.scheduler
        self._router = parts.router
        self._contents = parts.contents
        self._settler = parts.settler
        self._writer = parts.writer
        self._ledger = parts.ledger
        self._givens = parts.givens
        self._meter = parts.meter
        self._budget = ContentBudget(parts.settings.queue.content_bytes)
        self._transfer_ms = longest_transfer_s(parts.settings.timeouts) * 1000
        self._intake = intake
        self._sites = sites
        self._agent = agent
        self._return_path_key = return_path_key
        self._working: set[asyncio.Task[None]] = set()
        self._is_stopping = False

    async def keep_dispatching(self, group: asyncio.TaskGroup) -> None:
        """Begin sessions whenever the scheduler allows it, until cancelled."""
        while True:
            now = self._givens.clock()
            while not self._is_stopping and not self._writer.is_behind:
                batch = self._scheduler.next_batch(now)
                if batch is None:
                    break
                task = group.create_task(self._work(batch))
                self._working.add(task)
                task.add_done_callback(self._working.discard)
            self._meter.ready(len(self._scheduler))
            await self._wait(now)

    async def stop(self, within_s: float) -> None:
        """Begin nothing more, and end what is under way within the time given."""
        self._is_stopping = True
        if self._working:
            await asyncio.wait(self._working, timeout=within_s)
        for task in self._working:
            task.cancel()
        if self._working:
            await asyncio.wait(self._working)

    async def _wait(self, now: int) -> None:
        resume_at = self._scheduler.next_resume_at()
        wait_s = _LONGEST_WAIT_S if resume_at is None else min(max((resume_at - now) / 1000, 0.001), _LONGEST_WAIT_S)
        try:
            async with asyncio.timeout(wait_s):
                await self._intake.ready.wait()
        except TimeoutError:
            return
        self._intake.ready.clear()

    async def _work(self, batch: Batch) -> None:
        work = _Work(batch)
        try:
            await self._transmit(work)
        except StorageError as error:
            # Nothing was sent of what is left: its messages could not be read.
            log.warning("reading_messages_failed", deliveries=len(work.open), error=str(error))
            self._ledger.give_back(list(work.open), self._givens.clock() + _AFTER_STORAGE_ERROR_MS)
        except asyncio.CancelledError:
            self._settle_broken_off(work, "the worker stopped before the attempt had ended")
            raise
        except Exception:
            log.exception("batch_failed", site=batch.key.site, deliveries=len(work.open))
            self._settle_broken_off(work, "an internal error broke off the attempt")
        finally:
            self._scheduler.ended(batch.key, self._givens.clock())
            self._intake.ready.set()
            if self._intake.has_more_due and self._intake.is_low:
                self._intake.wake()

    async def _transmit(self, work: "_Work") -> None:
        is_test = work.batch.key == TEST_LOT
        route = None if is_test else self._router.route(self._intake.courses[work.batch.key])
        if isinstance(route, NoRoute):
            # The rules have changed since the deliveries were queued.
            self._intake.set_aside(work.take_all(), route)
            return
        self._keep_safely_leased(work)
        found = await self._contents.messages(delivery.message_id for delivery in work.open.values())
        for delivery in [one for one in work.open.values() if one.message_id not in found]:
            self._settle_gone(work, delivery, None)
        reception = self._sites.reception(work.batch.key)
        own = await self._contents.personal(work.open.values(), found)
        for part in _parts(list(work.open.values()), found, own, self._budget.limit // 4):
            octets = await self._budget.take(sum(_octets_by_content(part, found, own).values()))
            try:
                outgoing = await self._contents.outgoing(part, found)
                transmissions = [
                    transmission
                    for one in part
                    if (transmission := self._prepare(work, one, outgoing.get(one.id), found)) is not None
                ]
                if route is None:
                    await self._keep(work, transmissions)
                else:
                    await self._send(work, route, transmissions, reception)
            finally:
                self._budget.give_back(octets)
        reception.close()

    async def _send(
        self, work: "_Work", route: Route, transmissions: Sequence[Transmission], reception: Reception
    ) -> None:
        """Give transmissions to the agent, those of a stricter demand in a run of their own."""
        runs: dict[TlsDemand | None, list[Transmission]] = {}
        for one in transmissions:
            runs.setdefault(work.open[one.delivery_id].options.tls, []).append(one)
        for demand, run in runs.items():
            demanded = strengthened(route, demand)
            on_attempt = partial(self._on_attempt, work, reception, None if demanded is route else demanded)
            work.is_under_way = True
            await self._agent.run(demanded, run, on_attempt)
            work.is_under_way = False

    async def _keep(self, work: "_Work", transmissions: Sequence[Transmission]) -> None:
        """Do the last step of deliveries in test mode: keep what would leave."""
        if not transmissions:
            return
        made = [(work.open[one.delivery_id].message_id, one) for one in transmissions]
        await test_mode.keep(self._database, made)
        for one in transmissions:
            outgoing = work.outgoing.pop(one.delivery_id)
            outcome = test_mode.outcome(self._givens.clock())
            outcome = msgspec.structs.replace(outcome, facts=_as_rendered(outcome.facts, outgoing.rendered))
            self._settler.settle(work.take(one.delivery_id), outcome, outgoing.origin, None)

    def _keep_safely_leased(self, work: "_Work") -> None:
        """Leave out what another worker may hold before a transfer would be over."""
        now = self._givens.clock()
        for delivery_id, delivery in list(work.open.items()):
            if not self._ledger.holds(delivery):
                del work.open[delivery_id]
            elif self._ledger.left_ms(delivery_id, now) < self._transfer_ms:
                del work.open[delivery_id]
                self._ledger.give_back([delivery_id], None)

    def _prepare(
        self, work: "_Work", delivery: Delivery, outgoing: Made | None, found: Mapping[int, Message]
    ) -> Transmission | None:
        match outgoing:
            case Outgoing():
                work.outgoing[delivery.id] = outgoing
                return self._transmission(delivery, outgoing)
            case Unfit(text=text):
                log.warning("message_unfit", message=delivery.message_id, reason=text)
                facts = unattempted(Phase.QUEUE, text, "4.3.5", self._givens.clock(), site=work.batch.key.site)
                self._settler.settle(work.take(delivery.id), Deferred(facts, Scope.MESSAGE), None, None)
            case Impossible(text=text, origin=origin):
                # RFC 3463 §3.7: X.6.0 is something about the content that is the trouble.
                facts = unattempted(Phase.QUEUE, text, "5.6.0", self._givens.clock(), site=work.batch.key.site)
                bounced = Bounced(facts, Scope.MESSAGE, BounceClass.CONTENT)
                self._settler.settle(work.take(delivery.id), bounced, origin, None)
            case None:
                self._settle_gone(work, delivery, found[delivery.message_id])
        return None

    def _transmission(self, delivery: Delivery, outgoing: Outgoing) -> Transmission:
        message = outgoing.message
        reverse_path = ""
        if not message.is_report and message.reverse_path:
            reverse_path = make_return_path(delivery.id, outgoing.origin.return_path_host, self._return_path_key)
        return Transmission(
            delivery_id=delivery.id,
            reverse_path=reverse_path,
            recipient=delivery.recipient,
            content=outgoing.rendered.content,
            is_eight_bit=message.is_eight_bit,
            is_utf8=message.is_utf8,
            ret=message.ret,
            envid=message.envid,
            notify=delivery.notify,
            original_recipient=delivery.original_recipient,
        )

    def _on_attempt(self, work: "_Work", reception: Reception, demanded: Route | None, attempt: Attempt) -> None:
        delivery = work.take(attempt.delivery_id)
        outgoing = work.outgoing.pop(attempt.delivery_id)
        if outgoing.rendered.selectors or outgoing.rendered.missing_variables:
            attempt = msgspec.structs.replace(attempt, facts=_as_rendered(attempt.facts, outgoing.rendered))
        outcome = (unmet(attempt, demanded) if demanded is not None else None) or judge(attempt)
        reception.note(outcome)
        self._settler.settle(delivery, outcome, outgoing.origin, outgoing.rendered.content)

    def _settle_gone(self, work: "_Work", delivery: Delivery, message: Message | None) -> None:
        log.error("content_gone", message=delivery.message_id, delivery=delivery.id, is_message_gone=message is None)
        # RFC 3463 §3.4: X.3.0 is a mail system status without more detail.
        facts = unattempted(
            Phase.QUEUE, "the content of the message is no longer stored", "5.3.0", self._givens.clock()
        )
        self._settler.settle(work.take(delivery.id), Bounced(facts, Scope.MESSAGE, BounceClass.OTHER), None, None)

    def _settle_broken_off(self, work: "_Work", text: str) -> None:
        now = self._givens.clock()
        for delivery in work.take_all():
            facts = AttemptFacts(
                phase=Phase.QUEUE,
                egress_source=work.batch.key.source,
                site=work.batch.key.site,
                enhanced_status="4.3.0",
                text=text,
                started_at=now,
                duration_ms=0,
            )
            outcome = Deferred(facts, Scope.SESSION, maybe_delivered=work.is_under_way)
            self._settler.settle(delivery, outcome, self._origin_of(work, delivery), None)

    def _origin_of(self, work: "_Work", delivery: Delivery) -> Origin | None:
        outgoing = work.outgoing.get(delivery.id)
        return outgoing.origin if outgoing is not None else None


class _Work:
    """One batch on its way: what has no outcome yet."""

    def __init__(self, batch: Batch) -> None:
        self.batch = batch
        self.open = {delivery.id: delivery for delivery in batch.deliveries}
        self.outgoing: dict[int, Outgoing] = {}
        self.is_under_way = False

    def take(self, delivery_id: int) -> Delivery:
        """Take out the one delivery whose outcome is known now."""
        return self.open.pop(delivery_id)

    def take_all(self) -> list[Delivery]:
        """Take out everything that has no outcome."""
        deliveries = list(self.open.values())
        self.open.clear()
        return deliveries


def _parts(
    deliveries: Sequence[Delivery], found: Mapping[int, Message], own: Container[int], octets: int
) -> Iterator[list[Delivery]]:
    """Cut a batch into parts whose messages together are no larger than ``octets``, or are a single one."""
    part: list[Delivery] = []
    held: set[int] = set()
    size = 0
    for delivery in deliveries:
        content = _content_id(delivery, own)
        more = 0 if content in held else found[delivery.message_id].size
        if part and size + more > octets:
            yield part
            part, held, size, more = [], set(), 0, found[delivery.message_id].size
        part.append(delivery)
        held.add(content)
        size += more
    if part:
        yield part


def _octets_by_content(part: Sequence[Delivery], found: Mapping[int, Message], own: Container[int]) -> dict[int, int]:
    return {_content_id(one, own): found[one.message_id].size for one in part}


def _content_id(delivery: Delivery, own: Container[int]) -> int:
    """Return what names the bytes of a delivery: the delivery itself, or the message that it shares them with."""
    return delivery.id if delivery.id in own else delivery.message_id


def _as_rendered(facts: AttemptFacts, rendered: Rendered) -> AttemptFacts:
    return msgspec.structs.replace(facts, selectors=rendered.selectors, missing_variables=rendered.missing_variables)

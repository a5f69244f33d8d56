"""How deliveries come into the ready set: claimed from the table or handed over by the accept, routed, and queued.

Whatever cannot wait in memory goes back to the table with a time at which it may be claimed again, so that one full
or paused site leaves room for the others.
"""

import asyncio
import contextlib
from collections import defaultdict, deque
from collections.abc import Collection, Iterable, Sequence

import msgspec
import structlog

from postroad.delivery.contents import Origin
from postroad.delivery.parts import Parts
from postroad.delivery.router import Course
from postroad.delivery.test_mode import TEST_LOT
from postroad.model.delivery import Delivery
from postroad.model.outcome import BounceClass, Bounced, Deferred, Phase, Scope
from postroad.policy.routing import Fate, NoRoute
from postroad.policy.settlement import unattempted
from postroad.queue.scheduler import LotKey, Refusal
from postroad.storage.database import Claim
from postroad.storage.errors import StorageError
from postroad.storage.outage import Outage

log = structlog.get_logger()

_LOOKUPS_AT_ONCE = 200
_GATHER_S = 0.005
"""How long a hint is left to be followed by others before it makes a claim."""
_WHILE_FULL_MS = 10_000
_WHILE_OTHERS_OWN_MS = 2_000
_SPREAD_MS = 5_000
_CLAIM_WHILE_FULL = 50


class _Unroutable(msgspec.Struct, frozen=True):
    """A delivery that ends, or waits, without a session."""

    delivery: Delivery
    no_route: NoRoute
    phase: Phase


class Intake:
    """Fills the ready set of one worker."""

    def __init__(self, parts: Parts) -> None:
        self.courses: dict[LotKey, Course] = {}
        self.ready = asyncio.Event()
        """Set when the ready set or what bounds it has changed."""
        self._database = parts.database
        self._ledger = parts.ledger
        self._router = parts.router
        self._scheduler = parts.scheduler
        self._contents = parts.contents
        self._settler = parts.settler
        self._givens = parts.givens
        self._settings = parts.settings.queue
        self.has_more_due = False
        """The last claim left something that is due in the table."""
        self._is_crowded = False
        self._is_stopping = False
        self._outage = Outage("claim_failed")
        self._hint = asyncio.Event()
        self._looking_up: defaultdict[tuple[str, str], list[Delivery]] = defaultdict(list)
        self._lookups: set[asyncio.Task[None]] = set()
        self._claiming = asyncio.Lock()
        self._lookup_slots = asyncio.Semaphore(_LOOKUPS_AT_ONCE)
        self._group: asyncio.TaskGroup | None = None
        self._unroutable: deque[_Unroutable] = deque()
        self._something_unroutable = asyncio.Event()

    @property
    def room(self) -> int:
        """How many more deliveries this worker may lease."""
        return self._settings.ready - len(self._ledger)

    @property
    def is_low(self) -> bool:
        """Whether the ready set could do with another claim."""
        return len(self._scheduler) < self._settings.claim

    def wake(self) -> None:
        """Look for due deliveries soon."""
        self._hint.set()

    def is_open(self, delivery: Delivery) -> bool:
        """Whether a delivery would find its site known, open and with room."""
        if delivery.pool not in self._router.pools:
            return False
        now = self._givens.clock()
        if delivery.options.is_test:
            return self._scheduler.refusal(TEST_LOT, now) is None
        course = self._router.known(delivery, now)
        return isinstance(course, Course) and self._scheduler.refusal(course.key, now) is None

    def stop(self) -> None:
        """Take nothing more in, and give back what waits for DNS."""
        self._is_stopping = True
        for lookup in self._lookups:
            lookup.cancel()
        for deliveries in self._looking_up.values():
            self._ledger.give_back([delivery.id for delivery in deliveries], None)
        self._looking_up.clear()

    async def finish(self) -> None:
        """After :meth:`stop`: wait for a claim under way, whose find goes back, and record what has no route."""
        async with self._claiming:
            pass
        await self.settle_unroutable()

    def forget_courses(self, but: Collection[LotKey]) -> None:
        """Forget where lots go that the scheduler has forgotten."""
        self.courses = {key: course for key, course in self.courses.items() if key in but}

    async def keep_claiming(self, group: asyncio.TaskGroup) -> None:
        """Claim what is due whenever there is room, until cancelled."""
        self._group = group
        while True:
            async with self._claiming:
                is_more_due = await self._claim()
            if not is_more_due:
                await self._wait_for_hint()

    async def keep_settling_unroutable(self) -> None:
        """Record what has no route, until cancelled."""
        while True:
            await self._something_unroutable.wait()
            self._something_unroutable.clear()
            await self.settle_unroutable()

    def admit(self, deliveries: Iterable[Delivery]) -> int:
        """Route and queue leased deliveries; returns how many found their place or are on their way to it."""
        now = self._givens.clock()
        return sum(self._admit(delivery, now) for delivery in deliveries)

    def set_aside(self, deliveries: Iterable[Delivery], no_route: NoRoute) -> None:
        """Have deliveries recorded as what has no route."""
        for delivery in deliveries:
            self._set_aside(_Unroutable(delivery, no_route, Phase.DNS))

    def send_back(self, deliveries: Iterable[Delivery], until: int) -> None:
        """Give deliveries of a paused site back to the table; those whose time is over end here."""
        now = self._givens.clock()
        waiting = []
        for delivery in deliveries:
            if delivery.expires_at <= now:
                text = delivery.last_reply or "the site took no connection"
                no_route = NoRoute(Fate.DEFERRED, "4.4.1", text, BounceClass.ROUTING)
                self._set_aside(_Unroutable(delivery, no_route, Phase.QUEUE))
            else:
                waiting.append(delivery.id)
        if waiting:
            # A little apart, so that not all of them are due at the same instant when the pause ends.
            self._ledger.give_back(waiting, until + round(self._givens.jitter() * _SPREAD_MS))

    def _set_aside(self, item: "_Unroutable") -> None:
        self._unroutable.append(item)
        self._something_unroutable.set()

    async def _claim(self) -> bool:
        """Claim once; returns whether another claim should follow at once."""
        limit = min(self._settings.claim, self.room)
        if self._is_crowded and not self.is_low:
            limit = min(limit, _CLAIM_WHILE_FULL)
        if limit <= 0 or self._is_stopping:
            return False
        now = self._givens.clock()
        if self._ledger.is_overdue(now):
            # A claim frees what has run out. After a jump of the clock that would be our own leases, all at once.
            await self._ledger.renew()
        claim = Claim(
            pools=tuple(self._router.pools),
            owner=self._ledger.owner,
            now=now,
            lease_until=self._ledger.new_end(now),
            limit=limit,
            per_lane=self._settings.claim_per_lane,
        )
        try:
            deliveries = await self._database.claim(claim)
        except StorageError as error:
            self._outage.failed(error)
            return False
        self._outage.passed()
        self._ledger.take(deliveries)
        if self._is_stopping:
            self._ledger.give_back([delivery.id for delivery in deliveries], None)
            return False
        self._is_crowded = False
        admitted = self.admit(deliveries)
        self.has_more_due = len(deliveries) == limit
        return self.has_more_due and admitted > 0 and not self._is_crowded

    async def _wait_for_hint(self) -> None:
        try:
            async with asyncio.timeout(self._settings.poll_ms / 1000):
                await self._hint.wait()
        except TimeoutError:
            return
        await asyncio.sleep(_GATHER_S)
        self._hint.clear()

    def _admit(self, delivery: Delivery, now: int) -> bool:
        if delivery.barrier is not None:
            self._settler.suppress(delivery, delivery.barrier)
            return True
        if delivery.pool not in self._router.pools:
            # The pools of this node were changed since the claim.
            self._ledger.give_back([delivery.id], None)
            return False
        if delivery.options.is_test:
            return self._queue(delivery, TEST_LOT, now)
        course = self._router.known(delivery, now)
        if course is None:
            self._look_up(delivery)
            return True
        return self._enqueue(delivery, course, now)

    def _enqueue(self, delivery: Delivery, course: Course | NoRoute, now: int) -> bool:
        if isinstance(course, NoRoute):
            self.set_aside([delivery], course)
            return True
        is_queued = self._queue(delivery, course.key, now)
        if is_queued:
            self.courses[course.key] = course
        return is_queued

    def _queue(self, delivery: Delivery, key: LotKey, now: int) -> bool:
        refusal = self._scheduler.add(key, delivery, now)
        match refusal:
            case None:
                self.ready.set()
                return True
            case Refusal.SITE_PAUSED:
                self.send_back([delivery], self._scheduler.paused_until(key) or now)
            case Refusal.NO_SHARE:
                self._ledger.give_back([delivery.id], now + _WHILE_OTHERS_OWN_MS)
            case Refusal.LOT_FULL | Refusal.READY_SET_FULL:
                self._is_crowded = True
                self._ledger.give_back([delivery.id], now + _WHILE_FULL_MS)
            case Refusal.READY_ALREADY:
                # The copy that waits has lost its lease and will not be sent.
                self._ledger.give_back([delivery.id], now + _WHILE_FULL_MS)
        return False

    def _look_up(self, delivery: Delivery) -> None:
        waiting = self._looking_up[delivery.pool, delivery.destination]
        waiting.append(delivery)
        if len(waiting) == 1 and self._group is not None:
            lookup = self._group.create_task(self._find(delivery))
            self._lookups.add(lookup)
            lookup.add_done_callback(self._lookups.discard)

    async def _find(self, first: Delivery) -> None:
        async with self._lookup_slots:
            await self._course_of(first)
        for delivery in self._looking_up.pop((first.pool, first.destination)):
            # Another delivery of the destination may leave from another source: each asks, DNS has answered.
            self._enqueue(delivery, await self._course_of(delivery), self._givens.clock())

    async def _course_of(self, delivery: Delivery) -> Course | NoRoute:
        """Return where a delivery goes; a fault of ours defers that one delivery and leaves the worker to the others."""
        try:
            return self._router.known(delivery, self._givens.clock()) or await self._router.find(delivery)
        except Exception:
            log.exception("routing_failed", delivery=delivery.id, destination=delivery.destination)
            # RFC 3463 §3.4: X.3.0 is a mail system status without more detail.
            return NoRoute(
                Fate.DEFERRED, "4.3.0", "an internal error kept the route from being found", BounceClass.OTHER
            )

    async def settle_unroutable(self) -> None:
        """Record what has no route so far."""
        items, self._unroutable = self._unroutable, deque()
        try:
            origins = await self._origins([item.delivery for item in items])
            while items:
                await self._settle_unroutable(items[0], origins.get(items[0].delivery.message_id))
                items.popleft()
        except StorageError as error:
            log.warning("reading_messages_failed", deliveries=len(items), error=str(error))
            self._ledger.give_back([item.delivery.id for item in items], self._givens.clock() + _WHILE_FULL_MS)

    async def _origins(self, deliveries: Sequence[Delivery]) -> dict[int, Origin]:
        found = await self._contents.messages(delivery.message_id for delivery in deliveries)
        origins: dict[int, Origin] = {}
        for message_id, message in found.items():
            # A domain that is gone has nobody to tell; its deliveries end all the same.
            with contextlib.suppress(LookupError):
                origins[message_id] = await self._contents.origin(message)
        return origins

    async def _settle_unroutable(self, item: "_Unroutable", origin: Origin | None) -> None:
        delivery, no_route = item.delivery, item.no_route
        if no_route.is_loop and origin is not None and origin.message.is_report:
            self._settler.cancel(delivery, no_route.text)
            return
        now = self._givens.clock()
        facts = unattempted(item.phase, no_route.text, no_route.enhanced_status, now)
        if no_route.fate is Fate.DEFERRED and now < delivery.expires_at:
            self._settler.settle(delivery, Deferred(facts, Scope.SITE, no_route.bounce_class), origin, None)
            return
        content = await self._contents.stored(origin.message) if origin is not None else None
        if no_route.fate is Fate.BOUNCED:
            outcome: Bounced | Deferred = Bounced(facts, Scope.SITE, no_route.bounce_class)
        else:
            outcome = Deferred(facts, Scope.SITE, no_route.bounce_class)
        self._settler.settle(delivery, outcome, origin, content)

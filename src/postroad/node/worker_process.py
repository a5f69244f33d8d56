"""One worker slot as the supervisor sees it: start the process, listen to it, start it again when it dies."""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress

import msgspec
import structlog

from postroad.config import Settings
from postroad.node.channel import Beat, Channel, Plan, Ready, Reload, Why, WhyAsked

log = structlog.get_logger()

_FIRST_PAUSE_S = 0.2
_LONGEST_PAUSE_S = 30.0
_STEADY_AFTER_S = 60.0
"""A worker that lived this long is started again at once."""
_SILENT_AFTER_S = 15.0
_SUCCESSOR_S = 90.0
"""Longer than a worker's graceful end and its successor's start together."""


class WorkerProcess:
    """Keeps one worker running until told to stop."""

    def __init__(self, plan: Plan, on_death: Callable[[int, int], Awaitable[None]]) -> None:
        self._plan = plan
        self._plan_given = plan
        """The one that the process works by, which another may have replaced since."""
        self._on_death = on_death
        """Called with process id and incarnation of a worker that ended, so that its leases are freed at once."""
        self._process: asyncio.subprocess.Process | None = None
        self._channel: Channel | None = None
        self._ready: Ready | None = None
        self._beat_at = 0.0
        self.served = asyncio.Event()
        """Set while the worker's last word on the matter is that it serves by the newest plan."""
        self._stopping = asyncio.Event()
        self._is_to_go_on = asyncio.Event()
        """Ends the pause after a death: there is something new to try, or nothing more."""
        self._answers: dict[int, asyncio.Future[str | None]] = {}

    @property
    def pid(self) -> int | None:
        """The process that serves this slot now."""
        return self._process.pid if self._process else None

    @property
    def number(self) -> int | None:
        """The worker number it has leased; null until it serves."""
        return self._ready.number if self._ready else None

    @property
    def is_serving(self) -> bool:
        """Whether it has said that it serves, and its event loop still turns."""
        return self._ready is not None and asyncio.get_running_loop().time() - self._beat_at < _SILENT_AFTER_S

    async def run(self) -> None:
        """Start the process, and start it again whenever it ends, until ``stop``."""
        pause_s = _FIRST_PAUSE_S
        loop = asyncio.get_running_loop()
        while not self._stopping.is_set():
            self._is_to_go_on.clear()
            began = loop.time()
            code = await self._live_once()
            if code == 0:  # it ended to make room for a successor with other settings
                continue
            if loop.time() - began > _STEADY_AFTER_S:
                pause_s = _FIRST_PAUSE_S
            if not self._stopping.is_set():
                log.warning("worker_died", slot=self._plan.slot, exit_code=code, again_in_s=pause_s)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._is_to_go_on.wait(), pause_s)
            pause_s = _FIRST_PAUSE_S if self._is_to_go_on.is_set() else min(pause_s * 2, _LONGEST_PAUSE_S)

    async def _live_once(self) -> int | None:
        """Start the process and stay with it to its end; returns its exit code, or None where it cannot be started."""
        ours, theirs = socket.socketpair()
        try:
            process = self._process = await self._start(theirs)
        except OSError as error:
            ours.close()
            log.warning("worker_not_started", slot=self._plan.slot, error=str(error))
            return None
        finally:
            theirs.close()
        if self._stopping.is_set():
            # ``stop`` came while there was no process to be told.
            self._signal(signal.SIGTERM)
        self._channel = await Channel.over(ours)
        self._plan_given = self._plan
        self._channel.say(self._plan_given)
        await self._listen(self._channel)
        code = await process.wait()
        ready, self._ready, self._process = self._ready, None, None
        self._channel.close()
        self._forget_questions()
        if ready is not None:
            await self._on_death(process.pid, ready.incarnation)
        return code

    async def _start(self, pair_end: socket.socket) -> asyncio.subprocess.Process:
        inherited = [descriptor for door in self._plan.sockets.values() for descriptor in door]
        return await asyncio.create_subprocess_exec(
            sys.executable,
            # Not from the folder that the node happens to be started in, where a dns.py may lie about.
            "-P",
            "-m",
            "postroad.node.worker",
            str(pair_end.fileno()),
            pass_fds=(pair_end.fileno(), *inherited),
            # A terminal's Ctrl-C reaches the supervisor alone, which stops its workers in order.
            start_new_session=True,
        )

    async def _listen(self, channel: Channel) -> None:
        async for word in channel.words():
            match word:
                case Ready():
                    self._ready = word
                    if self._plan_given is self._plan:
                        self.served.set()
                    self._beat_at = asyncio.get_running_loop().time()
                case Beat():
                    self._beat_at = asyncio.get_running_loop().time()
                case Why():
                    asked = self._answers.pop(word.delivery_id, None)
                    if asked is not None and not asked.done():
                        asked.set_result(word.reason)

    async def why(self, delivery_id: int) -> str | None:
        """Ask the worker which limit a delivery waits for; None where it does not hold it or does not answer."""
        if self._channel is None or not self.is_serving:
            return None
        asked = self._answers.setdefault(delivery_id, asyncio.get_running_loop().create_future())
        self._channel.say(WhyAsked(delivery_id))
        try:
            return await asyncio.wait_for(asyncio.shield(asked), 2.0)
        except TimeoutError:
            self._answers.pop(delivery_id, None)
            return None

    def _forget_questions(self) -> None:
        for asked in self._answers.values():
            if not asked.done():
                asked.set_result(None)
        self._answers.clear()

    def reload(self) -> None:
        """Have the worker read its certificates anew, or start now where it waits to be."""
        if self._channel is not None:
            self._channel.say(Reload())
        if self._process is None:
            self._is_to_go_on.set()

    async def go_over_to(self, settings: Settings) -> None:
        """Have the worker end gracefully where its settings are others, and wait until it serves with these.

        However long that takes: the next worker must not go down as this one did. What knows better cancels it.
        """
        if settings != self._plan.settings:
            self._plan = msgspec.structs.replace(self._plan, settings=settings)
            self.served.clear()
            self._is_to_go_on.set()
            self._signal(signal.SIGTERM)
        try:
            await asyncio.wait_for(self.served.wait(), _SUCCESSOR_S)
        except TimeoutError:
            log.warning("worker_overdue", slot=self._plan.slot, after_s=_SUCCESSOR_S)
            await self.served.wait()

    def start_no_more(self) -> None:
        """Leave it at the process that there is: the sockets that another one would need are about to be closed."""
        self._stopping.set()
        self._is_to_go_on.set()

    async def stop(self, grace_s: float) -> None:
        """End the worker: it finishes what is in flight; after ``grace_s`` seconds it is killed."""
        self.start_no_more()
        process = self._process
        if process is None:
            return
        self._signal(signal.SIGTERM)
        try:
            await asyncio.wait_for(process.wait(), grace_s)
        except TimeoutError:
            log.warning("worker_killed", slot=self._plan.slot, after_s=grace_s)
            self._signal(signal.SIGKILL)

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None and self._process.returncode is None:
            os.kill(self._process.pid, number)

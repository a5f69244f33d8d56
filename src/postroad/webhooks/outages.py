"""Tells the admins of an account by mail that an address takes no calls, and when that is over."""

import asyncio
from collections.abc import Coroutine
from datetime import UTC, datetime
from typing import Any, Protocol

from postroad.model.webhook import Health, Receiver


class Admins(Protocol):
    """The admins of accounts; ``accounts.admin_notices`` writes to them."""

    def send(self, account_id: int, *, subject: str, text: str) -> Coroutine[Any, Any, None]:
        """Mail a notice to each admin of an account; never raises."""


class Outages:
    """Writes once when an address is paused, when calls to it begin to be given up, and once when it works again."""

    def __init__(self, admins: Admins) -> None:
        self._admins = admins
        self._sending: set[asyncio.Task[None]] = set()

    def paused(self, receiver: Receiver, domain: str, health: Health) -> None:
        """Tell that the circuit breaker has paused an address."""
        lines = [
            f"Events of {domain} are posted to",
            "",
            f"  {receiver.url}",
            "",
            f"which has taken none since {_instant(health.failing_since)}: {health.last_error}.",
            "",
            "Calls to it wait from now on, each for up to 72 hours, and one is tried now and then. As soon as one gets",
            "through, the others follow; nothing needs to be done for that. Calls that have waited for 72 hours are given",
            "up; they stay in the log, and can be made again from there.",
            "",
            *_advice(receiver),
        ]
        self._send(receiver, f"Webhook paused: {receiver.url} takes no calls", lines)

    def gone(self, receiver: Receiver, domain: str, health: Health) -> None:
        """Tell that a webhook was paused because its address answered 410 (Gone)."""
        lines = [
            f"Events of {domain} are posted to",
            "",
            f"  {receiver.url}",
            "",
            f"which answered 410 (Gone) at {_instant(health.paused_at)}: it wants no more calls. What it answered so is not",
            "tried again.",
            "",
            "Other calls to it wait from now on, each for up to 72 hours, and one is tried now and then. As soon as one gets",
            "through, the others follow. If the address is gone for good, remove the webhook:",
            f"`postroad webhook remove {receiver.webhook_id}`.",
            "",
            *_advice(receiver),
        ]
        self._send(receiver, f"Webhook paused: {receiver.url} says that it is gone", lines)

    def given_up(self, receiver: Receiver, domain: str, health: Health, calls: int, why: str) -> None:
        """Tell that calls to an address were given up; ``why`` is what the last of them came to."""
        is_dead = health.paused_at is not None
        lost = "1 call was" if calls == 1 else f"{calls:,} calls were"
        lines = [
            f"Events of {domain} are posted to",
            "",
            f"  {receiver.url}",
            "",
        ]
        if is_dead:
            lines += [f"which has taken none since {_instant(health.failing_since)}: {health.last_error}.", ""]
        lines.append(f"{lost} given up: {why}.")
        if health.failures and not is_dead:
            lines.append("It was tried for 72 hours; other calls get through.")
        lines += ["What was given up stays in the log. More may follow: you are told once a day at most.", ""]
        self._send(receiver, f"Webhook calls given up: {receiver.url}", [*lines, *_advice(receiver)])

    def works_again(self, receiver: Receiver, domain: str, before: Health) -> None:
        """Tell that an address takes calls again."""
        lines = [
            f"Events of {domain} are posted to",
            "",
            f"  {receiver.url}",
            "",
            f"which takes them again. It had taken none since {_instant(before.failing_since)}.",
            "What waited is posted now, the oldest first.",
        ]
        if before.given_up:
            lines += ["", f"Calls given up meanwhile: {before.given_up:,}.", *_advice(receiver)]
        self._send(receiver, f"Webhook works again: {receiver.url}", lines)

    async def finish(self) -> None:
        """Wait for what is being sent."""
        await asyncio.gather(*self._sending)

    def _send(self, receiver: Receiver, subject: str, lines: list[str]) -> None:
        # Calls do not wait for it.
        sent = self._admins.send(receiver.account_id, subject=subject, text="\n".join(lines) + "\n")
        task = asyncio.ensure_future(sent)
        self._sending.add(task)
        task.add_done_callback(self._sending.discard)


def _advice(receiver: Receiver) -> list[str]:
    if receiver.webhook_id is None:
        return ["The address was named by messages (X-OV-Callback-URL)."]
    number = receiver.webhook_id
    return [
        f"What was tried is shown by `postroad webhook log {number}`, and `postroad webhook test {number}` tries it now.",
        f"`postroad webhook replay --webhook {number} --failed --since …` makes given up calls again.",
    ]


def _instant(at: int | None) -> str:
    return "an unknown time" if at is None else datetime.fromtimestamp(at / 1000, UTC).strftime("%Y-%m-%d %H:%M UTC")

"""How a worker's threads take turns: with other processes by the kernel, with each other by the interpreter."""

import os
import sys

import structlog

log = structlog.get_logger()

# The event loop lets go of the interpreter at every signature, and the storage thread at every statement: each gets
# it back after this time at the latest. Python's default of 5 ms would be added to each of them under load.
_SWITCH_INTERVAL_S = 0.0005


def prefer_throughput() -> None:
    """Take turns of the processor whole and rarely, and those of the interpreter soon; later threads do as this one.

    A reply for each of many sessions wakes a worker thousands of times a second. Under Linux' usual policy each time may
    interrupt who runs, often the client that is about to ask for more; with ``SCHED_BATCH`` (sched(7)) it waits for its
    turn, and a message costs up to a seventh less. It takes no privilege, but a container may forbid the call.
    """
    sys.setswitchinterval(_SWITCH_INTERVAL_S)
    if sys.platform == "linux":
        try:
            os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
        except OSError as error:
            log.info("cpu_scheduling_left", error=str(error))

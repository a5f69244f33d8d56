"""Turns of the processor are taken by the policy for throughput, where the system lets a process choose."""

import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the policy is Linux' own")

_WORK = """
import os, sys, threading
{before}
from postroad.node.cpu_scheduling import prefer_throughput

prefer_throughput()
policies = [os.sched_getscheduler(0)]
later = threading.Thread(target=lambda: policies.append(os.sched_getscheduler(0)))
later.start()
later.join()
sys.stderr.write(f"{{[policy == os.SCHED_BATCH for policy in policies]}} {{sys.getswitchinterval()}}")
"""
_REFUSED = """
def refuse(*_):
    raise PermissionError(1, "Operation not permitted")

os.sched_setscheduler = refuse
"""


def _run(before: str = "") -> subprocess.CompletedProcess[str]:
    work = [sys.executable, "-c", _WORK.format(before=before)]
    return subprocess.run(work, check=True, capture_output=True, text=True)


def test_a_worker_and_its_later_threads_wait_for_their_turn() -> None:
    assert _run().stderr == "[True, True] 0.0005"


def test_a_system_that_refuses_is_told_of_and_served_all_the_same() -> None:
    done = _run(_REFUSED)
    assert done.stderr == "[False, False] 0.0005"
    assert "cpu_scheduling_left" in done.stdout
    assert "Operation not permitted" in done.stdout

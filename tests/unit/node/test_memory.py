"""Memory of large messages goes back to the system."""

import subprocess
import sys

_WORK = """
from postroad.node.memory import give_large_back

give_large_back()
MIB = 1024 * 1024
# The first large one that is freed is what raises the bound of the GNU C library.
bytearray(b"x") * (20 * MIB)
large, small = [], []
for _ in range(8):
    large.append(bytearray(b"x") * (18 * MIB))
    small.append(bytearray(b"x") * 100_000)
large.clear()
pages = int(open("/proc/self/statm").read().split()[1])
print(pages * 4096 // MIB)
"""


def _held() -> int:
    done = subprocess.run([sys.executable, "-c", _WORK], check=True, capture_output=True, text=True)
    return int(done.stdout)


def test_what_large_messages_took_is_not_held_on_to() -> None:
    assert _held() < 60

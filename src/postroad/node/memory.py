"""Memory that large messages took is given back to the system."""

import ctypes
from contextlib import suppress

# As malloc.h of the GNU C library has them.
_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3
_LARGE = 1024 * 1024
_KEPT = 8 * 1024 * 1024


def give_large_back() -> None:
    """Let what is larger than a megabyte be the system's again once it is freed.

    Left alone, the GNU C library raises that size up to 32 MB by itself, and a worker would go on holding what its busiest
    minute took. Other C libraries have no such setting.
    """
    with suppress(AttributeError):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_M_MMAP_THRESHOLD, _LARGE)
        mallopt(_M_TRIM_THRESHOLD, _KEPT)

"""Whether the disks that a node writes mail to have room for more."""

import os
from collections.abc import Iterable
from pathlib import Path

import msgspec

from postroad.config import Settings
from postroad.storage.location import SqliteFile, locate

_LEAST_OCTETS = 16 * 1024 * 1024
"""Below it a disk is full: SQLite's log grows by half of that before it is copied back, and messages are as large."""


class Room(msgspec.Struct, frozen=True):
    """How much room there is in a folder."""

    folder: Path
    octets: int

    @property
    def is_lacking(self) -> bool:
        """Whether the disk is full, or so nearly that mail may not be stored any more."""
        return self.octets < _LEAST_OCTETS

    def __str__(self) -> str:
        return f"{self.octets >> 20:,} MB are free in {self.folder}"


def folders_of_mail(settings: Settings) -> tuple[Path, ...]:
    """Return where a node writes mail: the data folder, and the database's, where that is a file; with a server nowhere."""
    data_dir = Path(settings.data_dir)
    place = locate(settings.database.url, data_dir)
    return tuple(dict.fromkeys((data_dir, place.path.parent))) if isinstance(place, SqliteFile) else ()


def least_room(folders: Iterable[Path]) -> Room | None:
    """Return the folder with the least room; null where none says how much it has. Raises OSError."""
    rooms = [Room(folder, free) for folder in folders if (free := _free_octets(folder)) is not None]
    return min(rooms, key=lambda one: one.octets, default=None)


def _free_octets(folder: Path) -> int | None:
    stat = os.statvfs(folder)
    # Some file systems that are not on a disk say nothing of their size.
    return stat.f_bavail * stat.f_frsize if stat.f_blocks else None

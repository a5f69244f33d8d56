import os
from pathlib import Path

import pytest

from postroad.cli import findings
from postroad.config import load
from postroad.node.disk import folders_of_mail, least_room

MB = 1024 * 1024


def _with_free(monkeypatch: pytest.MonkeyPatch, free: dict[Path, int], blocks: int = 1_000_000) -> None:
    """Let disks have so much room, in octets; a folder that is not named is not there."""

    def statvfs(folder: Path) -> os.statvfs_result:
        if folder not in free:
            raise FileNotFoundError(2, "No such file or directory", str(folder))
        return os.statvfs_result((4096, 4096, blocks, 0, free[folder] // 4096, 0, 0, 0, 0, 255))

    monkeypatch.setattr("postroad.node.disk.os.statvfs", statvfs)


@pytest.mark.parametrize(
    ("url", "folders"),
    [
        ("", ["/data"]),
        ("sqlite:///mail.sqlite", ["/data"]),
        ("sqlite:////srv/mail.sqlite", ["/data", "/srv"]),
        ("postgresql://db/postroad", []),
    ],
)
def test_mail_is_written_to_the_data_folder_and_to_that_of_the_database_or_to_a_server(
    url: str, folders: list[str]
) -> None:
    settings = load(None, {"POSTROAD_DATA_DIR": "/data", "POSTROAD_DATABASE__URL": url})
    assert list(map(str, folders_of_mail(settings))) == folders


def test_the_folder_with_the_least_room_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    here, there = Path("/data"), Path("/srv")
    _with_free(monkeypatch, {here: 2000 * MB, there: 15 * MB})
    room = least_room((here, there))
    assert room is not None
    assert (room.is_lacking, str(room)) == (True, "15 MB are free in /srv")

    _with_free(monkeypatch, {here: 2000 * MB, there: 16 * MB})
    room = least_room((here, there))
    assert room is not None
    assert not room.is_lacking


def test_a_file_system_that_does_not_tell_its_size_is_not_full(monkeypatch: pytest.MonkeyPatch) -> None:
    _with_free(monkeypatch, {Path("/data"): 0}, blocks=0)
    assert least_room((Path("/data"),)) is None


@pytest.mark.parametrize(
    ("free", "status", "text"),
    [
        (1 * MB, "wrong", "It is full: 1 MB are free in /data."),
        (1000 * MB, "warning", "It is nearly full: 1,000 MB are free in /data."),
        (3000 * MB, "ok", "3,000 MB are free in /data."),
    ],
)
def test_check_tells_how_much_room_there_is(monkeypatch: pytest.MonkeyPatch, free: int, status: str, text: str) -> None:
    _with_free(monkeypatch, {Path("/data"): free})
    (found,) = findings.disk(load(None, {"POSTROAD_DATA_DIR": "/data"}))
    assert (found.status, found.text, bool(found.remedy)) == (status, text, status != "ok")


def test_check_says_nothing_of_the_disk_of_a_folder_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    _with_free(monkeypatch, {})
    assert findings.disk(load(None, {"POSTROAD_DATA_DIR": "/data"})) == []

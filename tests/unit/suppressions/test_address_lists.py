"""The lists that addresses are compared with: those that come along, and an operator's file that changes."""

import hashlib
import os
import re
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from postroad.suppressions.address_lists import (
    BUNDLED,
    DISPOSABLE,
    AddressLists,
    ListFileError,
    bundled_names,
    disposable_domains,
)


def test_the_lists_that_come_along_hold_what_they_are_for() -> None:
    names = bundled_names()

    assert {"postmaster", "info", "abuse", "no-reply"} <= set(names.roles)
    assert "mailinator.com" in names.disposable
    assert len(names.disposable) > 5_000
    assert names.misspelt[0] == "gmail.com"
    assert set(names.misspelt) <= set(names.providers)
    assert not set(names.providers) & set(names.disposable)
    assert all(name == name.lower().strip() for name in (*names.roles, *names.providers))


def test_every_file_that_comes_along_has_its_source_and_licence() -> None:
    described = (BUNDLED / "README.md").read_text("utf-8")

    for file in BUNDLED.glob("*.txt"):
        assert f"`{file.name}`" in described
    assert hashlib.sha256(DISPOSABLE.read_bytes()).hexdigest() in described
    [version] = re.findall(r"disposable-email-domains ([\d.]+) of PyPI", DISPOSABLE.read_text("utf-8"))
    assert f"`disposable-email-domains` {version} from PyPI" in described
    assert re.search(r"disposable-email-domains` [\d.]+ from PyPI.*MIT", described)


def test_a_list_is_read_in_the_forms_that_lists_have(tmp_path: Path) -> None:
    path = tmp_path / "list.txt"
    path.write_bytes(
        "\ufeff# a remark\r\nOne.Example\r\n\r\n two.example. # too\r\nbücher.example\r\nxn--o38h.example\n".encode()
    )

    assert disposable_domains(path) == {"one.example", "two.example", "xn--bcher-kva.example", "xn--o38h.example"}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"one.example\ncom\n", "line 2: com is no domain with a dot in it"),
        (b"<!doctype html>\n", "line 1: <!doctype html> is no domain"),
        (b"# nothing\n", "names no domain"),
        (b"\xff\xfe\n", "is not UTF-8"),
        ("a b.ü.example\n".encode(), "line 1"),
    ],
)
def test_what_is_no_list_is_refused_with_its_line(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "list.txt"
    path.write_bytes(content)

    with pytest.raises(ListFileError, match=words):
        disposable_domains(path)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ListFileError, match=r"gone\.txt cannot be read: No such file"):
        disposable_domains(tmp_path / "gone.txt")


async def test_a_changed_file_is_read_anew_and_a_broken_one_is_complained_of_once_and_the_list_before_stays(
    tmp_path: Path,
) -> None:
    path = tmp_path / "list.txt"
    lists = AddressLists(str(path))
    assert lists.names is bundled_names()
    with capture_logs() as logs:
        await lists.refresh()
        await lists.refresh()
        path.write_text("one.example\n")
        await lists.refresh()
        await lists.refresh()
        assert lists.names.disposable == {"one.example"}
        assert lists.names.roles == bundled_names().roles
        path.write_text("com\n")
        os.utime(path, (1, 1))
        await lists.refresh()
        await lists.refresh()

    assert lists.names.disposable == {"one.example"}
    assert [one["event"] for one in logs] == [
        "disposable_domains_not_read",
        "disposable_domains_read",
        "disposable_domains_not_read",
    ]

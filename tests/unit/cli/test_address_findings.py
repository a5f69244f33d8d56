"""What ``postroad check`` says of the operator's list of disposable domains."""

from pathlib import Path

from postroad.cli.address_findings import disposable_list
from postroad.config import Settings
from postroad.suppressions.settings import AddressCheckSettings


def test_a_list_of_the_operator_is_looked_at_and_without_one_nothing_is_said(tmp_path: Path) -> None:
    path = tmp_path / "list.txt"
    settings = Settings(address_check=AddressCheckSettings(disposable_domains=str(path)))
    [missing] = disposable_list(settings)
    path.write_text("one.example\ntwo.example\n")
    [found] = disposable_list(settings)

    assert disposable_list(Settings()) == []
    assert (missing.status, found.status) == ("warning", "ok")
    assert "cannot be read" in missing.text
    assert "2 domains" in found.text

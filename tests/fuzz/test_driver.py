"""The driver of ``make fuzz``: every target is run, and what breaks one is kept."""

import random
from pathlib import Path

import pytest

from tests.fuzz import __main__ as driver
from tests.fuzz.seeds import TARGETS


@pytest.mark.parametrize("name", TARGETS)
def test_each_target_holds_for_a_moment(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert driver.at_random(name, 0.1, random.Random(name)) == 0
    assert int(capsys.readouterr().out.split()[1]) > 0


def test_every_target_of_this_folder_is_known() -> None:
    sources = {path.stem for path in Path(__file__).parent.glob("*.py") if "def run_one(" in path.read_text()}

    assert set(TARGETS) == sources - {Path(__file__).stem, "__main__"}


def test_what_breaks_a_target_is_kept_and_fails_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(driver, "FINDINGS", tmp_path)

    def refuses_noise(data: bytes) -> None:
        assert b"587" not in data

    assert driver.at_random("proxy", 5.0, random.Random(1), refuses_noise) == 1
    [finding] = tmp_path.iterdir()
    assert b"587" in finding.read_bytes()
    assert str(finding) in capsys.readouterr().err


def test_a_target_that_does_not_exist_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert driver.main(["nothing"]) == 2
    assert "dkim_verify" in capsys.readouterr().err

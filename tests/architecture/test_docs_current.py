"""The generated pages say what the code says, and leave nothing out."""

import re
from pathlib import Path

import click
import pytest
from docs import generate

from postroad.cli import COMMANDS, main
from postroad.config import Settings, load
from postroad.config.fields import fields_by_path
from postroad.telemetry.exposition import STORED_METRICS
from postroad.telemetry.metrics import METRICS

REFERENCE = generate.ROOT / "docs" / "reference"


@pytest.mark.parametrize("name", generate.PAGES)
def test_page_is_what_the_code_says(name: str) -> None:
    assert (generate.ROOT / name).read_text("utf-8") == generate.PAGES[name](), f"run `make docs` for {name}"


def test_every_setting_is_in_the_reference_and_in_the_sample_file() -> None:
    page, sample = ((REFERENCE / name).read_text("utf-8") for name in ("configuration.md", "postroad.toml"))

    missing = [
        path
        for path in fields_by_path(Settings)
        if f"`{path}`" not in page or f"\n#{path.rpartition('.')[2]} = " not in sample
    ]

    assert missing == []


def test_sample_file_is_valid_and_changes_nothing_when_its_settings_are_switched_on(tmp_path: Path) -> None:
    text = (REFERENCE / "postroad.toml").read_text("utf-8")
    lines = [
        line[1:] if line.startswith("#") and line[1:2].islower() and not line.endswith(' = ""') else line
        for line in text.splitlines()
    ]
    path = tmp_path / "postroad.toml"
    path.write_text("\n".join(lines))

    loaded = load(path, {"POSTROAD_DATA_DIR": Settings().data_dir})

    assert loaded == Settings()
    assert sum(" = " in line and not line.startswith("#") for line in lines) > 20


def test_every_command_and_verb_is_in_the_reference() -> None:
    page = (REFERENCE / "commands.md").read_text("utf-8")
    context = click.Context(main)
    names = []
    for noun in COMMANDS:
        command = main.get_command(context, noun)
        assert command is not None
        names.append(f"postroad {noun}")
        if isinstance(command, click.Group):
            names.extend(f"postroad {noun} {verb}" for verb in command.list_commands(context))

    assert [name for name in names if f"`{name}`" not in page] == []


def test_every_metric_is_in_the_reference() -> None:
    page = (REFERENCE / "metrics.md").read_text("utf-8")

    assert [one.name for one in (*METRICS, *STORED_METRICS) if f"`{one.name}`" not in page] == []


def test_every_decision_is_listed_and_every_one_the_code_names_exists() -> None:
    folder = generate.ROOT / "docs" / "decisions"
    recorded = {file.name[:4] for file in folder.glob("[0-9]*.md")}
    listed = set(re.findall(r"\[(\d{4})\]", (folder / "README.md").read_text("utf-8")))
    sources = [file.read_text("utf-8") for file in (generate.ROOT / "src").rglob("*.py")]
    named = {number for text in sources for number in re.findall(r"decision\s+(\d{4})", text)}

    assert listed == recorded
    assert named
    assert named <= recorded

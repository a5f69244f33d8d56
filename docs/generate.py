"""Writes the pages that are made from the code: run ``make docs``, or ``python -m docs.generate --check`` to compare."""

import re
import sys
from collections.abc import Callable, Iterator, Sequence
from enum import Enum
from pathlib import Path
from typing import Any

import click

from docs import rfc_map as rfc_map_page
from docs import template_language as template_language_page
from docs import webhook_formats as webhook_formats_page
from postroad.cli import main
from postroad.config import Settings
from postroad.config.fields import Section, SettingField, sections_of
from postroad.dialects.mailgun import reference as mailgun_api
from postroad.dialects.postroad import reference as postroad_api
from postroad.dialects.sendgrid import reference as sendgrid_api
from postroad.dialects.sparkpost import reference as sparkpost_api
from postroad.policy import admission, header_rules
from postroad.telemetry.exposition import STORED_METRICS
from postroad.telemetry.metrics import METRICS

ROOT = Path(__file__).parents[1]
NOTE = "<!-- Made by `make docs` from the code; changes here are lost. -->"
_WIDTH = 110


def configuration() -> str:
    """Return the reference of every setting."""
    parts = [
        "# Configuration",
        NOTE,
        (
            "One TOML file, named by `--config` or `POSTROAD_CONFIG`, else `./postroad.toml`. Every setting has a default, "
            "so that an empty file is a valid one. An environment variable wins over the file; a list is written there "
            "with commas between its items, or as TOML. A size may be written as `25 MB`. What is not known is refused."
        ),
        "[postroad.toml](postroad.toml) is a file with every setting at its default.",
    ]
    for section in sections_of(Settings):
        if not section.fields:
            continue
        parts.append(f"## `{section.header}`" if section.path else "## Top level")
        if section.path:
            parts.append(section.description)
        parts.append(_settings_table(section))
    return "\n\n".join(parts) + "\n"


def _settings_table(section: Section) -> str:
    headings = ["Setting", "Type", "Default", "What it does"]
    rows = [
        [
            f"`{_key(one) if section.is_repeated else one.path}`",
            one.type_text,
            f"`{toml_of(one.default)}`",
            one.description,
        ]
        for one in section.fields
    ]
    if not section.is_repeated:
        headings.append("Variable")
        rows = [[*row, f"`{one.variable}`"] for row, one in zip(rows, section.fields, strict=True)]
    return markdown_table(headings, rows)


def sample_file() -> str:
    """Return a configuration file with every setting at its default, commented out and explained."""
    lines = ["# Postroad's configuration: every setting at its default. Made by `make docs` from the code."]
    for section in sections_of(Settings):
        lines.extend(_sample_section(section))
    return "\n".join(lines) + "\n"


def _sample_section(section: Section) -> Iterator[str]:
    if not section.fields:
        return
    if section.path:
        yield ""
        yield f"# {section.description}"
        yield f"{'#' if section.is_repeated else ''}{section.header}"
    for field in section.fields:
        yield ""
        yield from wrapped(f"{field.description} ({field.type_text.replace('`', '')})", "# ")
        yield f"#{'#' if section.is_repeated else ''}{_key(field)} = {toml_of(field.default)}"


def _key(field: SettingField) -> str:
    return field.path.rpartition(".")[2]


def toml_of(value: Any) -> str:
    """Return a default as TOML writes it; none is the empty text."""
    match value:
        case None:
            return '""'
        case bool():
            return "true" if value else "false"
        case Enum():
            return f'"{value.value}"'
        case str():
            return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
        case tuple() | list():
            return "[" + ", ".join(toml_of(item) for item in value) + "]"
        case dict():
            return "{" + ", ".join(f"{key} = {toml_of(item)}" for key, item in value.items()) + "}"
        case _:
            return str(value)


def commands() -> str:
    """Return the reference of every command, from its help."""
    parts = [
        "# Commands",
        NOTE,
        (
            "Nouns come first, then verbs. Every command takes `--json` and then prints one document; exit code 0 means "
            "done, 1 refused with a sentence on the error output, 2 not understood."
        ),
    ]
    context = click.Context(main, info_name="postroad")
    for name in main.list_commands(context):
        command = main.get_command(context, name)
        assert command is not None
        parts.extend(_command(command, f"postroad {name}", 2))
    return "\n\n".join(parts) + "\n"


def _command(command: click.Command, name: str, depth: int) -> Iterator[str]:
    context = click.Context(command, info_name=name)
    yield f"{'#' * depth} `{name}`"
    yield re.sub(r"\s*\n\s*", " ", command.help or "")
    if isinstance(command, click.Group):
        for verb in command.list_commands(context):
            inner = command.get_command(context, verb)
            assert inner is not None
            yield from _command(inner, f"{name} {verb}", depth + 1)
        return
    yield f"```\n{' '.join([name, *command.collect_usage_pieces(context)])}\n```"
    rows = [record for parameter in command.get_params(context) if (record := parameter.get_help_record(context))]
    yield markdown_table(("Option", "What it does"), [(f"`{option}`", " ".join(text.split())) for option, text in rows])


def metrics() -> str:
    """Return the reference of every metric."""
    rows = [
        (f"`{one.name}`", one.kind, ", ".join(f"`{label}`" for label in one.labels), one.help)
        for one in sorted((*METRICS, *STORED_METRICS), key=lambda one: one.name)
    ]
    parts = [
        "# Metrics",
        NOTE,
        (
            "`/metrics` on the admin listener answers for all workers of a node, in Prometheus' text format. The label "
            "`provider` is one of a dozen large mailbox providers or `other`."
        ),
        markdown_table(("Metric", "Kind", "Labels", "What it counts"), rows),
    ]
    return "\n\n".join(parts) + "\n"


def rfc_map() -> str:
    """Return which module carries out which section of which RFC."""
    return rfc_map_page.render(ROOT / "src" / "postroad")


def template_language() -> str:
    """Return the reference of the template language."""
    return template_language_page.render(NOTE)


def webhook_formats() -> str:
    """Return the reference of the webhook formats."""
    return webhook_formats_page.render(NOTE)


def markdown_table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table; bars in cells are escaped."""
    lines = [headings, ["---"] * len(headings), *([cell.replace("|", "\\|") for cell in row] for row in rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def wrapped(text: str, prefix: str) -> Iterator[str]:
    """Break a sentence into lines with a prefix."""
    line = prefix.rstrip()
    for word in text.split():
        if len(line) + len(word) + 1 > _WIDTH:
            yield line
            line = prefix.rstrip()
        line += f" {word}"
    yield line


PAGES: dict[str, Callable[[], str]] = {
    "docs/reference/configuration.md": configuration,
    "docs/reference/postroad.toml": sample_file,
    "docs/reference/commands.md": commands,
    "docs/reference/metrics.md": metrics,
    "docs/reference/headers.md": header_rules.reference_page,
    "docs/reference/refusals.md": admission.reference_page,
    "docs/reference/postroad-api.md": postroad_api.reference_page,
    "docs/reference/mailgun-api.md": mailgun_api.reference_page,
    "docs/reference/sendgrid-api.md": sendgrid_api.reference_page,
    "docs/reference/sparkpost-api.md": sparkpost_api.reference_page,
    "docs/reference/template-language.md": template_language,
    "docs/reference/webhook-formats.md": webhook_formats,
    "docs/rfc-map.md": rfc_map,
}


def stale_pages() -> list[str]:
    """Return the pages that are not what the code says."""
    return [name for name, page in PAGES.items() if not _is_current(ROOT / name, page())]


def _is_current(path: Path, text: str) -> bool:
    return path.exists() and path.read_text("utf-8") == text


def _main(arguments: Sequence[str]) -> int:
    if "--check" in arguments:
        stale = stale_pages()
        for name in stale:
            sys.stderr.write(f"{name} is not current: run `make docs`\n")
        return 1 if stale else 0
    for name, page in PAGES.items():
        path = ROOT / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(page(), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(_main(sys.argv[1:]))

"""``postroad backup`` and ``postroad restore``: the whole installation in one file."""

from pathlib import Path
from typing import Any

import click

from postroad.cli.invocation import Invocation, refuse, with_settings
from postroad.cli.output import answer, local_time, utc_time
from postroad.net.clock import now_ms
from postroad.storage import backup as archive
from postroad.storage.backup import Manifest


@click.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--overwrite", is_flag=True, help="Replace the file where it exists.")
@with_settings
def backup(invocation: Invocation, file: Path, *, overwrite: bool) -> None:
    """Write the database and the master key to FILE, while the installation runs; keep it as secret as they are."""
    if file.exists() and not overwrite:
        refuse(f"{file} exists: name another, or add --overwrite.")
    manifest = archive.backup(invocation.settings.database.url, invocation.data_dir, file, now=now_ms())
    text = f"Wrote {file}: {manifest.engine} at schema {manifest.schema}. It holds the master key: keep it secret."
    answer(invocation, _document(manifest, file), text)


@click.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@with_settings
def restore(invocation: Invocation, file: Path) -> None:
    """Bring back an installation from FILE into an empty data folder or database."""
    manifest = archive.restore(file, invocation.settings.database.url, invocation.data_dir)
    text = (
        f"Restored the {manifest.engine} backup of {local_time(manifest.made_at)}. "
        "What was delivered since then may be delivered again: look at `postroad queue list` before you start."
    )
    answer(invocation, _document(manifest, file), text)


def _document(manifest: Manifest, file: Path) -> dict[str, Any]:
    return {
        "file": str(file),
        "engine": manifest.engine,
        "schema": manifest.schema,
        "made_at": utc_time(manifest.made_at),
    }

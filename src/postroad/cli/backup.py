"""``postroad backup`` and ``postroad restore``: the whole installation in one file."""

import os
from pathlib import Path
from typing import Any

import click

from postroad.cli.invocation import Invocation, refuse, with_settings
from postroad.cli.output import answer, local_time, utc_time
from postroad.net.clock import now_ms
from postroad.node.keys import KEY_VARIABLE
from postroad.storage import backup as archive
from postroad.storage.backup import Manifest
from postroad.storage.migrate import run
from postroad.storage.secrets import is_key_of


@click.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--overwrite", is_flag=True, help="Replace the file where it exists.")
@with_settings
def backup(invocation: Invocation, file: Path, *, overwrite: bool) -> None:
    """Write the database and the master key of the data folder to FILE, while the installation runs; keep it secret."""
    if file.exists() and not overwrite:
        refuse(f"{file} exists: name another, or add --overwrite.")
    manifest = archive.backup(invocation.settings.database.url, invocation.data_dir, file, now=now_ms())
    of_the_key = "It holds the master key: keep it secret." if manifest.holds_key else _HOLDS_NO_KEY
    text = f"Wrote {file}: {manifest.engine} at schema {manifest.schema}. {of_the_key}"
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
    if not _opens_its_secrets(invocation):
        text += f"\n\n{_NEEDS_KEY}"
    answer(invocation, _document(manifest, file), text)


_HOLDS_NO_KEY = (
    f"The master key is not in it: keep the one that the nodes get as {KEY_VARIABLE} elsewhere, for without it the secrets "
    "in the backup cannot be read. Keep the backup secret too."
)
_NEEDS_KEY = (
    f"The master key is not in the backup: before `postroad serve`, set {KEY_VARIABLE} to the key of the installation "
    "that the backup was made of."
)


def _opens_its_secrets(invocation: Invocation) -> bool:
    given = os.environ.get(KEY_VARIABLE, "")
    return run(
        invocation.settings.database.url, invocation.data_dir, lambda one: is_key_of(one, invocation.data_dir, given)
    )


def _document(manifest: Manifest, file: Path) -> dict[str, Any]:
    return {
        "file": str(file),
        "engine": manifest.engine,
        "schema": manifest.schema,
        "made_at": utc_time(manifest.made_at),
        "holds_master_key": manifest.holds_key,
    }

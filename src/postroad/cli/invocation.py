"""What every command shares: its options, the settings they lead to, the database, and how it ends."""

import asyncio
import functools
import os
import pwd
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import click
import msgspec

from postroad.config import ConfigError, Settings, load
from postroad.model.actor import Actor, command_actor
from postroad.model.refused import RefusedError
from postroad.net.clock import now_ms
from postroad.node import keys
from postroad.node.installation import right_to_write
from postroad.storage.database import Database
from postroad.storage.engine import open_database
from postroad.storage.errors import StorageError
from postroad.storage.secrets import Vault
from postroad.telemetry.logs import configure_for_command

T = TypeVar("T")

DEFAULT_CONFIG = Path("postroad.toml")


class Invocation(msgspec.Struct, frozen=True):
    """One run of a command: the installation it is about, and the form of its output."""

    settings: Settings
    is_json: bool

    @property
    def data_dir(self) -> Path:
        """Return the data folder."""
        return Path(self.settings.data_dir)


def acting() -> Actor:
    """Return the actor of the command that runs: whoever may run commands on a node may do everything."""
    try:
        user = pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        # Containers run as numbers that have no name.
        user = str(os.geteuid())
    return command_actor(f"command line ({user})")


def refuse(sentence: str) -> NoReturn:
    """End the command with exit code 1 and a sentence on the error output; its full stop may be left out."""
    raise click.ClickException(ended(sentence))


def ended(sentence: str) -> str:
    """Return a sentence with a full stop, unless it ends otherwise."""
    return sentence if sentence.endswith((".", "?", "!")) else f"{sentence}."


def with_settings(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command ``--config``, ``--data`` and ``--json``, and the invocation they make as its first argument."""

    @click.option(
        "--config",
        "config_file",
        type=click.Path(path_type=Path, dir_okay=False),
        envvar="POSTROAD_CONFIG",
        help="Configuration file; ./postroad.toml where it exists.",
    )
    @click.option(
        "--data", "data_dir", type=click.Path(path_type=Path, file_okay=False), help="Data folder, over the file's."
    )
    @click.option("--json", "is_json", is_flag=True, help="Print one JSON document.")
    @functools.wraps(command)
    def wrapped(config_file: Path | None, data_dir: Path | None, *, is_json: bool, **arguments: Any) -> None:
        configure_for_command()
        since, until = arguments.get("since"), arguments.get("until")
        if since is not None and until is not None and since > until:
            # Nothing would be found, and an empty answer reads as if nothing had happened.
            raise click.UsageError("--since names a later time than --until: turn them round.")
        invocation = Invocation(settings_for(config_file, data_dir), is_json)
        try:
            command(invocation, **arguments)
        except (ConfigError, RefusedError) as error:
            refuse(str(error))
        except StorageError as error:
            refuse(f"Storage: {error}.")

    return wrapped


def with_database(
    command: Callable[..., Coroutine[Any, Any, None]],
) -> Callable[..., None]:
    """Give a command the options of ``with_settings`` and the open database of an installation that exists."""

    @functools.wraps(command)
    def opened(invocation: Invocation, **arguments: Any) -> None:
        async def body(database: Database) -> None:
            await command(invocation, database, **arguments)

        run_with_database(invocation, body)

    return with_settings(opened)


async def open_vault(invocation: Invocation, database: Database) -> Vault:
    """Return what encrypts secrets at rest, bound to this installation's master key."""
    return await keys.open_vault(database, invocation.data_dir)


def settings_for(config_file: Path | None, data_dir: Path | None) -> Settings:
    """Return what ``read_settings`` does; refuses the command where they make no sense."""
    try:
        return read_settings(config_file, data_dir)
    except ConfigError as error:
        refuse(str(error))


def read_settings(config_file: Path | None, data_dir: Path | None) -> Settings:
    """Return the settings of the file named, else of ./postroad.toml where there is one, else the defaults.

    Raises ConfigError.
    """
    if config_file is None and data_dir is None and DEFAULT_CONFIG.exists():
        config_file = DEFAULT_CONFIG
    settings = load(config_file, os.environ)
    return settings if data_dir is None else msgspec.structs.replace(settings, data_dir=str(data_dir))


def run_with_database(invocation: Invocation, body: Callable[[Database], Awaitable[T]]) -> T:
    """Open the database, run ``body`` and close it again; refuses where there is no installation yet."""
    if not invocation.settings.database.url:
        _require_folder(invocation.data_dir)
    return asyncio.run(opened(invocation, body))


def _require_folder(data_dir: Path) -> None:
    try:
        is_there = data_dir.is_dir()
    except OSError as error:
        refuse(f"data_dir: {data_dir} cannot be looked at: {error.strerror}")
    if not is_there:
        refuse(
            f"There is no data folder {data_dir}: name the installation with --config or --data, "
            "or make one with `postroad migrate`."
        )


async def opened(invocation: Invocation, body: Callable[[Database], Awaitable[T]]) -> T:
    """Open the database, run ``body`` and close it again, inside an event loop that runs."""
    with right_to_write(invocation.settings) as may_write:
        # A command reads and writes a little: the running node keeps the write-ahead log short.
        database = await open_database(
            invocation.settings.database.url,
            data_dir=invocation.data_dir,
            clock=now_ms,
            read_connections=1,
            is_checkpointer=False,
            is_writable=may_write,
        )
        try:
            return await body(database)
        finally:
            await database.close()

"""``postroad migrate``: bring the database to the schema of this version."""

import click

from postroad.accounts.accounts import Accounts
from postroad.cli.invocation import Invocation, acting, open_vault, refuse, run_with_database, with_settings
from postroad.cli.output import answer, counted
from postroad.net.clock import now_ms
from postroad.node.installation import right_to_write
from postroad.storage.database import Database
from postroad.storage.migrate import migrate as migrate_database
from postroad.storage.sqlite import ONE_WRITER


@click.command()
@with_settings
def migrate(invocation: Invocation) -> None:
    """Bring the database to the schema of this version, and make the first account where there is none."""
    invocation.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    with right_to_write(invocation.settings) as may_write:
        if not may_write:
            refuse(f"Storage: {ONE_WRITER}.")
        steps = migrate_database(invocation.settings.database.url, invocation.data_dir)

    async def begin(database: Database) -> None:
        await open_vault(invocation, database)
        await Accounts(database, now_ms).ensure_default(acting())

    run_with_database(invocation, begin)
    text = f"Ran {counted(len(steps), 'step')}: {', '.join(steps)}." if steps else "The database is current."
    answer(invocation, {"steps": steps}, text)

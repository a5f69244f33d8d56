"""``postroad migrate``: bring the database to the schema of this version."""

import click

from postroad.accounts.accounts import Accounts
from postroad.accounts.people.links import Link
from postroad.cli.invocation import Invocation, acting, open_vault, refuse, run_with_database, with_settings
from postroad.cli.output import answer, counted, utc_time
from postroad.cli.serve import how_to_begin
from postroad.net.clock import now_ms
from postroad.node.first_start import first_operator
from postroad.node.installation import make_data_dir, right_to_write
from postroad.storage.database import Database
from postroad.storage.migrate import migrate as migrate_database
from postroad.storage.sqlite import ONE_WRITER


@click.command()
@with_settings
def migrate(invocation: Invocation) -> None:
    """Bring the database to the schema of this version, and make the first account and operator."""
    make_data_dir(invocation.data_dir)
    with right_to_write(invocation.settings) as may_write:
        if not may_write:
            refuse(f"Storage: {ONE_WRITER}.")
        steps = migrate_database(invocation.settings.database.url, invocation.data_dir)

    async def begin(database: Database) -> Link | None:
        await open_vault(invocation, database)
        await Accounts(database, now_ms).ensure_default(acting())
        return await first_operator(invocation.settings, database).password_link()

    link = run_with_database(invocation, begin)
    text = f"Ran {counted(len(steps), 'step')}: {', '.join(steps)}." if steps else "The database is current."
    email = invocation.settings.accounts.operator_email
    operator = (
        None if link is None else {"email": email, "link": str(link.url), "expires_at": utc_time(link.expires_at)}
    )
    if link is not None:
        text += f"\n\n{how_to_begin(email, link)}"
    answer(invocation, {"steps": steps, "operator": operator}, text)

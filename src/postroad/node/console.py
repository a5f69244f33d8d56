"""The services behind the console's pages, as one worker has them."""

from postroad.accounts.accounts import Accounts
from postroad.accounts.sessions import Sessions
from postroad.config import Settings
from postroad.domains.registration import Registration
from postroad.httpd.console.console import Console
from postroad.net.clock import now_ms
from postroad.policy.alignment import OrganisationalDomains
from postroad.storage.database import Database
from postroad.storage.secrets import Vault


def console_of(
    settings: Settings,
    database: Database,
    vault: Vault,
    organisational_domains: OrganisationalDomains,
    *,
    has_inbox: bool,
) -> Console:
    """Return the console's services over one installation."""
    return Console(
        accounts=Accounts(database, now_ms),
        sessions=Sessions(database, now_ms, settings.accounts),
        registration=Registration(database, vault, settings.domains, organisational_domains, now_ms),
        has_inbox=has_inbox,
    )

"""The services behind the console's pages, as one worker has them."""

from postroad.accounts.accounts import Accounts
from postroad.accounts.api_keys import ApiKeys
from postroad.accounts.sessions import Sessions
from postroad.accounts.signing_keys import WebhookSigning
from postroad.config import Settings
from postroad.dns.resolver import Lookup
from postroad.domains.registration import Registration
from postroad.domains.settings import installation_names
from postroad.domains.verification import Verification
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
    lookup: Lookup,
    *,
    has_inbox: bool,
) -> Console:
    """Return the console's services over one installation; ``lookup`` has no cache, so that new records are seen."""
    return Console(
        accounts=Accounts(database, now_ms),
        sessions=Sessions(database, now_ms, settings.accounts),
        registration=Registration(database, vault, settings.domains, organisational_domains, now_ms),
        verification=Verification(
            database,
            vault,
            lookup,
            settings=settings.domains,
            names=installation_names(settings.domains),
            organisational_domain_of=organisational_domains,
            clock=now_ms,
        ),
        api_keys=ApiKeys(database, now_ms),
        signing=WebhookSigning(database, vault, now_ms),
        has_inbox=has_inbox,
    )

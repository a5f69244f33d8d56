"""The services behind the console's pages, as one worker has them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

from postroad.accounts.accounts import Accounts
from postroad.accounts.api_keys import ApiKeys
from postroad.accounts.audit_log import AuditLog
from postroad.accounts.logins.lockouts import Lockouts
from postroad.accounts.notices import Notices
from postroad.accounts.people.challenges import Challenges
from postroad.accounts.people.console_attempts import ConsoleAttempts
from postroad.accounts.people.invitations import Invitations
from postroad.accounts.people.links import Links
from postroad.accounts.people.oidc import OidcSignIn
from postroad.accounts.people.own_password import OwnPassword
from postroad.accounts.people.passkeys import Passkeys
from postroad.accounts.people.password_changes import PasswordChanges
from postroad.accounts.people.people import People
from postroad.accounts.people.person_passwords import PersonPasswords
from postroad.accounts.people.second_factor import SecondFactor
from postroad.accounts.people.sessions import Sessions
from postroad.accounts.people.sign_in import SignIn
from postroad.accounts.signing_keys import WebhookSigning
from postroad.accounts.smtp_users import SmtpUsers
from postroad.config import Settings
from postroad.dns.resolver import Lookup
from postroad.events.events import Events
from postroad.events.overview import Overviews
from postroad.events.statistics import Statistics
from postroad.feedback.inbound_routes import InboundRoutes
from postroad.feedback.takedown import Takedown
from postroad.httpd.console.console import Console, WebhookServices
from postroad.httpd.console.submission_examples import SubmissionPlace
from postroad.messages.messages import Messages
from postroad.net.address import parse_address
from postroad.net.clock import now_ms
from postroad.net.listen import parse_endpoint
from postroad.node.client_access import client_access
from postroad.node.first_start import console_url
from postroad.node.ground import Ground, running
from postroad.node.installation import hostname_of
from postroad.node.sending_domains import registration_of, verification_of
from postroad.node.single_sign_on import single_sign_on
from postroad.node.tracking_hosts import TrackingHosts
from postroad.policy.alignment import OrganisationalDomains
from postroad.storage.database import Database
from postroad.storage.deliveries import NewId
from postroad.storage.secrets import Vault
from postroad.suppressions.address_checks import AddressChecks
from postroad.suppressions.imports import Imports
from postroad.suppressions.list_checking import ListChecking
from postroad.suppressions.list_checks import ListChecks
from postroad.suppressions.suppressions import Suppressions
from postroad.templating.templates import Templates
from postroad.webhooks.call_log import CallLog
from postroad.webhooks.client import client_for
from postroad.webhooks.facts import WebhookFacts
from postroad.webhooks.post import HttpPoster, Poster
from postroad.webhooks.replay import Replay
from postroad.webhooks.trial import Trial
from postroad.webhooks.webhooks import Webhooks

_USUAL_PORT = 587


@asynccontextmanager
async def running_console(ground: Ground, notices: Notices, *, is_dev: bool) -> AsyncIterator[Console]:
    """Make the console's services, with what runs beside them, for the length of the block."""
    accounts = ground.settings.accounts
    passwords = PersonPasswords(accounts.hash_queue, accounts.strangers_per_s)
    client = client_for(ground.settings.webhooks, ground.lookup)
    try:
        async with single_sign_on(
            ground.settings, ground.database, challenges_of(ground.database, ground.keys.vault)
        ) as oidc:
            console = console_of(
                ground.settings,
                ground.database,
                ground.keys.vault,
                ground.organisational_domains,
                ground.lookup,
                notices=notices,
                passwords=passwords,
                poster=HttpPoster(client),
                new_id=lambda partition: ground.ids.next(now_ms(), partition),
                oidc=oidc,
                has_inbox=is_dev,
            )
            list_checking = ListChecking(ground.database, console.address_checks, now_ms)
            lists = [console.address_checks.lists.run(), console.imports.run(), list_checking.run()]
            try:
                async with running([console.password_changes.run(), *lists]):
                    yield console
            finally:
                await console.address_checks.aclose()
    finally:
        passwords.close()
        await client.aclose()


def console_of(
    settings: Settings,
    database: Database,
    vault: Vault,
    organisational_domains: OrganisationalDomains,
    lookup: Lookup,
    *,
    notices: Notices,
    passwords: PersonPasswords,
    poster: Poster,
    new_id: NewId,
    oidc: OidcSignIn | None = None,
    has_inbox: bool,
) -> Console:
    """Return the console's services over one installation.

    ``password_changes.run``, ``imports.run`` and ``address_checks.lists.run`` must be running beside them.

    ``lookup`` has no cache, so that new records are seen; ``poster`` makes the calls that try webhooks.
    """
    base = console_url(settings)
    links, attempts = Links(base), ConsoleAttempts(database, now_ms)
    sessions = Sessions(database, now_ms, settings.accounts)
    own_password = OwnPassword(passwords, attempts, now_ms)
    second_factor = SecondFactor(database, vault, now_ms, own_password, issuer=_issuer(base))
    return Console(
        people=People(database, now_ms, passwords, links),
        invitations=Invitations(database, now_ms, passwords=passwords, notices=notices, links=links),
        sign_in=SignIn(
            database, now_ms, passwords=passwords, attempts=attempts, second_factor=second_factor, sessions=sessions
        ),
        second_factor=second_factor,
        own_password=own_password,
        passkeys=Passkeys(database, now_ms, settings.http.public_url, challenges_of(database, vault)),
        oidc=oidc,
        password_changes=PasswordChanges(
            database, now_ms, passwords=passwords, own_password=own_password, notices=notices, links=links
        ),
        audit_log=AuditLog(database),
        session_seconds=settings.accounts.session_days * 86_400,
        accounts=Accounts(database, now_ms),
        sessions=sessions,
        registration=registration_of(settings, database, vault, organisational_domains),
        verification=verification_of(settings, database, vault, organisational_domains, lookup),
        smtp_users=SmtpUsers(database, now_ms),
        lockouts=Lockouts(database, now_ms),
        api_keys=ApiKeys(database, now_ms),
        signing=WebhookSigning(database, vault, now_ms),
        templates=Templates(database, now_ms),
        suppressions=Suppressions(database, now_ms),
        imports=Imports(database, now_ms),
        address_checks=address_checks(settings, database, lookup),
        list_checks=ListChecks(database, now_ms),
        inbound_routes=InboundRoutes(database, now_ms),
        webhooks=_webhooks(settings, database, vault, poster, new_id),
        clients=client_access(settings),
        submission=_submission_place(settings),
        messages=Messages(database, now_ms, new_id),
        overviews=Overviews(database, now_ms),
        statistics=Statistics(database),
        takedown=Takedown(database, now_ms),
        tracking_hosts=TrackingHosts(settings, database, now_ms),
        events=Events(database, now_ms),
        clock=now_ms,
        has_inbox=has_inbox,
    )


def challenges_of(database: Database, vault: Vault) -> Challenges:
    """Return what makes challenges for those who sign in."""
    return Challenges(database, now_ms, vault.signing_key("sign-in challenges"))


def address_checks(settings: Settings, database: Database, lookup: Lookup) -> AddressChecks:
    """Return what checks addresses, with the settings by which mail goes to them; ``lookup`` has no cache."""
    return AddressChecks(
        database,
        lookup,
        now_ms,
        settings=settings.address_check,
        dns=settings.dns,
        allow_private_addresses=settings.delivery.allow_private_addresses,
    )


def _webhooks(settings: Settings, database: Database, vault: Vault, poster: Poster, new_id: NewId) -> WebhookServices:
    facts = WebhookFacts(database, vault, now_ms)
    return WebhookServices(
        addresses=Webhooks(database, vault, now_ms, allow_private_addresses=settings.webhooks.allow_private_addresses),
        log=CallLog(database, facts),
        trial=Trial(database, facts, poster, now_ms, new_id),
        replay=Replay(database, now_ms, new_id),
    )


def _issuer(base: str) -> str:
    """Return what programs for one-time codes call us."""
    return f"Postroad {urlsplit(base).hostname or ''}".strip()


def _submission_place(settings: Settings) -> SubmissionPlace | None:
    """Return the door that people are told of: the usual port where there is one."""
    endpoints = [parse_endpoint(text) for text in settings.smtp.listen]
    if not endpoints:
        return None
    endpoint = next((one for one in endpoints if one.port == _USUAL_PORT), endpoints[0])
    address = parse_address(endpoint.host)
    is_local = address is not None and address.is_loopback
    return SubmissionPlace(endpoint.host if is_local else hostname_of(settings), endpoint.port, is_local)

"""What the console's pages work with: the services of one worker, put together by ``node``."""

from typing import Protocol

import msgspec

from postroad.accounts.accounts import Accounts
from postroad.accounts.api_keys import ApiKeys
from postroad.accounts.audit_log import AuditLog
from postroad.accounts.logins.lockouts import Lockouts
from postroad.accounts.people.invitations import Invitations
from postroad.accounts.people.oidc import OidcSignIn
from postroad.accounts.people.own_password import OwnPassword
from postroad.accounts.people.passkeys import Passkeys
from postroad.accounts.people.password_changes import PasswordChanges
from postroad.accounts.people.people import People
from postroad.accounts.people.second_factor import SecondFactor
from postroad.accounts.people.sessions import Sessions
from postroad.accounts.people.sign_in import SignIn
from postroad.accounts.signing_keys import WebhookSigning
from postroad.accounts.smtp_users import SmtpUsers
from postroad.domains.registration import Registration
from postroad.domains.verification import Verification
from postroad.events.events import Events
from postroad.events.overview import Overviews
from postroad.events.statistics import Statistics
from postroad.feedback.inbound_routes import InboundRoutes
from postroad.feedback.takedown import Takedown
from postroad.httpd.console.streams import Streams
from postroad.httpd.console.submission_examples import SubmissionPlace
from postroad.messages.messages import Messages
from postroad.model.certificate import TrackingHostStanding
from postroad.model.client_access import ClientAccess
from postroad.model.domain import SendingDomain
from postroad.net.clock import Clock
from postroad.suppressions.address_checks import AddressChecks
from postroad.suppressions.imports import Imports
from postroad.suppressions.list_checks import ListChecks
from postroad.suppressions.suppressions import Suppressions
from postroad.templating.templates import Templates
from postroad.webhooks.call_log import CallLog
from postroad.webhooks.replay import Replay
from postroad.webhooks.trial import Trial
from postroad.webhooks.webhooks import Webhooks


class TrackingHosts(Protocol):
    """Knows how the hosts stand that tracked links lead over."""

    async def standing(self, domain: SendingDomain) -> TrackingHostStanding | None:
        """Return how the host of a domain's links stands; None where they have nowhere to lead."""

    async def look_again(self, domain: SendingDomain) -> None:
        """Have a domain's host looked at within seconds, where it waits for its record."""


class WebhookServices(msgspec.Struct, frozen=True, kw_only=True):
    """What there is to do with webhooks."""

    addresses: Webhooks
    log: CallLog
    trial: Trial
    replay: Replay


class Console(msgspec.Struct, frozen=True, kw_only=True):
    """The services behind the pages; each page takes what it needs of them."""

    sessions: Sessions
    accounts: Accounts
    registration: Registration
    verification: Verification
    smtp_users: SmtpUsers
    lockouts: Lockouts
    api_keys: ApiKeys
    signing: WebhookSigning
    templates: Templates
    suppressions: Suppressions
    imports: Imports
    address_checks: AddressChecks
    list_checks: ListChecks
    inbound_routes: InboundRoutes
    webhooks: WebhookServices
    people: People
    invitations: Invitations
    sign_in: SignIn
    second_factor: SecondFactor
    own_password: OwnPassword
    passkeys: Passkeys
    oidc: OidcSignIn | None = None
    """Null where no OpenID provider is configured."""
    password_changes: PasswordChanges
    audit_log: AuditLog
    messages: Messages
    overviews: Overviews
    statistics: Statistics
    tracking_hosts: TrackingHosts
    takedown: Takedown
    events: Events
    clock: Clock
    streams: Streams = msgspec.field(default_factory=Streams)
    session_seconds: int = 14 * 86_400
    """How long a browser keeps a session's cookie."""
    clients: ClientAccess = ClientAccess()
    """How people's mail clients reach the doors."""
    submission: SubmissionPlace | None = None
    """Where mail is handed in by SMTP; null where this node has no door for it."""
    has_inbox: bool = False
    """Mail is captured, not delivered: ``postroad dev``."""

"""What the HTTP APIs ask of the rest."""

from collections.abc import Mapping, Sequence
from typing import Protocol

import msgspec

from postroad.accounts.api_key_check import ApiKeyCheck
from postroad.accounts.api_keys import ApiKeys
from postroad.accounts.signing_keys import WebhookSigning
from postroad.accounts.smtp_users import SmtpUsers
from postroad.domains.registration import Registration
from postroad.domains.verification import Verification
from postroad.events.events import Events
from postroad.events.statistics import Statistics
from postroad.events.tags import Tags
from postroad.feedback.inbound_routes import InboundRoutes
from postroad.httpd.api.limits import CallLimits
from postroad.httpd.api.uploads import Uploads
from postroad.messages.batches import Batches
from postroad.messages.messages import Messages
from postroad.messages.transmissions import Transmissions
from postroad.model.delivery import Delivery
from postroad.model.domain import SendingDomain
from postroad.model.message import Accepted
from postroad.model.submission import Rejected, Submission
from postroad.model.unsubscribe_group import UnsubscribeGroup
from postroad.net.clock import Clock
from postroad.policy.explanation import Copy, ExplainedCall, NoCopy
from postroad.storage.database import Database
from postroad.suppressions.address_checks import AddressChecks
from postroad.suppressions.groups import Groups
from postroad.suppressions.imports import Imports
from postroad.suppressions.list_checks import ListChecks
from postroad.suppressions.suppressions import Suppressions
from postroad.templating.templates import Templates
from postroad.webhooks.call_log import CallLog
from postroad.webhooks.trial import Trial
from postroad.webhooks.webhooks import Webhooks


class Receipt(Protocol):
    """The answer to a submission that is stored."""

    @property
    def message_id(self) -> int:
        """The id it is stored under."""

    @property
    def message_id_header(self) -> str:
        """Its Message-ID, with brackets."""


class Refusals(Protocol):
    """Why several submissions were not accepted."""

    @property
    def by_place(self) -> Mapping[int, Rejected]:
        """The reason of each that was refused, by its place among them."""


class Submissions(Protocol):
    """Takes responsibility for mail."""

    async def submit(self, submission: Submission) -> Receipt | Rejected:
        """Store a submission or say why not; returns once it is on disk, raises where storing failed."""

    async def submit_all(
        self, submissions: Sequence[Submission], *, is_kept: bool = True
    ) -> tuple[Receipt, ...] | Refusals:
        """Store all of several submissions in one commit, or none of them; or only look whether that could be done."""

    async def explain(self, submissions: Sequence[Submission]) -> ExplainedCall:
        """Return what would become of submissions; nothing is stored or counted."""

    async def note_rejected(self, submission: Submission, rejected: Rejected, size: int) -> None:
        """Record that a submission of a size was refused before its content was looked at."""


class Previews(Protocol):
    """Makes what would leave."""

    async def copies(self, accepted: Accepted, deliveries: Sequence[Delivery]) -> Mapping[int, Copy | NoCopy]:
        """Return what would leave for some of the recipients of a message that is not stored, by delivery."""


class Domains(Protocol):
    """Knows the sending domains, from memory where it can."""

    async def get(self, domain_id: int) -> SendingDomain | None:
        """Return a domain, or None where there is none."""


class MailGroups(Protocol):
    """Knows the groups of mail, from memory where it can."""

    async def get(self, domain_id: int, group_id: int) -> UnsubscribeGroup | None:
        """Return a group of a sending domain, or None where it has no such group."""


class Management(msgspec.Struct, frozen=True, kw_only=True):
    """What an account is managed by: the same services as the console's."""

    registration: Registration
    verification: Verification
    smtp_users: SmtpUsers
    api_keys: ApiKeys
    signing: WebhookSigning
    templates: Templates
    suppressions: Suppressions
    groups: Groups
    imports: Imports
    address_checks: AddressChecks
    list_checks: ListChecks
    inbound_routes: InboundRoutes
    webhooks: Webhooks
    trial: Trial
    call_log: CallLog
    messages: Messages
    events: Events
    statistics: Statistics
    tags: Tags


class ApiServices(msgspec.Struct, frozen=True, kw_only=True):
    """What calls of the APIs are answered with."""

    keys: ApiKeyCheck
    limits: CallLimits
    submissions: Submissions
    previews: Previews
    domains: Domains
    management: Management
    database: Database
    uploads: Uploads
    batches: Batches
    transmissions: Transmissions
    groups: MailGroups
    clock: Clock
    max_message_size: int
